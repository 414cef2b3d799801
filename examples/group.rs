//! Members come and go; an observer sees each of them come and go, in order.
//!
//! ```text
//! cargo run --release --example group
//! cargo run --release --example group -- --connect 127.0.0.1:2181 --members 10
//! ```
//!
//! One member leaves, one drops its membership, one closes its client, as a crash would in the end:
//! the observer is told of all of them.

mod stage;

use std::process::ExitCode;
use std::time::Instant;

use lockkeeper::Client;
use lockkeeper_recipes::{Group, GroupEvent, Membership};
use stage::{Ended, Setting, Stage, milliseconds};

const PATH: &str = "/lockkeeper/examples/group";

const SETTINGS: &[Setting] = &[Setting("members", "sessions that join", 4)];

#[tokio::main]
async fn main() -> ExitCode {
    Stage::play("group", SETTINGS, story).await
}

async fn story(stage: &Stage) -> Ended {
    let observer = stage.client().await?;
    let mut view = Group::new(&observer, PATH)?.view();
    let begun = Instant::now();
    println!("{:>9}  event", "after");
    let mut members = Vec::new();
    for number in 1..=stage.setting("members") {
        let client = stage.client().await?;
        let group = Group::new(&client, PATH)?;
        let id = format!("{}-{number}", std::process::id());
        let membership = group
            .join(&id, format!("127.0.0.1:{}", 7000 + number))
            .await?;
        members.push((client, membership));
    }
    let mut staying = members.len();
    let mut members = Some(members);
    while staying > 0 {
        let event = view.next().await?;
        let after = milliseconds(begun.elapsed());
        match event {
            GroupEvent::Joined(member) => {
                let data = String::from_utf8_lossy(&member.data);
                println!("{after:>9}  {} joined at {data}", member.id);
            }
            GroupEvent::Left(member) => {
                staying -= 1;
                println!("{after:>9}  {} left, {staying} remain", member.id);
            }
        }
        // Those who leave before they are seen are never seen.
        if view.members().count() == staying
            && let Some(members) = members.take()
        {
            tokio::spawn(disband(members));
        }
    }
    Ok(())
}

async fn disband(members: Vec<(Client, Membership)>) {
    for (number, (client, membership)) in members.into_iter().enumerate() {
        match number % 3 {
            0 => drop(membership.leave().await),
            1 => drop(membership),
            _ => drop(client.close().await),
        }
    }
}
