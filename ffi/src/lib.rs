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
//! whatever those do cannot keep the session from being pinged. Callers wait on their own thread
//! and need no runtime. After a fork the child has neither, which is why each object remembers the
//! process that made it and is refused, or on `free` left alone, in any other.
//!
//! ```text
//! error ← handle ← config, result
//! signals, wait ← session ← callback ← guard
//! session, config ← connection ← ops, lock
//! result ← ops    guard ← lock
//! ```

#![allow(unsafe_code)]
#![deny(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn)]
// The contract of every function is in the header's preamble; a section in each would repeat it.
#![allow(clippy::missing_safety_doc)]
// Types have the names that C sees.
#![allow(non_camel_case_types)]

pub mod callback;
pub mod config;
pub mod connection;
pub mod error;
pub mod guard;
mod handle;
pub mod lock;
pub mod ops;
pub mod result;
mod session;
mod signals;
pub mod text;
pub mod version;
mod wait;
