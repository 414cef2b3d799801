//! The two epochs of a member of an ensemble, and the files they are in.
//!
//! `acceptedEpoch` is the newest epoch whose leader was promised that no older one will be
//! followed; `currentEpoch` the newest one whose leader's history this member has taken over.
//! Each is a file of one decimal number in the snapshot directory (`QuorumPeer`). It is replaced by
//! a rename, and the directory is synced after that, which Apache leaves out: a promise must not
//! be forgotten.
//!
//! A standalone server has neither file and its directory may become that of a member; the files
//! are then made from the last transaction. What a crash leaves besides is in the table below. It
//! follows Apache but for one row: the current epoch is raised to that of the last transaction
//! logged when that epoch was accepted (P7). A transaction of an epoch is logged only behind all
//! of that epoch's initial history, so the log proves what the file was about to say. Apache asks
//! for the unfinished file as a witness, which a power cut may have taken along.

use std::io::{self, Read};
use std::path::Path;

use tracing::info;

use crate::disk::{Disk, DiskFile, Sequential};
use crate::error::{JournalError, at};
use crate::files;
use crate::settings::Settings;

const ACCEPTED: &str = "acceptedEpoch";
const CURRENT: &str = "currentEpoch";
/// More than any number and line end.
const FILE_LEN_MAX: u64 = 32;
/// The high half of a zxid is not negative.
const EPOCH_MAX: i64 = i32::MAX as i64;
/// What Apache writes for a member that has no database yet (`zookeeper.db.autocreate=false`), and
/// what keeps its next start from working. The same as no file.
const NONE: &str = "-1";

/// What a member has promised and joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epochs {
    /// No leader of an older epoch will be followed. At least `current`.
    pub accepted: i64,
    /// The epoch whose initial history is part of the log: at least that of the last transaction
    /// logged.
    pub current: i64,
}

/// What the directory says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    accepted: Option<i64>,
    current: Option<i64>,
    /// What was about to become `current`.
    unfinished: Option<i64>,
    /// Epoch of the last transaction.
    logged: i64,
}

/// What to make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Take {
        accepted: i64,
        current: i64,
    },
    /// More was joined than accepted.
    RefuseAccepted,
    /// More was logged than joined, and nothing says how.
    RefuseCurrent,
}

/// Table P: the two epochs, from the files and the last transaction.
fn decide(found: Found) -> Verdict {
    let Found {
        accepted,
        current,
        unfinished,
        logged,
    } = found;
    let take = |accepted, current| Verdict::Take { accepted, current };
    match (accepted, current) {
        // P1: a standalone server's directory, or a new one
        (None, None) => take(logged, logged),
        // P2: accepted for the first time, not joined yet
        (Some(a), None) if a >= logged => take(a, logged),
        // P3: the log is ahead of all that was accepted
        (Some(_), None) => Verdict::RefuseAccepted,
        // P4: what was joined had been accepted
        (None, Some(c)) if c >= logged => take(c, c),
        // P5: the crash came before a rename (ZOOKEEPER-4269)
        (None, Some(_)) if unfinished == Some(logged) => take(logged, logged),
        // P6
        (None, Some(_)) => Verdict::RefuseCurrent,
        // P7: history was logged, and the crash came before the epoch was written
        (Some(a), Some(c)) if c < logged && a >= logged => take(a, logged),
        // P8
        (Some(_), Some(c)) if c < logged => Verdict::RefuseCurrent,
        // P9: as they are
        (Some(a), Some(c)) if a >= c => take(a, c),
        // P10
        (Some(_), Some(_)) => Verdict::RefuseAccepted,
    }
}

