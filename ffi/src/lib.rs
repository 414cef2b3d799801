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
//! - A call that blocks: `entry`, `borrow`, `may_block`, then `wait` or `wait_until`; the deadline
//!   is always an argument. `lock::lk_lock_acquire` is one.
//! - A call that does not wait, `_async`: [`call::start`] with the operation's future and what tells
//!   its end. Neither may own the session; `lock::lk_lock_acquire_async` shows how an object that
//!   needs it is made.
//! - A function that is called again and again: [`callback::Handover::lend`] in a task, which takes
//!   the next item only when the last was seen, so that a slow program makes no queue grow.
//!   `connection::lk_client_on_state` is one; `guard::lk_guard_on_lost` is one that is called once.
//! - `user` becomes a [`callback::User`] before anything can fail: that is what makes `drop` run
//!   exactly once.
//! - A failure: `From` its error for `error::Fault`, with a status if none of those says what to
//!   do.
//! - Tests in `ffi/tests`: every file there is built and run, the fork test has every call, and
//!   `cargo xtask test-c` fails for a function that none of them calls.
//!
//! ```text
//! status ← error ← handle, queue ← config, result
//! queue ← callback    signals, wait, queue ← session
//! session, callback ← call ← guard    session, callback, config ← connection ← ops, lock
//! result ← ops    guard ← lock
//! ```

#![allow(unsafe_code)]
#![deny(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn)]
// The contract of every function is in the header's preamble; a section in each would repeat it.
#![allow(clippy::missing_safety_doc)]
// Types have the names that C sees.
#![allow(non_camel_case_types)]

pub mod call;
pub mod callback;
pub mod config;
pub mod connection;
pub mod error;
pub mod guard;
mod handle;
pub mod lock;
pub mod ops;
mod queue;
pub mod result;
mod session;
mod signals;
pub mod status;
pub mod text;
pub mod version;
mod wait;
