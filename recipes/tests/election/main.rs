//! Elections against a server: scenarios named after the test plan (`T68` and so on).
//!
//! Every scenario uses a path of its own and ends by looking for what was left behind.

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod observers;
mod operator;
mod run;
mod standing;

use lockkeeper::Client;
use lockkeeper_recipes::{Candidate, CandidateState, Election, Leader};

use crate::common::{PATIENCE, eventually};

/// An election in which the participant calls itself `id`.
fn election(client: &Client, path: &str, id: &str) -> Election {
    Election::builder(client, path).id(id).build().unwrap()
}

/// A candidate that has joined as the `position`-th, from 0.
async fn joined(election: &Election, position: usize) -> Candidate {
    let candidate = election.join();
    eventually("joined", async || {
        election.candidates().await.unwrap().len() == position + 1
    })
    .await;
    candidate
}

async fn leading(candidate: &Candidate) -> Leader {
    let waited = tokio::time::timeout(PATIENCE, candidate.await_leadership()).await;
    waited.expect("leads in time").unwrap()
}

/// Waits for a state; those before it do not count.
async fn state(candidate: &Candidate, wanted: impl Fn(&CandidateState) -> bool) -> CandidateState {
    let mut states = candidate.states();
    let found = async {
        loop {
            let state = states.next().await.expect("the state comes before the end");
            if wanted(&state) {
                return state;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .expect("in time")
}

/// What the participants call themselves, the leader first.
async fn ids(election: &Election) -> Vec<String> {
    let candidates = election.candidates().await.unwrap();
    candidates.into_iter().map(|it| it.id).collect()
}
