//! Names and parents as the libraries on the same path make them.
//!
//! A lock's path is shared with whoever else uses it: Curator, kazoo, go-zk. Each of them orders
//! only the names it knows, so two that do not know each other's names both believe that they hold
//! the lock. The layout is therefore a setting and never a guess, every layout here waits for the
//! names of all the others (more waiting is harmless, less is not), and [`Rule::is_blind_to`]
//! says which names belong to somebody who would not wait in return.

use std::fmt::Write as _;

use lockkeeper::Client;

use crate::plan::{self, Rule};

/// The names of contender znodes and the kind of their parents.
///
/// One layout per path. Nothing on the path records it, so every process must be given the same
/// one; [`MutexBuilder::refuse_blind_names`](crate::MutexBuilder::refuse_blind_names) turns a
/// mistake into an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// `_c_<uuid>-lock-<seq>`: Apache Curator's `InterProcessMutex`, also understood by go-zk and
    /// by the Rust crate `zookeeper-client`; `_c_<uuid>-__READ__<seq>` and `__WRIT__`:
    /// `InterProcessReadWriteLock`. Missing parents become containers.
    #[default]
    Curator,
    /// `_c_<32 hex digits>-lock-<seq>`: go-zk, understood by Curator. Missing parents become
    /// containers.
    GoZk,
    /// `<32 hex digits>__lock__<seq>`: kazoo's `Lock` and `WriteLock` with their default names,
    /// which Curator and this crate's other layouts do not share a path with, and
    /// `<32 hex digits>__rlock__<seq>`: its `ReadLock`. Missing parents become persistent, because
    /// a kazoo lock object makes its parent only once.
    Kazoo,
}

/// The names of an election's candidates.
///
/// One layout per path, as for [`Layout`]. Candidates wait for those of every layout here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElectionLayout {
    /// `_c_<uuid>-latch-<seq>`: Apache Curator's `LeaderLatch`. Missing parents become containers.
    #[default]
    Latch,
    /// `_c_<uuid>-lock-<seq>`: Curator's `LeaderSelector`, which does not see latches. Missing
    /// parents become containers.
    Selector,
    /// `<32 hex digits>__lock__<seq>`: kazoo's `Election`. Missing parents become persistent.
    Kazoo,
}

/// What a contender's name ends with before the number: Curator's and kazoo's kinds.
const CURATOR_LOCK: &str = "lock-";
const KAZOO_LOCK: &str = "__lock__";
const CURATOR_LATCH: &str = "latch-";
const CURATOR_READ: &str = "__READ__";
const CURATOR_WRITE: &str = "__WRIT__";
const CURATOR_LEASE: &str = "lease-";
const KAZOO_READ: &str = "__rlock__";

/// The kinds that write, in a read/write lock; kazoo's is that of its mutex.
pub(crate) const WRITERS: &[&str] = &[CURATOR_WRITE, KAZOO_LOCK];

/// Every kind of a library that knows one: a contender, but perhaps of another recipe.
const KINDS: &[&str] = &[
    CURATOR_LATCH,
    CURATOR_LEASE,
    CURATOR_LOCK,
    CURATOR_READ,
    CURATOR_WRITE,
    KAZOO_LOCK,
    KAZOO_READ,
];

impl Layout {
    /// Every contender of every layout excludes every other.
    pub(crate) fn mutex(self) -> Rule {
        Rule {
            marker: match self {
                Self::Curator | Self::GoZk => CURATOR_LOCK,
                Self::Kazoo => KAZOO_LOCK,
            },
            blockers: &[CURATOR_LOCK, KAZOO_LOCK],
            peers: match self {
                Self::Curator | Self::GoZk => &[CURATOR_LOCK],
                Self::Kazoo => &[KAZOO_LOCK],
            },
            turns: false,
        }
    }

    /// A reader waits for the writers ahead of it.
    pub(crate) fn reader(self) -> Rule {
        Rule {
            marker: match self {
                Self::Curator | Self::GoZk => CURATOR_READ,
                Self::Kazoo => KAZOO_READ,
            },
            blockers: WRITERS,
            peers: self.read_write_kinds(),
            turns: false,
        }
    }

    /// A writer waits for everybody ahead of it; among them may be writers that turn into readers.
    pub(crate) fn writer(self) -> Rule {
        Rule {
            marker: match self {
                Self::Curator | Self::GoZk => CURATOR_WRITE,
                Self::Kazoo => KAZOO_LOCK,
            },
            blockers: &[CURATOR_READ, CURATOR_WRITE, KAZOO_LOCK, KAZOO_READ],
            peers: self.read_write_kinds(),
            turns: true,
        }
    }

    /// Leases count each other; only Curator's layout has them.
    pub(crate) fn lease() -> Rule {
        Rule {
            marker: CURATOR_LEASE,
            blockers: &[CURATOR_LEASE],
            peers: &[CURATOR_LEASE],
            turns: false,
        }
    }

    fn read_write_kinds(self) -> &'static [&'static str] {
        match self {
            Self::Curator | Self::GoZk => &[CURATOR_READ, CURATOR_WRITE],
            Self::Kazoo => &[KAZOO_LOCK, KAZOO_READ],
        }
    }

    /// The part of a name that is unique to one attempt; the rule's marker follows it.
    pub(crate) fn prefix(self, guid: Guid) -> String {
        match self {
            Self::Curator => format!("_c_{}-", guid.hyphenated()),
            Self::GoZk => format!("_c_{}-", guid.plain()),
            Self::Kazoo => guid.plain(),
        }
    }

    /// Whether missing parents are created as containers, which the server removes when idle.
    pub(crate) fn has_container_parents(self) -> bool {
        match self {
            Self::Curator | Self::GoZk => true,
            Self::Kazoo => false,
        }
    }
}

