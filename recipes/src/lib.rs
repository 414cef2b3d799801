//! Coordination recipes over a ZooKeeper ensemble.
//!
//! | recipe | guarantee | fence | znodes |
//! |---|---|---|---|
//! | [`Mutex`] | at most one contender is first; served in the order of creation; one wake-up per release | czxid of the holder's znode | `_c_<uuid>-lock-<seq>` and others, see [`Layout`] |
//! | [`Reentrant`] | the same; one owner may take it again without a request | the same | the same |
//!
//! # What a lock can promise
//!
//! An ensemble keeps two contenders from being first at once. It cannot keep two processes from
//! acting at once: one that was paused, or whose packets were delayed, does not know that its
//! session expired and that the lock went on. So a [`Guard`] says what it knows - its
//! [state](Guard::state), how long that [holds](Guard::remaining), and when it
//! [ends](Guard::lost) - and carries a [`Fence`], by which the resource itself can refuse whoever
//! comes late. What lies in ZooKeeper needs no fence: [`Guard::write`] goes through only while the
//! lock is held.
//!
//! # Cancellation
//!
//! Any future of this crate may be dropped at any await. What it had created is deleted by a task
//! of the client, through reconnects, until it is gone or the session is.
//!
//! # Inside
//!
//! One task owns one contender's znode for all of its life; handles only tell it what is wanted and
//! read what has become of it. A queue recipe is a set of names and a rule whom to wait for.
//!
//! ```text
//! error, fence, identity, plan ← layout
//! error ← state ← retry ← own, parents ← hold ← contender ← guard ← queue ← lock ← owner
//! ```

#![forbid(unsafe_code)]

mod contender;
mod error;
mod fence;
mod guard;
mod hold;
mod identity;
mod layout;
mod lock;
mod own;
mod owner;
mod parents;
mod plan;
mod queue;
mod retry;
mod state;

pub use error::{LockError, LossReason};
pub use fence::Fence;
pub use guard::{Guard, GuardStates};
pub use identity::Identity;
pub use layout::Layout;
pub use lock::{Holder, Mutex, MutexBuilder};
pub use owner::{Owned, Owner, Reentrant, ReentrantGuard};
pub use state::GuardState;
