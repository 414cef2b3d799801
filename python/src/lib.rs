//! The native half of the Python package `lockkeeper`: one surface of operations, two ways to wait.
//!
//! Every operation returns a [`pending::Pending`]: it has taken its place in the session's order,
//! and is either waited for, which detaches from the interpreter and answers Ctrl-C, or handed to a
//! [`queue::Queue`], which completes futures of one asyncio loop in batches. Classes that people
//! use, their defaults, the context managers and the exception tree are Python, in `lockkeeper/`.
//!
//! No thread of this module ever runs Python code or touches a Python object, so none can be caught
//! by the end of the interpreter; no call panics on what a caller hands in.
//!
//! ```text
//! process ← failure ← pending ← queue
//!             value ← pending ← session ← recipes
//! ```

#![forbid(unsafe_code)]

mod bell;
mod convert;
mod failure;
mod pending;
mod process;
mod queue;
mod recipes;
mod session;
mod stat;
mod value;

/// The module `lockkeeper._lockkeeper`.
#[pyo3::pymodule]
mod _lockkeeper {
    #[pymodule_export]
    use crate::pending::Pending;
    #[pymodule_export]
    use crate::process::{after_fork_in_child, stop};
    #[pymodule_export]
    use crate::queue::Queue;
    #[pymodule_export]
    use crate::recipes::barrier::Barrier;
    #[pymodule_export]
    use crate::recipes::changes::{Changes, Latest};
    #[pymodule_export]
    use crate::recipes::config::{ConfigSet, follow_value};
    #[pymodule_export]
    use crate::recipes::countdown::CountdownLatch;
    #[pymodule_export]
    use crate::recipes::double_barrier::{DoubleBarrier, Party};
    #[pymodule_export]
    use crate::recipes::election::{Candidate, Election, KnownLeader, Participant};
    #[pymodule_export]
    use crate::recipes::group::{Group, Joined, Left, Member, Membership};
    #[pymodule_export]
    use crate::recipes::hold::Hold;
    #[pymodule_export]
    use crate::recipes::lock::Contest;
    #[pymodule_export]
    use crate::recipes::rendezvous::{Filled, Rendezvous};
    #[pymodule_export]
    use crate::recipes::rwlock::RwLock;
    #[pymodule_export]
    use crate::recipes::semaphore::Semaphore;
    #[pymodule_export]
    use crate::recipes::value::{SharedCount, SharedValue, Versioned};
    #[pymodule_export]
    use crate::session::Session;
    #[pymodule_export]
    use crate::stat::{Holder, Stat};
}