/// Reads the epochs of a directory whose last transaction is `last`, and makes both files say so.
pub(crate) fn recover<D: Disk>(
    disk: &D,
    settings: &Settings,
    last: i64,
) -> Result<Epochs, JournalError> {
    let dir = settings.snapshot_dir();
    let found = Found {
        accepted: read(disk, &dir.join(ACCEPTED))?,
        current: read(disk, &dir.join(CURRENT))?,
        unfinished: read(disk, &dir.join(unfinished(CURRENT))).or_else(ignore_content)?,
        logged: last >> 32,
    };
    let contradiction = |accepted: i64, current: i64| JournalError::EpochNotAccepted {
        accepted_file: dir.join(ACCEPTED),
        accepted,
        current_file: dir.join(CURRENT),
        current,
    };
    let epochs = match decide(found) {
        Verdict::Take { accepted, current } => Epochs { accepted, current },
        Verdict::RefuseAccepted => {
            let current = found.current.unwrap_or(found.logged);
            return Err(contradiction(found.accepted.unwrap_or(0), current));
        }
        Verdict::RefuseCurrent => {
            return Err(JournalError::EpochBehind {
                accepted_file: dir.join(ACCEPTED),
                current_file: dir.join(CURRENT),
                current: found.current.unwrap_or(0),
                logged: found.logged,
            });
        }
    };
    if found.accepted != Some(epochs.accepted) {
        write_accepted(disk, settings, epochs.accepted)?;
    }
    if found.current != Some(epochs.current) {
        info!(
            from = found.current,
            to = epochs.current,
            "current epoch recovered"
        );
        write_current(disk, settings, epochs.current)?;
    }
    Ok(epochs)
}

/// Whether the directory belonged to a member that has accepted an epoch.
pub(crate) fn any_accepted<D: Disk>(disk: &D, settings: &Settings) -> Result<bool, JournalError> {
    let dir = settings.snapshot_dir();
    let (accepted, current) = (
        read(disk, &dir.join(ACCEPTED))?,
        read(disk, &dir.join(CURRENT))?,
    );
    Ok(accepted.max(current) > Some(0))
}

/// Replaces the accepted epoch, durably.
pub(crate) fn write_accepted<D: Disk>(
    disk: &D,
    settings: &Settings,
    epoch: i64,
) -> Result<(), JournalError> {
    write(disk, &settings.snapshot_dir(), ACCEPTED, epoch)
}

/// Replaces the current epoch, durably.
pub(crate) fn write_current<D: Disk>(
    disk: &D,
    settings: &Settings,
    epoch: i64,
) -> Result<(), JournalError> {
    write(disk, &settings.snapshot_dir(), CURRENT, epoch)
}

fn write<D: Disk>(disk: &D, dir: &Path, name: &str, epoch: i64) -> Result<(), JournalError> {
    let (file, target) = (dir.join(unfinished(name)), dir.join(name));
    files::clear(disk, &file)?;
    let mut made = disk.create(&file).map_err(at("create", &file))?;
    made.write_at(0, epoch.to_string().as_bytes())
        .map_err(at("write", &file))?;
    made.sync().map_err(at("sync", &file))?;
    disk.rename(&file, &target).map_err(at("rename", file))?;
    disk.sync_dir(dir).map_err(at("sync", dir))
}

/// The name under which a file is made; Apache's, whose readers look there too.
fn unfinished(name: &str) -> String {
    format!("{name}.tmp")
}

/// The epoch in a file; `None` when there is no such file, or when it says that there is none.
fn read<D: Disk>(disk: &D, file: &Path) -> Result<Option<i64>, JournalError> {
    let opened = match disk.open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(at("open", file))?,
    };
    let mut content = Vec::new();
    Sequential::new(opened, 0)
        .take(FILE_LEN_MAX)
        .read_to_end(&mut content)
        .map_err(at("read", file))?;
    parse(&content).ok_or_else(|| JournalError::EpochFile {
        file: file.to_owned(),
    })
}

/// A number that its writer did not finish says nothing.
fn ignore_content(error: JournalError) -> Result<Option<i64>, JournalError> {
    match error {
        JournalError::EpochFile { .. } => Ok(None),
        other => Err(other),
    }
}

