//! A znode's metadata as clients see it.

use crate::codec::record;
use crate::id::{SessionId, Zxid};

record! {
    /// `Stat` of `zookeeper.jute`; 68 bytes.
    #[derive(Copy, Default)]
    pub struct Stat {
        /// Transaction that created the znode.
        pub czxid: Zxid,
        /// Transaction that last set its data.
        pub mzxid: Zxid,
        /// Leader's wall clock at creation, ms since 1970.
        pub ctime: i64,
        /// Leader's wall clock when the data was last set, ms since 1970.
        pub mtime: i64,
        /// Times the data was set.
        pub version: i32,
        /// Children created and deleted, each counted once.
        pub cversion: i32,
        /// Times the ACL was set.
        pub aversion: i32,
        /// The session an ephemeral belongs to; 0 for every other kind.
        pub ephemeral_owner: SessionId,
        /// Bytes of data; 0 for null.
        pub data_length: i32,
        /// Children now.
        pub num_children: i32,
        /// Transaction that last created or deleted a child, or the znode itself.
        pub pzxid: Zxid,
    }
}
