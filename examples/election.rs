//! Candidates, each with a session of its own, lead one after the other, and an observer tells who.
//!
//! ```text
//! cargo run --release --example election
//! cargo run --release --example election -- --connect 127.0.0.1:2181 --candidates 5
//! ```
//!
//! Terms end in three ways, in turn: the leader steps down and queues again at the tail, it leaves,
//! or its session ends, as with a process that dies. Each row is a term: who leads, with which
//! fence, who else stands, and how long there was no leader before it.

mod stage;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lockkeeper::Client;
use lockkeeper_recipes::{Candidate, Election, Fence};
use stage::{Ended, Setting, Stage, milliseconds};

const PATH: &str = "/lockkeeper/examples/election";

const SETTINGS: &[Setting] = &[Setting("candidates", "sessions that want to lead", 4)];

#[tokio::main]
async fn main() -> ExitCode {
    Stage::play("election", SETTINGS, story).await
}

async fn story(stage: &Stage) -> Ended {
    let mut standing = Vec::new();
    for number in 1..=stage.setting("candidates") {
        standing.push(Standing::join(stage, number).await?);
    }
    lead(stage, standing).await
}

/// A participant with a session of its own.
struct Standing {
    id: String,
    client: Client,
    candidate: Candidate,
}

impl Standing {
    async fn join(stage: &Stage, number: usize) -> Result<Self, Box<dyn Error>> {
        let id = format!("candidate {number}");
        let client = stage.client().await?;
        let builder = Election::builder(&client, PATH).id(&id).publish(true);
        let election = builder.build()?;
        let candidate = election.join();
        // One after the other, so that the story is the same each time.
        while !election.candidates().await?.iter().any(|it| it.id == id) {
            tokio::task::yield_now().await;
        }
        Ok(Self {
            id,
            client,
            candidate,
        })
    }
}

/// Ends term after term until nobody stands.
async fn lead(stage: &Stage, mut standing: Vec<Standing>) -> Ended {
    let watching = stage.client().await?;
    let election = Election::new(&watching, PATH)?;
    let mut observer = election.observe();
    let mut fences: Vec<Fence> = Vec::new();
    let mut without = None;
    println!("term  leader              fence  no leader for  behind it");
    while !standing.is_empty() {
        let seen = loop {
            let seen = observer.next().await?;
            // A record of an earlier run has an owner that is gone.
            if seen.is_confirmed {
                break seen;
            }
        };
        let gap = without.map_or(String::from("-"), |since: Instant| {
            milliseconds(since.elapsed())
        });
        let behind = election.candidates().await?.split_off(1);
        let behind: Vec<&str> = behind.iter().map(|it| number(&it.id)).collect();
        fences.push(seen.fence);
        println!(
            "{:>4}  {:<12}  {:>11}  {gap:>13}  {}",
            fences.len(),
            seen.id,
            seen.fence,
            behind.join(" "),
        );
        let at = standing.iter().position(|it| it.id == seen.id);
        let at = at.ok_or_else(|| format!("{} is somebody else: use another path", seen.id))?;
        let leader = standing[at].candidate.await_leadership().await?;
        // What a leader does in ZooKeeper goes through only while it leads.
        leader.confirm().await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
        without = Some(Instant::now());
        match fences.len() % 3 {
            1 if standing.len() > 1 => standing[at].candidate.resign().await?,
            2 => standing.remove(at).candidate.close().await?,
            _ => standing.remove(at).client.close().await?,
        }
    }
    let order = match fences.is_sorted_by(|a, b| a < b) {
        true => "each fence larger than the one before",
        false => "FENCES NOT IN ORDER",
    };
    println!("\n{} terms, {order}", fences.len());
    Ok(())
}

/// The last word of an id.
fn number(id: &str) -> &str {
    id.rsplit(' ').next().unwrap_or(id)
}
