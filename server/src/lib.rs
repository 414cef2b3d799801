//! A server of the ZooKeeper protocol: what an operator sets, and what an operator may ask.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | flags and `zoo.cfg`, read once into [`Config`] |
//! | [`error`] | why the server does not start, and the exit code that says so |
//! | [`words`] | answers to the four-letter words |
//!
//! ```text
//! words ← config ← error
//! ```

#![forbid(unsafe_code)]

pub mod config;
pub mod error;
pub mod words;

pub use config::{Config, ConfigError};
pub use error::StartError;
