//! The rules as data.

/// What one crate may do.
#[derive(Debug)]
pub(super) struct Entry {
    /// The package name.
    pub(super) name: &'static str,
    /// Without I/O, clock, thread, entropy or hash order.
    pub(super) pure: bool,
    /// Crates of ours that it may use.
    pub(super) ours: &'static [&'static str],
    /// For a pure crate: crates of others beside [`PURE_DEPENDENCIES`]. Each one computes a value
    /// from its arguments and does nothing else.
    pub(super) others: &'static [&'static str],
}

/// What every pure crate may use of others.
pub(super) const PURE_DEPENDENCIES: &[&str] = &["bytes", "thiserror", "tracing"];

const CLIENT: &str = "lockkeeper";
const RECIPES: &str = "lockkeeper-recipes";
const SESSION: &str = "lockkeeper-session";
const WIRE: &str = "lockkeeper-wire";
const STORE: &str = "lockkeeper-store";
const ZAB: &str = "lockkeeper-zab";
const JOURNAL: &str = "lockkeeper-journal";
const REPLICA: &str = "lockkeeper-replica";
const SERVER: &str = "lockkeeper-server";
const BUGS: &str = "lockkeeper-bugs";
const CHECK: &str = "lockkeeper-check";
const E2E: &str = "lockkeeper-e2e";

const fn pure(name: &'static str, ours: &'static [&'static str]) -> Entry {
    Entry {
        name,
        pure: true,
        ours,
        others: &[],
    }
}

const fn shell(name: &'static str, ours: &'static [&'static str]) -> Entry {
    Entry {
        name,
        pure: false,
        ours,
        others: &[],
    }
}

/// Every crate of the workspace, now or to come.
///
/// Client and server side meet only in `lockkeeper-wire`, under `testing` and in the examples, one
/// of which embeds a server.
const CRATES: &[Entry] = &[
    // What is planted in others behind their private feature `__seeded-bugs`.
    pure(BUGS, &[]),
    pure(WIRE, &[]),
    pure(SESSION, &[BUGS, WIRE]),
    shell(CLIENT, &[SESSION, WIRE]),
    shell(RECIPES, &[BUGS, CLIENT]),
    // The digests of the digest scheme and of the tree are defined over these functions.
    Entry {
        name: STORE,
        pure: true,
        ours: &[BUGS, WIRE],
        others: &["base64", "crc32fast", "sha1"],
    },
    pure(ZAB, &[WIRE]),
    shell(JOURNAL, &[BUGS, WIRE]),
    pure(REPLICA, &[BUGS, STORE, ZAB, WIRE]),
    // The server publishes the store that its replica writes, so that connections read it, and its
    // configuration names the membership.
    shell(SERVER, &[REPLICA, STORE, JOURNAL, ZAB, WIRE]),
    shell("lockkeeper-ffi", &[CLIENT, RECIPES]),
    shell("lockkeeper-python", &[CLIENT, RECIPES]),
    shell("lk", &[CLIENT, RECIPES, WIRE]),
    shell("lockkeeper-examples", &[CLIENT, RECIPES, SERVER]),
    // The model computes the tree's digest anew.
    Entry {
        name: CHECK,
        pure: true,
        ours: &[WIRE],
        others: &["crc32fast"],
    },
    shell(
        "lockkeeper-sim",
        &[
            BUGS, CHECK, SERVER, REPLICA, STORE, JOURNAL, SESSION, CLIENT, RECIPES, WIRE,
        ],
    ),
    shell(E2E, &[CHECK, CLIENT, RECIPES, WIRE]),
    shell("lockkeeper-bench", &[CLIENT, RECIPES, WIRE, E2E]),
    shell("xtask", &[]),
];

/// Crates of ours that the tests of any other crate may use.
pub(super) const FOR_TESTS: &[&str] = &[CHECK, E2E, JOURNAL, SERVER, WIRE];

/// Crates whose code may contain unsafe blocks or expand to them.
pub(super) const UNSAFE: &[&str] = &["lockkeeper-ffi", "lockkeeper-python"];

/// Names that a pure crate may not mention, each with everything below it.
pub(super) const IMPURE: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "rand",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "tokio",
];

/// Exceptions to [`IMPURE`]: addresses as values, which open nothing.
pub(super) const PURE: &[&str] = &[
    "std::net::AddrParseError",
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
];

/// Files that are pure although their crate is not.
pub(super) const PURE_FILES: &[&str] = &["recipes/src/plan.rs", "server/journal/src/format.rs"];

/// Crates that run under the simulation, and so on any runtime.
pub(super) const ANY_RUNTIME: &[&str] = &[CLIENT, RECIPES];

/// Where those crates may name all of tokio: the adapter to its runtime, TLS over its sockets, and
/// the blocking face that brings a runtime of its own.
pub(super) const TOKIO_FILES: &[&str] = &[
    "client/src/blocking.rs",
    "client/src/runtime/tokio.rs",
    "client/src/tls.rs",
];

/// What those crates may use of tokio elsewhere: it needs no runtime and hides no random choice.
pub(super) const TOKIO_PARTS: &[&str] = &[
    "tokio::pin",
    "tokio::select",
    "tokio::sync::Mutex",
    "tokio::sync::Notify",
    "tokio::sync::mpsc",
    "tokio::sync::oneshot",
];

/// The line of a crate.
pub(super) fn entry(name: &str) -> Option<&'static Entry> {
    CRATES.iter().find(|entry| entry.name == name)
}

/// The crate that code calls by this name, if it is one of ours.
pub(super) fn by_identifier(identifier: &str) -> Option<&'static Entry> {
    CRATES
        .iter()
        .find(|entry| entry.name.replace('-', "_") == identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_leads_to_an_earlier_line() {
        for (i, entry) in CRATES.iter().enumerate() {
            for target in entry.ours {
                let found = CRATES[..i].iter().any(|earlier| earlier.name == *target);
                assert!(
                    found,
                    "{} uses {target}, which does not come before it",
                    entry.name
                );
            }
        }
    }

    #[test]
    fn pure_crates_use_only_pure_ones() {
        for entry in CRATES.iter().filter(|entry| entry.pure) {
            for target in entry.ours {
                assert!(
                    super::entry(target).is_some_and(|target| target.pure),
                    "{target}"
                );
            }
        }
    }
}
