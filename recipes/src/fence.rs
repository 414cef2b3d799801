//! The number that orders the holders of a lock.

use std::fmt;

/// A fence: the zxid of the transaction that created the holder's znode, or of the holder's own
/// write on it where the lock is [strict](crate::MutexBuilder::strict).
///
/// Larger for every later holder of the same lock, for the whole life of the ensemble: also across
/// expired sessions, a deleted and recreated parent and the overflow of sequence numbers. That of
/// the creation costs no request, because the reply of the create carries it.
///
/// A resource that keeps the highest fence it has seen, and refuses smaller ones in the same atomic
/// step, cannot be written by a holder that was paused while its lock went to somebody else. Equal
/// fences are the same holder. A resource that does not compare gains nothing.
///
/// Fences of different ensembles, or of an ensemble restored from an older backup, are not
/// comparable, and neither are those of strict and of other users of one path. In a queue whose
/// front members are deleted by hand, or that is shared with clients which order names as text
/// after an overflow, grants may not follow creation, and then a later holder that is not strict
/// may carry a smaller fence; [`Guard::write`](crate::Guard::write) is right even then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub i64);

impl Fence {
    /// The number to hand to the resource; positive.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
