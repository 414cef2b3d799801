//! File names ↔ what they say. Pure.
//!
//! `log.<zxid>` is named by its first record, `snapshot.<zxid>` by the last transaction the image
//! is known to contain; zxids are lower-case hex without padding. Apache takes the part between
//! the first two dots and ignores the rest; so `snapshot.5.tmp` would count as a snapshot there.
//! Here only whole names count, and a snapshot in the making carries a name that Apache ignores.

use std::path::PathBuf;

use crate::settings::Settings;

/// How the bytes of a snapshot file are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Compression {
    /// As they are.
    None,
    /// One gzip stream; the name ends in `.gz`.
    Gzip,
    /// A stream of the snappy-java library; the name ends in `.snappy`.
    Snappy,
}

/// A snapshot file by what its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SnapshotName {
    pub(crate) zxid: i64,
    pub(crate) compression: Compression,
}

impl SnapshotName {
    pub(crate) fn path(self, settings: &Settings) -> PathBuf {
        settings
            .snapshot_dir()
            .join(snapshot(self.zxid, self.compression))
    }
}

/// A file of a `version-2` directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileName {
    Log(i64),
    Snapshot(i64, Compression),
    /// A snapshot or the copy of a log that was being written when its server stopped.
    Unfinished(i64),
    /// A received snapshot was about to take the place of everything else; see `install.rs`.
    Install(i64),
    Other,
}

impl FileName {
    pub(crate) fn parse(name: &str) -> FileName {
        if let Some(rest) = name.strip_prefix("log.") {
            return zxid(rest).map_or(FileName::Other, FileName::Log);
        }
        if let Some(rest) = name.strip_prefix(".install.") {
            return zxid(rest).map_or(FileName::Other, FileName::Install);
        }
        let copy = name
            .strip_prefix(".snapshot.")
            .or(name.strip_prefix(".log."));
        if let Some(rest) = copy {
            let made = rest.strip_suffix(".tmp").and_then(zxid);
            return made.map_or(FileName::Other, FileName::Unfinished);
        }
        let Some(rest) = name.strip_prefix("snapshot.") else {
            return FileName::Other;
        };
        let (digits, suffix) = rest.split_once('.').unwrap_or((rest, ""));
        match (zxid(digits), suffix) {
            (Some(zxid), "") if digits == rest => FileName::Snapshot(zxid, Compression::None),
            (Some(zxid), "gz") => FileName::Snapshot(zxid, Compression::Gzip),
            (Some(zxid), "snappy") => FileName::Snapshot(zxid, Compression::Snappy),
            (Some(zxid), "tmp") => FileName::Unfinished(zxid),
            _ => FileName::Other,
        }
    }
}

pub(crate) fn log(zxid: i64) -> String {
    format!("log.{zxid:x}")
}

pub(crate) fn snapshot(zxid: i64, compression: Compression) -> String {
    match compression {
        Compression::None => format!("snapshot.{zxid:x}"),
        Compression::Gzip => format!("snapshot.{zxid:x}.gz"),
        Compression::Snappy => format!("snapshot.{zxid:x}.snappy"),
    }
}

pub(crate) fn unfinished(zxid: i64) -> String {
    format!(".snapshot.{zxid:x}.tmp")
}

pub(crate) fn unfinished_log(zxid: i64) -> String {
    format!(".log.{zxid:x}.tmp")
}

pub(crate) fn install(zxid: i64) -> String {
    format!(".install.{zxid:x}")
}

/// Only the one spelling that servers write: another one would name a file nobody opens.
fn zxid(digits: &str) -> Option<i64> {
    let zxid = i64::from_str_radix(digits, 16).ok()?;
    (format!("{zxid:x}") == digits).then_some(zxid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let zxid = 0x1_0000_001d;
        assert_eq!(log(zxid), "log.10000001d");
        assert_eq!(FileName::parse(&log(zxid)), FileName::Log(zxid));
        for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
            let name = snapshot(zxid, compression);
            assert_eq!(
                FileName::parse(&name),
                FileName::Snapshot(zxid, compression)
            );
        }
        assert_eq!(
            FileName::parse(&unfinished(zxid)),
            FileName::Unfinished(zxid)
        );
        let copy = FileName::parse(&unfinished_log(zxid));
        assert_eq!(copy, FileName::Unfinished(zxid));
        assert_eq!(FileName::parse(&install(zxid)), FileName::Install(zxid));
    }

    #[test]
    fn other_names_do_not_count() {
        for name in [
            "log",
            "log.",
            "log.xyz",
            "log.-1",
            "log.+1",
            "log.01",
            "log.1F",
            "log.1.bak",
            "logs.1",
            "snapshot.5.",
            "snapshot.",
            "snapshot.5.zip",
            "snapshot.5.gz.tmp",
            "snapshot.11111111111111111",
            "currentEpoch",
            "acceptedEpoch.tmp",
            ".install.01",
            ".lockkeeper.lock",
            ".lockkeeper.member",
            "lockkeeper.member",
            "",
        ] {
            assert_eq!(FileName::parse(name), FileName::Other, "{name}");
        }
        assert_eq!(FileName::parse("snapshot.5.tmp"), FileName::Unfinished(5));
        assert_eq!(FileName::parse("log.1f"), FileName::Log(0x1f));
    }
}
