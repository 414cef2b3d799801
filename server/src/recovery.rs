//! The state of a server from its files: the newest snapshot that can be read, and the log on it.

use std::collections::VecDeque;

use lockkeeper_journal::{Digest, Disk, Journal, Recovered, Settings};
use lockkeeper_replica::Txn;
use lockkeeper_store::{Applied, Store};
use lockkeeper_wire::txn::DIGEST_VERSION;
use lockkeeper_wire::{Record, TxnEntry, Zxid};

use crate::disk::snapshot_of;
use crate::error::StartError;

/// What a directory held.
#[derive(Debug)]
pub struct Recovery {
    /// All of the log applied, whether it was committed or not.
    pub store: Store,
    /// The state from which the log goes on.
    pub base: Zxid,
    /// The end of the log, as many transactions as were asked for.
    pub recent: VecDeque<Txn>,
    /// There was no snapshot.
    fresh: bool,
    replayed: u64,
}

/// Recovers a directory, and leaves one from which the next start can do the same.
///
/// A member writes no snapshot of what may not be committed, and nothing ends there that is in no
/// log. `seed` places names, as in [`Store::new`]; of the log's end `recent_max` are kept.
///
/// # Errors
/// When the directory is in use, damaged or not accessible.
pub fn recover<D: Disk>(
    disk: &D,
    files: &Settings,
    seed: u64,
    recent_max: usize,
) -> Result<(Journal<D>, Recovery), StartError> {
    let (mut journal, mut recovered) = Journal::open(disk.clone(), files.clone())?;
    let mut recovery = reload(&mut recovered, seed, recent_max)?;
    journal.resume_after(recovery.store.last_zxid().0);
    let store = &mut recovery.store;
    let due = match files.member {
        // Logs without any snapshot are refused at the next start, by Apache's server too.
        true if recovery.fresh => Some(Store::new(seed)),
        true => None,
        // What was ended here is in no log: the next start must not find it again.
        false => {
            let ended = store.end_sessionless();
            (recovery.fresh || recovery.replayed > 0 || ended).then(|| store.freeze())
        }
    };
    if let Some(frozen) = due {
        snapshot_of(disk, files, &frozen, None)?;
    }
    Ok((journal, recovery))
}

/// Loads what a directory holds.
///
/// # Errors
/// When it is damaged or not accessible.
pub fn reload<D: Disk>(
    recovered: &mut Recovered<D>,
    seed: u64,
    recent_max: usize,
) -> Result<Recovery, StartError> {
    let loaded = load(recovered, seed)?;
    let fresh = loaded.is_none();
    let (mut store, mut replay) = match loaded {
        Some((store, digest)) => {
            let replay = Replay::onto(store.last_zxid(), digest);
            (store, replay)
        }
        None => (Store::new(seed), Replay::onto(Zxid::ZERO, None)),
    };
    let base = store.last_zxid();
    let mut recent = VecDeque::new();
    replay.compare(&store);
    for record in recovered.records() {
        let record = record?;
        let zxid = Zxid(record.zxid);
        let entry = TxnEntry::from_bytes(&record.entry)
            .map_err(|source| StartError::Transaction { zxid, source })?;
        let applied = store.apply(&entry);
        replay.note(&entry, &applied);
        replay.compare(&store);
        if recent_max > 0 {
            if recent.len() == recent_max {
                recent.pop_front();
            }
            let bytes = record.entry;
            recent.push_back(Txn { zxid, bytes });
        }
    }
    replay.report();
    Ok(Recovery {
        store,
        base,
        recent,
        fresh,
        replayed: replay.count,
    })
}

/// A replay, and whether it went as it must.
///
/// Snapshots of Apache's servers are fuzzy: written while transactions went on, of which they hold
/// any part. What does not fit up to the last of those is expected. Behind it, it means that
/// snapshot and log are not of one history; the server starts all the same, as Apache's does.
#[derive(Debug, Default)]
struct Replay {
    /// The last transaction of which the snapshot may hold a part; `None` when it does not say.
    fuzzy_end: Option<Zxid>,
    digest: Option<Digest>,
    count: u64,
    misfits: u64,
    digest_mismatches: u64,
}

impl Replay {
    fn onto(zxid: Zxid, digest: Option<Digest>) -> Self {
        let digest = digest.filter(|digest| digest.zxid >= zxid.0 && digest.zxid > 0);
        let fuzzy_end = match &digest {
            // The next one may have been half done when the digest was written.
            Some(digest) if digest.zxid > zxid.0 => Some(Zxid(digest.zxid).next()),
            Some(_) => Some(zxid),
            // Written before the server served.
            None if zxid == Zxid::ZERO => Some(zxid),
            None => None,
        };
        Self {
            fuzzy_end,
            digest,
            ..Self::default()
        }
    }

    /// Compares the tree with the snapshot's digest once it stands where that was taken.
    fn compare(&mut self, store: &Store) {
        let taken_here = |digest: &mut Digest| digest.zxid == store.last_zxid().0;
        if let Some(digest) = self.digest.take_if(taken_here)
            && digest.version == DIGEST_VERSION
            && digest.value != store.digest()
        {
            self.digest_mismatches += 1;
            tracing::error!(zxid = %store.last_zxid(), "digest of the tree is not the snapshot's");
        }
    }

