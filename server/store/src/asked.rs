//! What the reply of a multi has to say and its transaction does not: which creates asked for their
//! znode's metadata.
//!
//! In the log every such create is one of the first kind, which all servers understand. Who waits
//! for the reply remembers what was asked.

use lockkeeper_wire::multi::{MultiOp, MultiResult};
use lockkeeper_wire::reply::Create2Response;
use lockkeeper_wire::{Request, Response};

use crate::apply::Applied;

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
