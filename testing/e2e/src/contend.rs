//! Contention: any mix of libraries on one lock path, judged by the oracle.

use std::io;
use std::time::Duration;

use crate::mutex_peer::MutexPeer;
use crate::oracle::{Oracle, Report};

/// How much work a contest is.
#[derive(Clone, Copy, Debug)]
pub struct Contest {
    /// Sessions per peer, all at the lock at once.
    pub sessions: u32,
    /// Acquisitions of each session.
    pub acquisitions: u32,
    /// Time until every peer must be done.
    pub patience: Duration,
}

/// Lets the peers, all connected to one lock path, run against each other; returns the judgement.
///
/// A peer stops at its first violation and is the error then; the oracle's view is part of it.
pub fn contend(peers: &mut [MutexPeer], contest: Contest) -> io::Result<Report> {
    let oracle = Oracle::start()?;
    for peer in peers.iter_mut() {
        peer.begin_run(contest.acquisitions, oracle.address(), contest.sessions)?;
    }
    for peer in peers.iter_mut() {
        let total = peer.end_run(contest.patience).map_err(|error| {
            let violations = oracle.report().violations.join("\n");
            io::Error::other(format!("{error}\nviolations:\n{violations}"))
        })?;
        let expected = contest.acquisitions * contest.sessions;
        if total != expected {
            let name = peer.name();
            return Err(io::Error::other(format!(
                "{name}: {total} instead of {expected} turns"
            )));
        }
    }
    Ok(oracle.report())
}