impl ElectionLayout {
    /// Every candidate of every layout excludes every other.
    pub(crate) fn rule(self) -> Rule {
        let (marker, peers): (_, &[_]) = match self {
            Self::Latch => (CURATOR_LATCH, &[CURATOR_LATCH]),
            Self::Selector => (CURATOR_LOCK, &[CURATOR_LOCK]),
            Self::Kazoo => (KAZOO_LOCK, &[KAZOO_LOCK]),
        };
        Rule {
            marker,
            blockers: &[CURATOR_LATCH, CURATOR_LOCK, KAZOO_LOCK],
            peers,
            turns: false,
        }
    }

    /// How the unique part of a name and the parents are made.
    pub(crate) fn names(self) -> Layout {
        match self {
            Self::Latch | Self::Selector => Layout::Curator,
            Self::Kazoo => Layout::Kazoo,
        }
    }
}

impl Rule {
    /// Whether the name belongs to a contender that does not wait for names under this rule, or
    /// whom others under this rule do not wait for.
    pub(crate) fn is_blind_to(&self, name: &str) -> bool {
        let is_contender = plan::sequence(name, KINDS).is_some() || is_apache_lock(name);
        is_contender && plan::sequence(name, self.peers).is_none()
    }
}

/// `x-<session>-<seq>`: the lock recipe shipped with ZooKeeper, understood by no other library.
fn is_apache_lock(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("x-") else {
        return false;
    };
    rest.split_once('-').is_some_and(|(session, _)| {
        !session.is_empty() && session.bytes().all(|byte| byte.is_ascii_hexdigit())
    }) && plan::sequence(name, &["-"]).is_some()
}

/// Sixteen bytes that name one attempt to take a lock.
///
/// A new one for each attempt: a name found under it can only be that attempt's own, whatever
/// became of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guid([u8; 16]);

impl Guid {
    /// A new one out of the client's random numbers.
    pub(crate) fn of(client: &Client) -> Self {
        Self::new(client.random(), client.random())
    }

    /// A random (version 4) id out of 128 random bits.
    pub(crate) fn new(high: u64, low: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.to_be_bytes());
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    pub(crate) fn plain(self) -> String {
        let mut text = String::with_capacity(32);
        for byte in self.0 {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        }
        text
    }

    pub(crate) fn hyphenated(self) -> String {
        let plain = self.plain();
        let parts = [
            &plain[..8],
            &plain[8..12],
            &plain[12..16],
            &plain[16..20],
            &plain[20..],
        ];
        parts.join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: u64 = 0x0123_4567_89ab_cdef;

    fn name(layout: Layout, seq: &str) -> String {
        let guid = Guid::new(GUID, GUID);
        format!("{}{}{seq}", layout.prefix(guid), layout.mutex().marker)
    }

    #[test]
    fn names_are_those_of_the_libraries() {
        assert_eq!(
            name(Layout::Curator, "0000000007"),
            "_c_01234567-89ab-4def-8123-456789abcdef-lock-0000000007"
        );
        assert_eq!(
            name(Layout::GoZk, "0000000007"),
            "_c_0123456789ab4def8123456789abcdef-lock-0000000007"
        );
        assert_eq!(
            name(Layout::Kazoo, "0000000007"),
            "0123456789ab4def8123456789abcdef__lock__0000000007"
        );
    }

    #[test]
    fn every_layout_waits_for_every_name() {
        let layouts = [Layout::Curator, Layout::GoZk, Layout::Kazoo];
        for (mine, theirs) in layouts.iter().flat_map(|a| layouts.map(|b| (*a, b))) {
            let blockers = mine.mutex().blockers;
            assert_eq!(
                plan::sequence(&name(theirs, "-000000005"), blockers),
                Some(-5)
            );
        }
    }

    #[test]
    fn blindness_follows_the_table_of_mixed_fleets() {
        let curator = name(Layout::Curator, "0000000001");
        let go = name(Layout::GoZk, "0000000001");
        let kazoo = name(Layout::Kazoo, "0000000001");
        let kazoo_subclass = "0123456789ab4def8123456789abcdef-lock-0000000001";
        let apache = "x-72057594037927936-0000000001";
        for name in [&curator, &go, kazoo_subclass] {
            assert!(!Layout::Curator.mutex().is_blind_to(name), "{name}");
            assert!(!Layout::GoZk.mutex().is_blind_to(name), "{name}");
            assert!(Layout::Kazoo.mutex().is_blind_to(name), "{name}");
        }
        for name in [&kazoo, apache] {
            assert!(Layout::Curator.mutex().is_blind_to(name), "{name}");
            assert!(Layout::GoZk.mutex().is_blind_to(name), "{name}");
        }
        assert!(!Layout::Kazoo.mutex().is_blind_to(&kazoo));
        assert!(Layout::Kazoo.mutex().is_blind_to(apache));
        for foreign in [
            "foo",
            "!",
            "0000000001",
            "x-",
            "x--0000000001",
            "lock-",
            "лок-lock",
        ] {
            assert!(!Layout::Curator.mutex().is_blind_to(foreign), "{foreign}");
        }
    }
}
