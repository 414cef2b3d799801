//! Tests that need foreign software: Apache's servers, the Java client, Curator and kazoo.
//!
//! `cargo xtask interop` runs them; a plain `cargo test` does not even compile them. A test that
//! asks something of a server goes through [`Peer::under_test`], so that Apache's server vouches
//! for the expectation before ours has to meet it.
//!
//! [`Peer::under_test`]: lockkeeper_e2e::Peer::under_test

#![forbid(unsafe_code)]

mod clients;
mod command_line;
mod common;
mod directories;
mod failover;
mod holders;
mod members;
mod mixed;
mod mutexes;
mod partitions;
mod recipes;
mod rust_client;
mod servers;
mod tree;
