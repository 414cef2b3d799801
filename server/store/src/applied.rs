//! What a transaction did, and what the reply of a multi has to say beyond that.
//!
//! In the log every create of a multi is one of the first kind, which all servers understand. Who
//! waits for the reply remembers which of them asked for their znode's metadata.

use lockkeeper_wire::multi::{MultiOp, MultiResult};
use lockkeeper_wire::reply::Create2Response;
use lockkeeper_wire::{ByteStr, ErrorCode, EventType, Request, Response, Stat};

use crate::access::AclRef;

/// What a transaction did.
#[derive(Debug)]
pub struct Applied {
    /// The reply's body, or the code of an error transaction.
    pub outcome: Result<Response, ErrorCode>,
    /// What to tell watchers, in order.
    pub changes: Vec<Change>,
    /// Whether the transaction did not fit the tree: a part of it found a znode missing, or there,
    /// or children of one to delete.
    pub misfit: bool,
    /// Whether the digest that the leader predicted differs from the tree's.
    pub digest_mismatch: bool,
    /// The znodes that plain creates of a multi have made, by part; see [`StatsWanted`].
    pub stats: Vec<(usize, Stat)>,
}

/// A step of a transaction that watches may wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Created, deleted or data set.
    pub kind: EventType,
    /// The znode.
    pub path: ByteStr,
    /// Its access list; of a deleted one, as it was.
    pub acl: AclRef,
    /// The parent's access list, for the event that its child watches get.
    pub parent_acl: AclRef,
}

/// The parts of one multi whose reply is to carry metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsWanted(Box<[usize]>);

impl StatsWanted {
    /// What a request asks for: nothing, unless it is a multi with a create2 in it.
    pub fn by(request: &Request) -> Self {
        let Request::Multi(multi) = request else {
            return Self::default();
        };
        let wanted = multi.ops.iter().enumerate();
        let wanted = wanted.filter(|(_, op)| matches!(op, MultiOp::Create2(_)));
        Self(wanted.map(|(at, _)| at).collect())
    }
}

impl Applied {
    /// Puts the metadata into the results that are to have it.
    pub fn give_stats(&mut self, wanted: &StatsWanted) {
        let Ok(Response::Multi(reply)) = &mut self.outcome else {
            return;
        };
        for (at, stat) in self.stats.drain(..) {
            if wanted.0.contains(&at)
                && let Some(result) = reply.results.get_mut(at)
                && let MultiResult::Create(body) = result
            {
                let path = body.path.clone();
                *result = MultiResult::Create2(Create2Response { path, stat });
            }
        }
    }
}
