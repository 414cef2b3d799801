//! A server with watchers: every event is written down in the order in which it is sent.

use std::collections::BTreeMap;

use lockkeeper_store::{ConnectionId, EventSink, Identities, Watches, Write};
use lockkeeper_wire::{AddWatchMode, EventType, Id, Request, SessionId, Zxid};

use super::{SESSION, Server, local};

/// Events as `connection kind path`, and who is behind a connection.
#[derive(Default)]
pub(crate) struct Record {
    events: Vec<String>,
    zxids: Vec<Zxid>,
    identities: BTreeMap<ConnectionId, Identities>,
}

impl EventSink for Record {
    fn with_identities<R>(&self, connection: ConnectionId, f: impl FnOnce(&[Id]) -> R) -> R {
        f(self.identities.get(&connection).unwrap_or(&local()))
    }

    fn event(&mut self, connection: ConnectionId, kind: EventType, zxid: Zxid, path: &str) {
        let kind = match kind {
            EventType::NodeCreated => "created",
            EventType::NodeDeleted => "deleted",
            EventType::NodeDataChanged => "changed",
            EventType::NodeChildrenChanged => "children",
            other => panic!("no server sends {other:?}"),
        };
        self.events.push(format!("{} {kind} {path}", connection.0));
        self.zxids.push(zxid);
    }
}

pub(crate) struct Hub {
    pub(crate) server: Server,
    pub(crate) watches: Watches,
    record: Record,
}

/// The kinds of watch a connection may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Data,
    Child,
    Persistent,
    Recursive,
}

impl Hub {
    /// A hub whose tree these requests have made.
    pub(crate) fn new(requests: &[Request]) -> Self {
        let mut server = Server::new();
        for request in requests {
            server.must(request);
        }
        Self {
            server,
            watches: Watches::new(),
            record: Record::default(),
        }
    }

    pub(crate) fn identify(&mut self, connection: u64, identities: Identities) {
        let connection = ConnectionId(connection);
        self.record.identities.insert(connection, identities);
    }

    pub(crate) fn watch(&mut self, connection: u64, kind: Kind, path: &str) {
        let connection = ConnectionId(connection);
        let watches = &mut self.watches;
        match kind {
            Kind::Data => watches.add_data(connection, path),
            Kind::Child => watches.add_child(connection, path),
            Kind::Persistent => {
                watches.add_persistent(connection, path, AddWatchMode::Persistent);
            }
            Kind::Recursive => {
                watches.add_persistent(connection, path, AddWatchMode::PersistentRecursive);
            }
        }
    }

    /// Runs a write that must succeed and gives the events; all carry its zxid.
    pub(crate) fn run(&mut self, request: &Request) -> Vec<String> {
        self.write(SESSION, Write::Request(request))
    }

    pub(crate) fn write(&mut self, session: SessionId, write: Write<'_>) -> Vec<String> {
        let entry = self.server.prep(session, &local(), write);
        let applied = self.server.apply(&entry);
        assert!(applied.outcome.is_ok(), "{entry:?}");
        for change in &applied.changes {
            self.watches
                .trigger(change, entry.header.zxid, &mut self.record);
        }
        self.events(entry.header.zxid)
    }

    pub(crate) fn set_watches(
        &mut self,
        connection: u64,
        watches: &lockkeeper_wire::watch::SetWatches2,
    ) -> Vec<String> {
        let connection = ConnectionId(connection);
        let store = &self.server.store;
        self.watches
            .set_watches(connection, store, watches, &mut self.record);
        self.events(Zxid(-1))
    }

    fn events(&mut self, zxid: Zxid) -> Vec<String> {
        let zxids = std::mem::take(&mut self.record.zxids);
        assert!(zxids.iter().all(|&of_event| of_event == zxid), "{zxids:?}");
        std::mem::take(&mut self.record.events)
    }
}
