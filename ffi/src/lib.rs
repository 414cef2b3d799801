//! The C face of Lockkeeper: `liblockkeeper` and `include/lockkeeper.h`.
//!
//! Every exported function does three things: it checks its pointers, calls a safe function, and
//! translates the result. Unsafe code is there for the first of them, in `handle` and `text`,
//! and for calling back. The header is made from these files by `cargo xtask header`, so doc
//! comments of exported items are written for readers of C.
//!
//! # Threads
//!
//! A client has two: one that moves bytes and time, and one for the caller's functions, so that
//! whatever those do cannot keep the session from being pinged. A program with an event loop has
//! the second one's work done by `lk_dispatch` instead (`queue`). Callers wait on their own thread
//! and need no runtime. After a fork the child has neither, which is why each object remembers the
//! process that made it and is refused, or on `free` left alone, in any other.
//!
//! # Adding to it
//!
//! - A type: a struct that is an [`handle::Object`], with a [`handle::Maker`] unless it is plain
//!   memory, and last in it the `Arc<Session>` that it needs, since fields are dropped in order
//!   and the session's end waits for the client's tasks. [`handle::Out`] gives it out, `take` in its
//!   `_free` takes it back. Its file goes into the list of `xtask/src/header.rs`, and a line about
//!   who may share it into the table of `include/preamble.txt`.
//! - A recipe that is a path and nothing else needs no type: [`at::At`] makes it for each call.
//! - A call that blocks: `entry`, `borrow`, then [`wait::wait_for`] if giving it up undoes it, else
//!   [`wait::carry_out`]; the deadline is always an argument. `barrier.rs` has both.
//! - A call that does not wait, `_async`: [`call::start_done`], [`result::start_result`] or
//!   [`guard::start_held`] with [`wait::await_for`]. No task may own the session.
//! - A function that is called again and again: [`call::start_each`] with a stream.
//!   `value::lk_value_watch` is one; `guard::lk_guard_on_lost` is one that is called once.
//! - What is held until it is given back: a variant of [`held::Held`].
//! - `user` becomes a [`callback::User`] before anything can fail: that is what makes `drop` run
//!   exactly once.
//! - A failure: `From` its error for `error::Fault`, with a status if none of those says what to
//!   do.
//! - Tests in `ffi/tests`: every file there is built and run, the fork test has every call, and
//!   `cargo xtask test-c` fails for a function that none of them calls.
//!
//! ```text
//! status ← error ← handle, queue ← config, callback, wait    signals, wait, queue ← session
//! session, callback ← call, member ← result ← ops    call, config ← connection ← at, ops
//! held, kept, call ← guard ← lock ← rwlock, semaphore    guard, member ← election ← candidate
//! at, call ← barrier, latch    at, result ← value, group    at, guard, result ← double_barrier,
//! rendezvous, publish ← follow
//! ```

#![allow(unsafe_code)]
#![deny(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn)]
// The contract of every function is in the header's preamble; a section in each would repeat it.
#![allow(clippy::missing_safety_doc)]
// Types have the names that C sees.
#![allow(non_camel_case_types)]

mod at;
pub mod barrier;
pub mod call;
pub mod callback;
pub mod candidate;
pub mod config;
pub mod connection;
pub mod double_barrier;
pub mod election;
pub mod error;
pub mod follow;
pub mod group;
pub mod guard;
mod handle;
mod held;
mod kept;
pub mod latch;
pub mod lock;
pub mod member;
pub mod ops;
pub mod publish;
mod queue;
pub mod rendezvous;
pub mod result;
pub mod rwlock;
pub mod semaphore;
mod session;
mod signals;
pub mod status;
pub mod text;
pub mod value;
pub mod version;
mod wait;
