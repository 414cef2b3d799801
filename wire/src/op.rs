//! Operation codes and the numbers that select kinds: create modes, watch kinds.

use crate::error::DecodeError;

macro_rules! kinds {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$v_meta:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i32)]
        pub enum $name { $($(#[$v_meta])* $variant = $value,)* }

        impl TryFrom<i32> for $name {
            type Error = DecodeError;

            fn try_from(value: i32) -> Result<Self, DecodeError> {
                match value {
                    $($value => Ok(Self::$variant),)*
                    _ => Err(DecodeError::Unknown { what: $what, value }),
                }
            }
        }

        impl From<$name> for i32 {
            fn from(kind: $name) -> i32 {
                kind as i32
            }
        }
    };
}

kinds! {
    /// `ZooDefs.OpCode`: what a request asks for and what a transaction did.
    #[allow(missing_docs)]
    OpCode, "operation code" {
        /// Only in notifications.
        Notification = 0,
        Create = 1,
        Delete = 2,
        Exists = 3,
        GetData = 4,
        SetData = 5,
        GetAcl = 6,
        SetAcl = 7,
        GetChildren = 8,
        Sync = 9,
        Ping = 11,
        GetChildren2 = 12,
        /// Only inside a multi.
        Check = 13,
        Multi = 14,
        Create2 = 15,
        Reconfig = 16,
        CheckWatches = 17,
        RemoveWatches = 18,
        CreateContainer = 19,
        /// Only between servers and in the log.
        DeleteContainer = 20,
        CreateTtl = 21,
        MultiRead = 22,
        Auth = 100,
        SetWatches = 101,
        Sasl = 102,
        GetEphemerals = 103,
        GetAllChildrenNumber = 104,
        SetWatches2 = 105,
        AddWatch = 106,
        WhoAmI = 107,
        /// Only between servers and in the log.
        CreateSession = -10,
        CloseSession = -11,
        /// A failed transaction, or a failed part of a multi.
        Error = -1,
    }
}

kinds! {
    /// The kind of znode a create makes; the value of `flags`.
    CreateMode, "create mode" {
        /// Stays until deleted.
        Persistent = 0,
        /// Goes with its session; has no children.
        Ephemeral = 1,
        /// Persistent, with a number of ten digits appended to its name.
        PersistentSequential = 2,
        /// Ephemeral, with a number of ten digits appended to its name.
        EphemeralSequential = 3,
        /// Removed by the server some time after its last child.
        Container = 4,
        /// Removed when childless and unchanged for its time to live.
        PersistentTtl = 5,
        /// The same with a number of ten digits appended to its name.
        PersistentSequentialTtl = 6,
    }
}

impl CreateMode {
    /// Whether the server appends a number to the name.
    pub const fn is_sequential(self) -> bool {
        matches!(
            self,
            Self::PersistentSequential | Self::EphemeralSequential | Self::PersistentSequentialTtl
        )
    }

    /// Whether the znode belongs to the session that creates it.
    pub const fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }

    /// Whether a time to live belongs to it.
    pub const fn is_ttl(self) -> bool {
        matches!(self, Self::PersistentTtl | Self::PersistentSequentialTtl)
    }
}

kinds! {
    /// What happened to a znode: `type` of a watch event.
    EventType, "event type" {
        /// Made by clients: the session's state changed.
        None = -1,
        /// The znode was created.
        NodeCreated = 1,
        /// The znode was deleted.
        NodeDeleted = 2,
        /// Its data was set.
        NodeDataChanged = 3,
        /// A child was created or deleted.
        NodeChildrenChanged = 4,
        /// Made by clients: a data watch was removed.
        DataWatchRemoved = 5,
        /// Made by clients: a child watch was removed.
        ChildWatchRemoved = 6,
        /// Made by clients: a persistent watch was removed.
        PersistentWatchRemoved = 7,
    }
}

kinds! {
    /// `mode` of addWatch.
    AddWatchMode, "watch mode" {
        /// Events of the znode and of its children's coming and going.
        Persistent = 0,
        /// Events of the znode and of everything below it.
        PersistentRecursive = 1,
    }
}

kinds! {
    /// `type` of checkWatches and removeWatches.
    WatcherType, "watcher type" {
        /// Child watches.
        Children = 1,
        /// Data and exist watches.
        Data = 2,
        /// Every kind.
        Any = 3,
        /// Persistent watches; servers from 3.9.
        Persistent = 4,
        /// Persistent recursive watches; servers from 3.9.
        PersistentRecursive = 5,
    }
}
