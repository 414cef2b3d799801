//! What a guard may stand for: each is held in the same way and given back in its own.

use std::ops::Deref;

use futures::FutureExt;
use futures::future::BoxFuture;
use lockkeeper_recipes::{Guard, Leader, LossPolicy, Party, ReadGuard, WriteGuard};

use crate::error::Fault;

pub(crate) enum Held {
    Leader(Leader, LossPolicy),
    Lock(Guard),
    Party(Party),
    Reader(ReadGuard),
    Writer(WriteGuard),
}

impl Held {
    /// When it must not be relied on any more.
    pub(crate) fn policy(&self) -> LossPolicy {
        match self {
            Self::Leader(_, policy) => *policy,
            _ => LossPolicy::Deadline,
        }
    }

    /// Gives it back; where that begins before the first poll, it goes on without the future.
    pub(crate) fn release(self) -> BoxFuture<'static, Result<(), Fault>> {
        match self {
            Self::Leader(leader, _) => told(leader.resign()),
            Self::Lock(guard) => told(guard.release()),
            Self::Party(party) => told(party.leave()),
            Self::Reader(guard) => told(guard.release()),
            Self::Writer(guard) => told(guard.release()),
        }
    }
}

fn told<E: Into<Fault>>(
    release: impl Future<Output = Result<(), E>> + Send + 'static,
) -> BoxFuture<'static, Result<(), Fault>> {
    release.map(|end| end.map_err(Into::into)).boxed()
}

impl Deref for Held {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        match self {
            Self::Leader(leader, _) => leader,
            Self::Lock(guard) => guard,
            Self::Party(party) => party.guard(),
            Self::Reader(guard) => guard,
            Self::Writer(guard) => guard,
        }
    }
}
