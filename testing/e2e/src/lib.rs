//! Whole systems under test: real servers, foreign clients, a network that misbehaves on command.
//!
//! Everything here is a process on this machine talking over loopback, and nothing knows whether
//! the server it talks to is ours: a test names a [`Peer`] and gets a [`Server`] or an
//! [`Ensemble`] with the same face for Apache ZooKeeper 3.9, 3.8 and `lockkeeper-server`. So each
//! expectation is first shown to hold for Apache, and only then asked of us.
//!
//! ```text
//! prepare ← apache, java, python          software fetched once into target/peers
//! process ← server ← ensemble             a server, several servers
//! server ← network ← ensemble             members of any make that lose sight of each other
//! process ← lines ← mutex_peer ← contend  foreign clients, driven line by line
//! oracle                                  judges whether locks excluded each other
//! proxy                                   loses, cuts, holds and diverts frames
//! process, raw ← crash_loop               kills our server, looks for what it acknowledged
//! ensemble, raw ← crash_loop              the same with members of an ensemble
//! ```
//!
//! Waiting is always for a condition, with a deadline, in [`wait::until`]. Errors are
//! [`std::io::Error`] with a text for the person reading the failed test; where a process is to
//! blame the text ends with the last lines of its log.

#![forbid(unsafe_code)]

pub mod apache;
pub mod contend;
pub mod crash_loop;
pub mod ensemble;
pub mod four_letter;
pub mod java;
pub mod lines;
mod member;
pub mod mutex_peer;
pub mod network;
pub mod oracle;
pub mod ours;
pub mod prepare;
pub mod process;
pub mod proxy;
pub mod python;
mod raw;
pub mod scratch;
pub mod server;
pub mod wait;

pub use ensemble::{Cast, Ensemble};
pub use mutex_peer::MutexPeer;
pub use network::{CatchUp, Network};
pub use oracle::Oracle;
pub use proxy::Proxy;
pub use server::{Mode, Peer, Server, Settings};