    fn note(&mut self, entry: &TxnEntry, applied: &Applied) {
        self.count += 1;
        let zxid = entry.header.zxid;
        if self.fuzzy_end.is_none_or(|end| zxid <= end) {
            if applied.misfit {
                tracing::debug!(%zxid, "transaction was in the snapshot already");
            }
            return;
        }
        // One that went wrong is often followed by many: the first is named, the rest counted.
        if applied.misfit {
            self.misfits += 1;
            if self.misfits == 1 {
                tracing::error!(%zxid, "logged transaction does not fit the tree");
            }
        }
        if applied.digest_mismatch {
            self.digest_mismatches += 1;
            if self.digest_mismatches == 1 {
                tracing::error!(%zxid, "digest of the tree is not the one logged");
            }
        }
    }

    fn report(&self) {
        if self.misfits + self.digest_mismatches > 0 {
            tracing::error!(
                misfits = self.misfits,
                digest_mismatches = self.digest_mismatches,
                "snapshot and log do not agree; compare this server's data with a backup",
            );
        }
    }
}

type Loaded = (Store, Option<Digest>);

fn load<D: Disk>(recovered: &mut Recovered<D>, seed: u64) -> Result<Option<Loaded>, StartError> {
    while let Some(snapshot) = recovered.next_snapshot()? {
        let zxid = Zxid(snapshot.zxid());
        match Store::read_image(&mut snapshot.image()?, zxid, seed) {
            Ok(store) => return Ok(Some((store, snapshot.digest()))),
            Err(error) => {
                let file = snapshot.file().display();
                tracing::warn!(%file, %error, "snapshot passed over");
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use lockkeeper_journal::RealDisk;
    use lockkeeper_wire::Txn as Transaction;
    use lockkeeper_wire::{ErrorCode, SessionId, TxnHeader};

    use super::*;

    fn digest(zxid: i64, value: u64) -> Digest {
        Digest {
            zxid,
            version: DIGEST_VERSION,
            value,
        }
    }

    fn deletion(zxid: i64, path: &'static str) -> TxnEntry {
        let txn = Transaction::Delete(path.into());
        let header = TxnHeader {
            client_id: SessionId(1),
            cxid: 1,
            zxid: Zxid(zxid),
            time_ms: 0,
            op: txn.op().into(),
        };
        TxnEntry {
            header,
            txn,
            digest: None,
        }
    }

    #[test]
    fn misfits_count_from_where_the_snapshot_is_not_fuzzy_any_more() {
        let cases = [
            // Not fuzzy: each of 11, 12, 13 counts.
            (10, Some(digest(10, 0)), 3),
            // Fuzzy up to 11, and 12 may have been half done.
            (10, Some(digest(11, 0)), 1),
            (10, Some(digest(12, 0)), 0),
            // It does not say.
            (10, Some(digest(0, 0)), 0),
            (10, None, 0),
            (0, None, 3),
        ];
        for (zxid, digest, misfits) in cases {
            let mut store = Store::new(1);
            let mut replay = Replay::onto(Zxid(zxid), digest);
            for zxid in 11..=13 {
                let entry = deletion(zxid, "/none");
                let applied = store.apply(&entry);
                assert_eq!(applied.outcome, Err(ErrorCode::NO_NODE));
                replay.note(&entry, &applied);
            }
            assert_eq!(replay.misfits, misfits, "{zxid} {digest:?}");
            assert_eq!(replay.count, 3);
        }
    }

    /// Its end is in no log, so the next start must not find it again: a later create of the same
    /// path would not fit then, and be lost.
    #[test]
    fn what_a_start_ends_without_a_transaction_is_gone_from_the_snapshot() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = Settings::new(dir.path());
        drop(recover(&RealDisk, &files, 1, 0).expect("a new directory"));
        let mut store = Store::new(1);
        let txn = Transaction::Create(lockkeeper_wire::txn::CreateTxn {
            path: "/e".into(),
            data: None,
            acl: lockkeeper_wire::Acl::open(),
            ephemeral: true,
            parent_cversion: 1,
        });
        let header = TxnHeader {
            op: txn.op().into(),
            ..deletion(5, "/").header
        };
        let digest = None;
        store.apply(&TxnEntry {
            header,
            txn,
            digest,
        });
        snapshot_of(&RealDisk, &files, &store.freeze(), None).expect("a snapshot");

        let (journal, recovery) = recover(&RealDisk, &files, 1, 0).expect("a start");
        assert_eq!(recovery.store.stat("/e"), None);
        drop(journal);
        let (_journal, mut recovered) = Journal::open(RealDisk, files).expect("a directory");
        let (store, _) = load(&mut recovered, 1).expect("readable").expect("one");
        assert_eq!(store.last_zxid(), Zxid(5));
        assert_eq!(store.stat("/e"), None);
    }

    #[test]
    fn the_snapshots_digest_is_compared_once_where_it_was_taken() {
        for (value, mismatches) in [(None, 0), (Some(1), 1)] {
            let mut store = Store::new(1);
            let value = value.unwrap_or(store.digest());
            let mut replay = Replay::onto(Zxid(10), Some(digest(12, value)));
            for zxid in 11..=13 {
                let entry = deletion(zxid, "/none/at/all");
                let applied = store.apply(&entry);
                replay.note(&entry, &applied);
                replay.compare(&store);
            }
            assert_eq!(replay.digest_mismatches, mismatches);
        }
    }
}
