//! The writer's side.

use bytes::Bytes;
use lockkeeper::path::join;
use lockkeeper::{CreateMode, Error, ErrorCode, Op, OpResult, Outcome, Zxid};

use super::{CURRENT, ConfigSet, READY, VERSIONS};
use crate::config::Keys;
use crate::error::RecipeError;
use crate::guard::Guard;
use crate::layout::Guid;
use crate::look::{current, insist};
use crate::parents::plant;
use crate::retry::{Retry, is_transient};

/// What one transaction carries at most, in bytes of paths and data: half of what servers accept.
const BATCH_LEN_MAX: usize = 512 * 1024;
/// What a part costs besides its path and data.
const PART_LEN: usize = 64;

impl ConfigSet {
    /// Writes a new version and points to it: in one transaction if it is small.
    pub(super) async fn publish_version(
        &self,
        keys: &Keys,
        guard: Option<&Guard>,
    ) -> Result<Zxid, RecipeError> {
        let pointer = join(&self.path, CURRENT);
        let name = format!("v-{}", Guid::of(&self.client).hyphenated());
        let directory = join(&join(&self.path, VERSIONS), &name);
        let before = self.pointer().await?;
        let count = Bytes::from(keys.len().to_string());
        let mut ops = vec![Op::create(&directory, count, CreateMode::Persistent)];
        ops.extend(keys.iter().map(|(key, value)| {
            Op::create(
                &join(&directory, key),
                value.clone(),
                CreateMode::Persistent,
            )
        }));
        ops.push(match before {
            Some(version) => Op::set(&pointer, name.clone(), Some(version)),
            None => Op::create(&pointer, name.clone(), CreateMode::Persistent),
        });
        let mut batches = batches(ops);
        let last = batches.pop().unwrap_or_default();
        for batch in batches {
            self.write(batch, guard)
                .await
                .map_err(lost_race(&pointer))?;
        }
        let published = match self.write(last, guard).await {
            Ok(results) => match results.last() {
                Some(OpResult::Set(stat)) => stat.mzxid,
                _ => self.revision_of(&pointer).await,
            },
            Err(error) if error.outcome() == Outcome::Unknown => {
                // The name is unique: where it is pointed to, the write was carried out.
                let client = &self.client;
                let znode = current(client, &pointer, || client.get(&pointer)).await;
                match znode {
                    Ok(znode) if znode.bytes() == name.as_bytes() => znode.stat.mzxid,
                    _ => return Err(error),
                }
            }
            Err(error) => return Err(lost_race(&pointer)(error)),
        };
        if let Err(error) = self.collect(&name, guard).await {
            tracing::debug!(%error, "old versions of a configuration stay for now");
        }
        Ok(published)
    }

    /// Takes `ready` away, changes the keys, puts it back. Begun again after every broken link,
    /// since under the guard nobody else writes.
    pub(super) async fn publish_in_place(
        &self,
        keys: &Keys,
        guard: &Guard,
    ) -> Result<Zxid, RecipeError> {
        let mut doubt = None;
        let published = self.try_in_place(keys, guard, &mut doubt).await;
        // A try that may have been carried out stays so, however the next one ends.
        published.map_err(|error| doubt.map_or(error, RecipeError::from))
    }

