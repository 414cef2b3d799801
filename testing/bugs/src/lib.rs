//! Bugs that are planted to see whether a net catches them.
//!
//! A net that has never caught anything proves nothing. So the places where a bug of a known kind
//! would sit have that bug in them, behind the private feature `__seeded-bugs` of their crates, which
//! no normal build turns on, and behind [`plant`], which a run calls with one bug or none.
//! `cargo xtask seeded-bugs` plants one after the other and says which net caught it and after how
//! many seeds.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

use std::sync::atomic::{AtomicU8, Ordering};

macro_rules! bugs {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// The bugs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Bug { $($(#[$meta])* $name,)* }

        /// All of them.
        pub const ALL: &[Bug] = &[$(Bug::$name,)*];
    };
}

bugs! {
    /// The client: what may have happened is reported as not applied.
    CallsUnknownNotApplied,
    /// The client: watches are not armed again on a new link.
    ForgetsWatches,
    /// The client: a write whose reply was lost is sent again.
    RepeatsWrites,
    /// The journal: the last record of the log is passed over at a start.
    LosesTail,
    /// The journal: a sync does nothing.
    SkipsSync,
    /// The recipes: every holder has the same fence.
    FencesAlike,
    /// The recipes: who has one contender ahead is let in.
    LetsSecondIn,
    /// The replica: the last contact of a connection that ends does not count.
    ForgetsContact,
    /// The replica: the reply of a write stands before its events.
    RepliesBeforeEvents,
    /// The replica: reads do not wait for the connection's own writes.
    RepliesOutOfOrder,
    /// The replica: every fourth session has the id of the one before.
    RepeatsSessionId,
    /// The replica: a connection that is replaced goes on.
    KeepsOldConnection,
    /// The replica: a sync is answered whatever is under way.
    SyncsAtOnce,
    /// The server: what is written to the log counts before it is synced.
    CommitsUnsynced,
    /// The store: a set or delete of any version goes through.
    IgnoresVersions,
    /// The store: the close of a session leaves its last ephemeral.
    LeavesEphemeral,
    /// The store: sequence numbers do not count creations under way.
    RepeatsSequence,
    /// The store: a refused multi does its first part.
    SplitsMulti,
    /// The store: sessions end at half of their timeout.
    ExpiresEarly,
    /// The store: sessions end three timeouts late.
    ExpiresLate,
    /// The store: of several watchers of a path the last hears nothing.
    DropsWatch,
    /// The store: one-shot watches stay.
    KeepsWatch,
    /// The store: what a reconnected client has missed is not told.
    HidesMissed,
    /// The store: events are told whoever may read.
    TellsSecrets,
    /// The store: a deletion is no event of the parent.
    ForgetsParent,
}

static PLANTED: AtomicU8 = AtomicU8::new(u8::MAX);

/// Plants a bug for the whole process, in place of the one before.
pub fn plant(bug: Option<Bug>) {
    let number = bug.map_or(u8::MAX, |bug| bug as u8);
    PLANTED.store(number, Ordering::SeqCst);
}

/// Whether this bug is planted.
pub fn is(bug: Bug) -> bool {
    PLANTED.load(Ordering::Relaxed) == bug as u8
}

/// The bug of this name.
pub fn named(name: &str) -> Option<Bug> {
    ALL.iter().copied().find(|bug| format!("{bug:?}") == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for &bug in ALL {
            assert_eq!(named(&format!("{bug:?}")), Some(bug));
        }
        assert_eq!(named("Nothing"), None);
    }
}
