//! What a directory promises, and power cuts that hold it to that.
//!
//! The model knows what was appended and what was acknowledged. After each cut, each image must
//! recover to at least what was acknowledged, at most what was appended, with the right bytes and
//! no gap, and never be refused. What recovery returned counts as acknowledged from then on; the
//! workload goes on from there and is cut again. While an image is being installed the leader's
//! history is the other one that may be found, and then all of it.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use bytes::Bytes;
use lockkeeper_journal::testing::{Fault, SimDisk};
use lockkeeper_journal::{
    Epochs, Journal, JournalError, Record, Recovered, Settings, retain, write_snapshot,
};

use super::{IMAGE_END, entry};

#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Entries of these lengths in one batch.
    Append(&'a [usize]),
    Sync,
    Roll,
    Snapshot,
    Retain,
    Truncate(i64),
    /// Truncates by this many transactions, or to the last image installed.
    Back(usize),
    /// A leader's image: without so many of the last transactions, and with so many of its own.
    Install(usize, usize),
    /// Accepts the next epoch; what is appended then belongs to it.
    Accept,
    /// Joins the epoch accepted.
    Join,
}

pub use Step::*;

/// All transactions from the first on, whether the log still has them or not.
type History = BTreeMap<i64, Bytes>;

#[derive(Clone, Debug, Default)]
pub struct Model {
    appended: History,
    acknowledged: i64,
    generation: u8,
    /// What a leader is about to put in the place of everything.
    installing: Option<History>,
    /// Zxid of the last image installed.
    floor: i64,
    accepted: i64,
    current: i64,
    /// The epochs that are being written.
    promising: Option<Epochs>,
}

/// One way to start: zxid and content of the image, and what follows.
type Start = (i64, Option<Vec<u8>>, Vec<Record>);

impl Model {
    pub fn acknowledged(&self) -> i64 {
        self.acknowledged
    }

    fn last(&self) -> i64 {
        last(&self.appended)
    }

    /// Recovers `disk` and holds what comes back against what is promised.
    pub fn recover(
        &mut self,
        disk: &SimDisk,
        settings: &Settings,
    ) -> Result<Journal<SimDisk>, JournalError> {
        let (mut journal, mut recovered) = Journal::open(disk.clone(), settings.clone())?;
        let last = self.load(&mut recovered)?;
        journal.resume_after(last);
        self.appended.retain(|&zxid, _| zxid <= last);
        self.acknowledged = last;
        self.generation += 2;
        if settings.member {
            assert!(journal.votes(), "nothing was lost");
            let epochs = journal.read_epochs(last)?;
            let promising = self.promising.take();
            let (accepted, current) = (epochs.accepted, epochs.current);
            let or = |now, then: fn(Epochs) -> i64| [now, promising.map_or(now, then)];
            assert!(
                or(self.accepted, |e| e.accepted).contains(&accepted),
                "{epochs:?}"
            );
            let raised = or(self.current, |e| e.current).map(|epoch| epoch.max(last >> 32));
            assert!(raised.contains(&current), "{epochs:?}");
            (self.accepted, self.current) = (accepted, current);
        }
        Ok(journal)
    }

    /// Loads every snapshot and what follows it; returns the last zxid, the same for all. The
    /// first snapshot is the one to use, but each one there must do.
    fn load(&mut self, recovered: &mut Recovered<SimDisk>) -> Result<i64, JournalError> {
        let mut starts: Vec<Start> = Vec::new();
        loop {
            let snapshot = match recovered.next_snapshot() {
                Err(JournalError::NoSnapshot { .. }) if !starts.is_empty() => break,
                other => other?,
            };
            let Some(snapshot) = snapshot else {
                let records = recovered.records().collect::<Result<_, _>>()?;
                starts.push((0, None, records));
                break;
            };
            let mut image = Vec::new();
            snapshot
                .image()?
                .read_to_end(&mut image)
                .expect("it was verified");
            image.truncate(image.len() - IMAGE_END.len());
            let records = recovered.records().collect::<Result<_, _>>()?;
            starts.push((snapshot.zxid(), Some(image), records));
        }
        if let Some(history) = self.installing.take()
            && reached(&history, &starts) == Ok(last(&history))
        {
            assert_eq!(starts.len(), 1, "an older snapshot was left");
            self.floor = last(&history);
            self.appended = history;
            return Ok(self.floor);
        }
        let last = reached(&self.appended, &starts).unwrap_or_else(|what| panic!("{what}"));
        let acknowledged = self.acknowledged;
        assert!(
            last >= acknowledged,
            "0x{acknowledged:x} was acknowledged, 0x{last:x} recovered"
        );
        Ok(last)
    }

