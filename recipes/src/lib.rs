//! Coordination recipes over a ZooKeeper ensemble.
//!
//! | recipe | guarantee | fence | znodes |
//! |---|---|---|---|
//! | [`Mutex`] | at most one contender is first; served in the order of creation; one wake-up per release | czxid of the holder's znode, or zxid of its claim if [strict](MutexBuilder::strict) | `_c_<uuid>-lock-<seq>` and others, see [`Layout`] |
//! | [`Reentrant`] | the same; one owner may take it again without a request | the same | the same |
//! | [`Election`] | at most one candidate is first; they lead in the order of creation; one wake-up per term | czxid of the leader's znode | `_c_<uuid>-latch-<seq>` and others, see [`ElectionLayout`] |
//! | [`RwLock`] | a writer is alone, readers are with readers; served in the order of creation | czxid of the holder's znode, or of the writer's that became a reader | `_c_<uuid>-__READ__<seq>`, `_c_<uuid>-__WRIT__<seq>` and others, see [`Layout`] |
//! | [`Semaphore`] | never more holders than the limit; served in the order of asking; one is woken by a release | zxid of the holder's claim | `locks/_c_<uuid>-lock-<seq>`, `leases/_c_<uuid>-lease-<seq>` |
//! | [`Barrier`] | everybody waits while it is closed | - | the path itself, as Curator and kazoo |
//! | [`DoubleBarrier`] | so many go in together and come out together; who comes late is told | - | `<uuid>`, `ready`, as Curator |
//! | [`CountdownLatch`] | open after so many distinct arrivals, for good; a lost reply counts nobody twice | - | `d-<id>`, `done` |
//! | [`Rendezvous`] | whoever waits gets what is left at the path, once it is | czxid of the occupant's znode | the path itself |
//! | [`SharedValue`], [`SharedCount`] | states in the order of their zxids; compare and set | - | the path itself, as Curator |
//! | [`Config`] | the last value that passed the check, without a request | - | the path itself |
//! | [`ConfigSet`] | several keys, read whole or not at all, published by a holder only | the publisher's guard | `versions/v-<uuid>/<key>`, `current`; or `<key>`, `ready` |
//! | [`Group`] | who is there, in the order of joining; joins and leaves | czxid of the member's znode | `<id>` as Curator; `<hex>__party__` as kazoo |
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
//! read what has become of it. A queue recipe is a set of names and a rule whom to wait for; what
//! only has to be there is the same without a queue (`presence`). Everything else follows a
//! znode by looking at it after each event, and takes no event for the news itself.
//!
//! ```text
//! json ← identity; plan ← layout; state ← latest
//! error ← state ← retry ← look ← own, parents ← bound ← hold, leave ← contender ← guard ← queue ← election, rwlock, semaphore, lock ← owner
//! look, parents ← barrier, countdown, value; look, latest ← config ← config_set; look ← election
//! guard, leave ← presence ← double_barrier, rendezvous, group
//! ```

#![forbid(unsafe_code)]

mod barrier;
mod bound;
mod config;
mod config_set;
mod contender;
mod countdown;
mod double_barrier;
mod election;
mod error;
mod fence;
mod group;
mod guard;
mod hold;
mod identity;
mod json;
mod latest;
mod layout;
mod leave;
mod lock;
mod look;
mod own;
mod owner;
mod parents;
mod plan;
mod presence;
mod queue;
mod rendezvous;
mod retry;
mod rwlock;
mod semaphore;
mod state;
mod value;

pub use barrier::Barrier;
pub use config::{Config, ConfigBuilder, ConfigChanges, ConfigStatus, Keys, Revision, Snapshot};
pub use config_set::{ConfigSet, SetLayout};
pub use countdown::CountdownLatch;
pub use double_barrier::{DoubleBarrier, Party};
pub use election::{
    Candidate, CandidateState, CandidateStates, Election, ElectionBuilder, KnownLeader, Leader,
    LossPolicy, Observer, Participant,
};
pub use error::{LockError, LossReason, RecipeError};
pub use fence::Fence;
pub use group::{Group, GroupEvent, GroupLayout, GroupView, Member, Membership, MembershipStates};
pub use guard::{Guard, GuardStates};
pub use identity::Identity;
pub use layout::{ElectionLayout, Layout};
pub use lock::{Holder, Mutex, MutexBuilder};
pub use owner::{Owned, Owner, Reentrant, ReentrantGuard};
pub use rendezvous::{Filled, Rendezvous};
pub use rwlock::{ReadGuard, RwLock, RwLockBuilder, WriteGuard};
pub use semaphore::{Limit, Semaphore, SemaphoreBuilder};
pub use state::GuardState;
pub use value::{Counts, SharedCount, SharedValue, Values, Versioned};