    async fn try_in_place(
        &self,
        keys: &Keys,
        guard: &Guard,
        doubt: &mut Option<Error>,
    ) -> Result<Zxid, RecipeError> {
        let client = &self.client;
        let ready = join(&self.path, READY);
        let mut retry = Retry::new(client);
        loop {
            let present = match current(client, &self.path, || client.children(&self.path)).await {
                Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {
                    let made = plant(client, &self.path, Bytes::new(), CreateMode::Persistent);
                    match made.await {
                        Err(error) if error.code() != Some(ErrorCode::NODE_EXISTS) => {
                            return Err(error.into());
                        }
                        _ => continue,
                    }
                }
                present => present?,
            };
            let mut ops = Vec::new();
            if present.iter().any(|name| name == READY) {
                ops.push(Op::delete(&ready, None));
            }
            let stale = present.iter().filter(|name| *name != READY);
            let stale = stale.filter(|name| !keys.contains_key(*name));
            ops.extend(stale.map(|name| Op::delete(&join(&self.path, name), None)));
            ops.extend(keys.iter().map(|(key, value)| {
                let path = join(&self.path, key);
                match present.contains(key) {
                    true => Op::set(&path, value.clone(), None),
                    false => Op::create(&path, value.clone(), CreateMode::Persistent),
                }
            }));
            ops.push(Op::create(&ready, "", CreateMode::Persistent));
            match self.write_all(batches(ops), guard).await {
                Ok(()) => return Ok(self.revision_of(&ready).await),
                Err(RecipeError::Client(error))
                    if is_transient(&error) || error.outcome() == Outcome::Unknown =>
                {
                    if error.outcome() == Outcome::Unknown {
                        doubt.get_or_insert(error);
                    }
                    retry.pause().await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn write_all(&self, batches: Vec<Vec<Op>>, guard: &Guard) -> Result<(), RecipeError> {
        for batch in batches {
            self.write(batch, Some(guard)).await?;
        }
        Ok(())
    }

    async fn write(
        &self,
        ops: Vec<Op>,
        guard: Option<&Guard>,
    ) -> Result<Vec<OpResult>, RecipeError> {
        match guard {
            Some(guard) => Ok(guard.write(ops).await?),
            None => Ok(self.client.multi(ops).await?),
        }
    }

    /// The version of `current`, if there is one. Makes the znode that holds the versions.
    async fn pointer(&self) -> Result<Option<i32>, RecipeError> {
        let client = &self.client;
        let (pointer, versions) = (join(&self.path, CURRENT), join(&self.path, VERSIONS));
        if current(client, &versions, || client.exists(&versions))
            .await?
            .is_none()
        {
            match plant(client, &versions, Bytes::new(), CreateMode::Persistent).await {
                Err(error) if error.code() != Some(ErrorCode::NODE_EXISTS) => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        let stat = insist(client, || client.exists(&pointer)).await?;
        Ok(stat.map(|stat| stat.version))
    }

    /// The zxid of the write that has made a znode; where it cannot be read any more, a later one.
    async fn revision_of(&self, path: &str) -> Zxid {
        let stat = insist(&self.client, || self.client.exists(path)).await;
        stat.ok()
            .flatten()
            .map_or(self.client.last_zxid(), |stat| stat.czxid)
    }

    /// Deletes versions that are neither among the latest nor young; none that came after the one
    /// just published, which may still be written, and none once the pointer has moved on, perhaps
    /// back to an old one.
    async fn collect(&self, published: &str, guard: Option<&Guard>) -> Result<(), RecipeError> {
        let client = &self.client;
        let pointer = join(&self.path, CURRENT);
        let pointed = current(client, &pointer, || client.get(&pointer)).await?;
        if pointed.bytes() != published.as_bytes() {
            return Ok(());
        }
        let still = Op::check(&pointer, Some(pointed.stat.version));
        let versions = join(&self.path, VERSIONS);
        let mut known = Vec::new();
        for name in insist(client, || client.children(&versions)).await? {
            let path = join(&versions, &name);
            if let Some(stat) = insist(client, || client.exists(&path)).await? {
                known.push((stat.czxid, stat.ctime, name, path));
            }
        }
        known.sort_unstable();
        let Some(at) = known.iter().position(|(_, _, name, _)| name == published) else {
            return Ok(());
        };
        // The server's clock, as of the version just published.
        let now_ms = known[at].1;
        let kept_for_ms = i64::try_from(self.kept_for.as_millis()).unwrap_or(i64::MAX);
        let old = (at + 1).saturating_sub(self.kept.max(1));
        for (_, ctime, _, path) in &known[..old] {
            if now_ms.saturating_sub(*ctime) >= kept_for_ms
                && let Err(error) = self.delete_version(path, &still, guard).await
            {
                tracing::debug!(%error, path, "an old version of a configuration stays for now");
            }
        }
        Ok(())
    }

    async fn delete_version(
        &self,
        path: &str,
        still: &Op,
        guard: Option<&Guard>,
    ) -> Result<(), RecipeError> {
        let keys = insist(&self.client, || self.client.children(path)).await?;
        let keys = keys.iter().map(|key| Op::delete(&join(path, key), None));
        for mut batch in batches(keys.chain([Op::delete(path, None)]).collect()) {
            batch.insert(0, still.clone());
            self.write(batch, guard).await?;
        }
        Ok(())
    }
}

/// Cuts writes into transactions of a bounded size, in order.
fn batches(ops: Vec<Op>) -> Vec<Vec<Op>> {
    let mut batches = vec![Vec::new()];
    let mut len = 0;
    for op in ops {
        let cost = PART_LEN
            + match &op {
                Op::Create { path, data, .. } | Op::Set { path, data, .. } => {
                    path.len() + data.len()
                }
                Op::Delete { path, .. } | Op::Check { path, .. } => path.len(),
            };
        if len + cost > BATCH_LEN_MAX && len > 0 {
            batches.push(Vec::new());
            len = 0;
        }
        len += cost;
        if let Some(batch) = batches.last_mut() {
            batch.push(op);
        }
    }
    batches
}

/// A refusal of the pointer's write says that somebody else has moved it.
fn lost_race(pointer: &str) -> impl Fn(RecipeError) -> RecipeError {
    move |error| match error {
        RecipeError::Client(Error::Multi {
            code: ErrorCode::BAD_VERSION | ErrorCode::NODE_EXISTS | ErrorCode::NO_NODE,
            ..
        }) => RecipeError::Changed {
            path: pointer.to_owned(),
        },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_order_and_stay_below_the_limit() {
        let op = |i: usize, len: usize| Op::set(&format!("/{i}"), vec![0; len], None);
        assert_eq!(batches(vec![op(0, 10), op(1, 10)]).len(), 1);
        let ops: Vec<Op> = (0..10).map(|i| op(i, 200 * 1024)).collect();
        let cut = batches(ops.clone());
        assert_eq!(cut.len(), 5);
        assert_eq!(cut.concat(), ops);
        // What is too large for any batch goes alone, and the client refuses it if need be.
        assert_eq!(batches(vec![op(0, BATCH_LEN_MAX * 2), op(1, 1)]).len(), 2);
    }
}