    /// Runs until done or until the disk fails. Whatever fails poisons the journal, but for what
    /// works without one.
    pub fn run(
        &mut self,
        disk: &SimDisk,
        settings: &Settings,
        steps: &[Step<'_>],
    ) -> Result<(), JournalError> {
        let mut journal = self.recover(disk, settings)?;
        if !disk
            .files()
            .iter()
            .any(|path| path.to_string_lossy().contains("/snapshot."))
        {
            self.snapshot(disk, settings)?;
        }
        for step in steps {
            let done = self.step(&mut journal, disk, settings, step);
            if done.is_err() && !matches!(step, Snapshot | Retain) {
                assert!(
                    matches!(journal.sync(), Err(JournalError::Poisoned)),
                    "{step:?}"
                );
            }
            done?;
        }
        Ok(())
    }

    fn step(
        &mut self,
        journal: &mut Journal<SimDisk>,
        disk: &SimDisk,
        settings: &Settings,
        step: &Step<'_>,
    ) -> Result<(), JournalError> {
        match step {
            Append(lens) => {
                let mut zxid = self.last();
                let batch: Vec<_> = lens
                    .iter()
                    .map(|&len| {
                        zxid = next(zxid, self.accepted);
                        (zxid, entry(zxid, len, self.generation))
                    })
                    .collect();
                self.appended.extend(batch.iter().cloned());
                journal.append(batch)?;
            }
            Sync => {
                journal.sync()?;
                self.acknowledged = self.last();
            }
            Roll => {
                journal.roll()?;
                self.acknowledged = self.last();
            }
            Snapshot => self.snapshot(disk, settings)?,
            Truncate(zxid) => self.truncate(journal, *zxid)?,
            Back(count) => {
                let zxid = self.appended.keys().rev().nth(*count).copied();
                self.truncate(journal, zxid.unwrap_or(0).max(self.floor))?;
            }
            Install(back, count) => self.install(journal, disk, *back, *count)?,
            Accept => {
                let epochs = Epochs {
                    accepted: self.accepted + 1,
                    current: self.current,
                };
                self.promising = Some(epochs);
                journal.write_accepted(epochs.accepted)?;
                self.accepted = epochs.accepted;
                self.promising = None;
            }
            Join => {
                let epochs = Epochs {
                    accepted: self.accepted,
                    current: self.accepted,
                };
                self.promising = Some(epochs);
                journal.write_current(epochs.current)?;
                self.current = epochs.current;
                self.promising = None;
            }
            Retain => drop(retain(disk, settings, 3)?),
        }
        Ok(())
    }

    fn truncate(&mut self, journal: &mut Journal<SimDisk>, zxid: i64) -> Result<(), JournalError> {
        // Halfway through, any prefix that reaches the cut may be found.
        self.acknowledged = self.acknowledged.min(zxid);
        let mut left = journal.truncate(zxid)?;
        self.appended.retain(|appended, _| *appended <= zxid);
        assert_eq!(self.load(&mut left)?, zxid);
        self.acknowledged = zxid;
        self.generation += 2;
        Ok(())
    }

    fn install(
        &mut self,
        journal: &mut Journal<SimDisk>,
        disk: &SimDisk,
        back: usize,
        count: usize,
    ) -> Result<(), JournalError> {
        self.generation += 2;
        let common = self.appended.len().saturating_sub(back);
        let mut history: History = self.appended.clone().into_iter().take(common).collect();
        let mut zxid = last(&history);
        for _ in 0..count {
            zxid = next(zxid, self.accepted);
            history.insert(zxid, entry(zxid, 40, self.generation));
        }
        self.installing = Some(history.clone());
        let content = image(&history, zxid);
        journal.install(zxid, &mut |target| {
            target.write_all(&content)?;
            target.write_all(&IMAGE_END)
        })?;
        self.installing = None;
        self.appended = history;
        (self.acknowledged, self.floor) = (zxid, zxid);
        let files = disk.files();
        let data = files.iter().filter_map(|path| path.file_name()?.to_str());
        let data: Vec<_> = data
            .filter(|name| {
                name.contains("snapshot.") || name.contains("log.") || name.contains("install")
            })
            .collect();
        assert_eq!(data, [format!("snapshot.{zxid:x}")]);
        Ok(())
    }

    /// As a server does it: only of what is durable.
    fn snapshot(&self, disk: &SimDisk, settings: &Settings) -> Result<(), JournalError> {
        let zxid = self.acknowledged;
        let content = image(&self.appended, zxid);
        let mut image = |target: &mut dyn Write| {
            target.write_all(&content)?;
            target.write_all(&IMAGE_END)
        };
        write_snapshot(disk, settings, zxid, None, &mut image).map(drop)
    }
}

fn last(history: &History) -> i64 {
    history.last_key_value().map_or(0, |(&zxid, _)| zxid)
}

fn next(zxid: i64, epoch: i64) -> i64 {
    if zxid >> 32 < epoch {
        (epoch << 32) + 1
    } else {
        zxid + 1
    }
}

/// What an image of the tree at `zxid` holds: something that any other history changes.
fn image(history: &History, zxid: i64) -> Vec<u8> {
    let entries = history.range(..=zxid).flat_map(|(_, entry)| entry.to_vec());
    entries.fold(Vec::from([1u8; 16]), |mut sum, byte| {
        let index = usize::from(byte) % 16;
        sum[index] = sum[index].wrapping_mul(31).wrapping_add(byte);
        sum.rotate_left(1);
        sum
    })
}

/// The transaction of `history` that all `starts` end with, or what speaks against it.
fn reached(history: &History, starts: &[Start]) -> Result<i64, String> {
    let mut reached = None;
    for (base, found, records) in starts {
        if found
            .as_ref()
            .is_some_and(|found| *found != image(history, *base))
        {
            return Err(format!("another image at 0x{base:x}"));
        }
        let last = records.last().map_or(*base, |record| record.zxid);
        let found = records.iter().map(|record| (record.zxid, &record.entry));
        let expected = history.range(..=last).filter(|(zxid, _)| *zxid > base);
        if !found.eq(expected.map(|(zxid, entry)| (*zxid, entry))) {
            return Err(format!("other records after 0x{base:x}"));
        }
        if *reached.get_or_insert(last) != last {
            return Err(format!("from 0x{base:x} another end, 0x{last:x}"));
        }
    }
    reached.ok_or_else(|| "nothing to start from".to_owned())
}

/// Cuts the power at each operation of `steps` and recovers the images; at most `widths[0]` of
/// them, and from each of those again with the other widths. Returns how many recovered.
pub fn crash(
    disk: &SimDisk,
    model: &Model,
    settings: &Settings,
    steps: &[Step<'_>],
    widths: &[usize],
    seed: u64,
) -> usize {
    let [width, deeper @ ..] = widths else {
        return 0;
    };
    let mut recovered = 0;
    for at in 0.. {
        let origin = copy(disk);
        let mut model = model.clone();
        origin.set_fault(Some(Fault::CrashAt(at)));
        let result = model.run(&origin, settings, steps);
        if let Err(error) = &result {
            assert!(matches!(error, JournalError::Io { .. }), "at {at}: {error}");
        }
        let images = origin.images_at_most(seed + at as u64, 200, *width);
        for (index, image) in images.iter().enumerate() {
            let before = copy(image);
            if let Err(error) = model.clone().recover(image, settings) {
                panic!("seed {seed} at {at} image {index}: refused: {error}");
            }
            recovered += 1 + crash(&before, &model, settings, steps, deeper, seed + 1);
        }
        if result.is_ok() {
            return recovered;
        }
    }
    unreachable!("the workload ends")
}

fn copy(disk: &SimDisk) -> SimDisk {
    disk.images_at_most(0, 1, 1).swap_remove(0)
}

pub fn crash_new(settings: &Settings, steps: &[Step<'_>], widths: &[usize]) -> usize {
    crash(
        &SimDisk::new(),
        &Model::default(),
        settings,
        steps,
        widths,
        1,
    )
}

pub const ALL: usize = usize::MAX;
