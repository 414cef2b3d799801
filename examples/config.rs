//! A publisher changes a configuration of three keys; readers follow it and never act on half.
//!
//! ```text
//! cargo run --release --example config
//! cargo run --release --example config -- --connect 127.0.0.1:2181 --readers 10
//! ```
//!
//! Each row is a publication: its revision, what it says, and how long until the last reader had
//! it. Two publications go wrong on purpose: one does not pass the readers' check, so they keep
//! what they have, and one comes from a publisher that has lost its lock, so nobody sees it.

mod stage;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Instant;

use lockkeeper_recipes::{Config, ConfigSet, ConfigStatus, Keys, Mutex, RecipeError};
use stage::{Ended, Setting, Stage, milliseconds};

const PATH: &str = "/lockkeeper/examples/config";
const LOCK: &str = "/lockkeeper/examples/config-publisher";

const SETTINGS: &[Setting] = &[
    Setting("publications", "how often it changes", 5),
    Setting("readers", "sessions that follow it", 3),
];

/// What the readers make of the keys.
#[derive(Clone, Debug)]
struct Limits {
    host: String,
    soft: u32,
    hard: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    Stage::play("config", SETTINGS, story).await
}

async fn story(stage: &Stage) -> Ended {
    let publisher = stage.client().await?;
    let set = ConfigSet::new(&publisher, PATH)?;
    let guard = Mutex::new(&publisher, LOCK)?.lock().await?;
    println!("published under a lock with fence {}\n", guard.fence());
    set.publish(&keys("db0", 1, 2), Some(&guard)).await?;
    let mut readers = Vec::new();
    for _ in 0..stage.setting("readers") {
        let set = ConfigSet::new(&stage.client().await?, PATH)?;
        readers.push(set.follow().check(limits).open().await?);
    }
    println!("revision      host  soft  hard  last reader after");
    let mut soft = 1;
    for number in 1..=stage.setting("publications") {
        soft = 10 * u32::try_from(number)?;
        let keys = keys(&format!("db{number}"), soft, 2 * soft);
        let begun = Instant::now();
        let revision = set.publish(&keys, Some(&guard)).await?;
        for reader in &readers {
            let mut changes = reader.changes();
            while reader.good().is_none_or(|good| good.revision < revision) {
                changes
                    .next()
                    .await
                    .ok_or("a reader has lost its session")?;
            }
        }
        let Some(good) = readers.first().and_then(Config::good) else {
            continue;
        };
        let Limits { host, soft, hard } = &good.value;
        let took = milliseconds(begun.elapsed());
        println!(
            "{:<12}  {host:<4}  {soft:>4}  {hard:>4}  {took:>17}",
            good.revision
        );
    }

    set.publish(&keys("db9", 2, 1), Some(&guard)).await?;
    let mut reasons = BTreeSet::new();
    for reader in &readers {
        let mut changes = reader.changes();
        reasons.insert(loop {
            match changes.next().await.map(|snapshot| snapshot.status) {
                Some(ConfigStatus::Rejected { reason, .. }) => break reason,
                Some(_) => {}
                None => return Err("a reader has lost its session".into()),
            }
        });
        if reader.good().is_none_or(|good| good.value.soft != soft) {
            return Err("a reader acted on what it had rejected".into());
        }
    }
    for reason in reasons {
        println!("\nrejected: {reason}; the last good one stands");
    }

    // An operator takes the lock away; the publisher has not noticed yet.
    stage.client().await?.delete(guard.path(), None).await?;
    match set.publish(&keys("db10", 1, 2), Some(&guard)).await {
        Err(RecipeError::Lost(reason)) => {
            println!("refused: the publisher has lost its lock: {reason}")
        }
        other => return Err(format!("a deposed publisher was not refused: {other:?}").into()),
    }
    Ok(())
}

fn keys(host: &str, soft: u32, hard: u32) -> Keys {
    Keys::from([
        ("hard".into(), hard.to_string().into()),
        ("host".into(), host.to_owned().into()),
        ("soft".into(), soft.to_string().into()),
    ])
}

/// Reads and checks: a soft limit above the hard one is a mistake, or half of a change.
fn limits(keys: &Keys) -> Result<Limits, String> {
    let text = |key: &str| {
        let bytes = keys.get(key).ok_or_else(|| format!("{key} is missing"))?;
        std::str::from_utf8(bytes).map_err(|_| format!("{key} is no text"))
    };
    let number = |key: &str| {
        text(key)?
            .parse()
            .map_err(|_| format!("{key} is no number"))
    };
    let limits = Limits {
        host: text("host")?.to_owned(),
        soft: number("soft")?,
        hard: number("hard")?,
    };
    match limits.soft <= limits.hard {
        true => Ok(limits),
        false => Err(format!(
            "soft {} is above hard {}",
            limits.soft, limits.hard
        )),
    }
}