/// Decimal digits, which editors end with a line. The outer `None` is for anything else.
fn parse(content: &[u8]) -> Option<Option<i64>> {
    let text = str::from_utf8(content).ok()?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let digits = line.strip_suffix('\r').unwrap_or(line);
    if digits == NONE {
        return Some(None);
    }
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let epoch = plain.then(|| digits.parse().ok()).flatten()?;
    (epoch <= EPOCH_MAX).then_some(Some(epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_decimal_and_may_end_a_line() {
        for (content, epoch) in [
            ("0", 0),
            ("1", 1),
            ("1\n", 1),
            ("12\r\n", 12),
            ("2147483647", EPOCH_MAX),
        ] {
            assert_eq!(parse(content.as_bytes()), Some(Some(epoch)), "{content:?}");
        }
        assert_eq!(parse(b"-1"), Some(None));
        for content in [
            "",
            "\n",
            "x",
            "1x",
            "1 ",
            " 1",
            "+1",
            "-2",
            "1\n\n",
            "1\n2",
            "2147483648",
            "\u{ff11}",
            "99999999999999999999999999999999",
        ] {
            assert_eq!(parse(content.as_bytes()), None, "{content:?}");
        }
        assert_eq!(parse(&[0xff]), None);
        assert_eq!(parse(&[0]), None);
    }

    type When = fn(Found) -> bool;
    type Then = fn(Found) -> Verdict;

    /// The rows again as conditions, told from each other by nothing but themselves.
    const ROWS: [(&str, When, Then); 10] = [
        (
            "P1",
            |f| none(f.accepted) && none(f.current),
            |f| take(f.logged, f.logged),
        ),
        (
            "P2",
            |f| some(f.accepted) && none(f.current) && a(f) >= f.logged,
            |f| take(a(f), f.logged),
        ),
        (
            "P3",
            |f| some(f.accepted) && none(f.current) && a(f) < f.logged,
            |_| Verdict::RefuseAccepted,
        ),
        (
            "P4",
            |f| none(f.accepted) && some(f.current) && c(f) >= f.logged,
            |f| take(c(f), c(f)),
        ),
        (
            "P5",
            |f| {
                none(f.accepted)
                    && some(f.current)
                    && c(f) < f.logged
                    && f.unfinished == Some(f.logged)
            },
            |f| take(f.logged, f.logged),
        ),
        (
            "P6",
            |f| {
                none(f.accepted)
                    && some(f.current)
                    && c(f) < f.logged
                    && f.unfinished != Some(f.logged)
            },
            |_| Verdict::RefuseCurrent,
        ),
        (
            "P7",
            |f| both(f) && c(f) < f.logged && a(f) >= f.logged,
            |f| take(a(f), f.logged),
        ),
        (
            "P8",
            |f| both(f) && c(f) < f.logged && a(f) < f.logged,
            |_| Verdict::RefuseCurrent,
        ),
        (
            "P9",
            |f| both(f) && c(f) >= f.logged && a(f) >= c(f),
            |f| take(a(f), c(f)),
        ),
        (
            "P10",
            |f| both(f) && c(f) >= f.logged && a(f) < c(f),
            |_| Verdict::RefuseAccepted,
        ),
    ];

    fn none(epoch: Option<i64>) -> bool {
        epoch.is_none()
    }

    fn some(epoch: Option<i64>) -> bool {
        epoch.is_some()
    }

    fn both(found: Found) -> bool {
        some(found.accepted) && some(found.current)
    }

    fn a(found: Found) -> i64 {
        found.accepted.expect("the row says so")
    }

    fn c(found: Found) -> i64 {
        found.current.expect("the row says so")
    }

    fn take(accepted: i64, current: i64) -> Verdict {
        Verdict::Take { accepted, current }
    }

    #[test]
    fn table_p_has_one_row_for_every_directory() {
        let epochs = [None, Some(0), Some(1), Some(2), Some(3)];
        let mut met = [0; ROWS.len()];
        for (accepted, current, unfinished, logged) in epochs
            .iter()
            .flat_map(|a| epochs.iter().map(move |c| (a, c)))
            .flat_map(|(a, c)| epochs.iter().map(move |u| (a, c, u)))
            .flat_map(|(a, c, u)| (0..4).map(move |logged| (*a, *c, *u, logged)))
        {
            let found = Found {
                accepted,
                current,
                unfinished,
                logged,
            };
            let mut rows = ROWS
                .iter()
                .enumerate()
                .filter(|(_, (_, when, _))| when(found));
            let (row, (label, _, then)) = rows.next().expect("a row for everything");
            assert_eq!(
                rows.next().map(|(_, (other, ..))| *other),
                None,
                "{found:?}, {label}"
            );
            assert_eq!(decide(found), then(found), "{label}: {found:?}");
            if let Verdict::Take { accepted, current } = decide(found) {
                assert!(
                    accepted >= current && current >= logged,
                    "{label}: {found:?}"
                );
            }
            met[row] += 1;
        }
        assert!(met.iter().all(|&times| times > 0), "{met:?}");
    }
}
