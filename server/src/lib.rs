//! A server of the ZooKeeper protocol: what an operator may ask of it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`words`] | answers to the four-letter words |

#![forbid(unsafe_code)]

pub mod words;
