//! What the tests of this crate share.

#![allow(dead_code, unreachable_pub)]

pub mod model;

use std::io::{self, Read, Write};

use bytes::Bytes;
use lockkeeper_journal::testing::SimDisk;
use lockkeeper_journal::{Disk, Journal, JournalError, Record, Settings, write_snapshot};

/// The string that ends the znodes of an image.
pub const IMAGE_END: [u8; 5] = *b"\0\0\0\x01/";

pub fn settings() -> Settings {
    Settings {
        preallocate: 8192,
        ..Settings::new("/data")
    }
}

/// An entry of `len` bytes, at least 32; `variant` makes entries of one zxid differ.
pub fn entry(zxid: i64, len: usize, variant: u8) -> Bytes {
    let mut bytes = vec![variant | 1; len.max(32)];
    bytes[12..20].copy_from_slice(&zxid.to_be_bytes());
    bytes.into()
}

pub fn snapshot<D: Disk>(disk: &D, settings: &Settings, zxid: i64, body: &[u8]) {
    let mut image = |target: &mut dyn Write| -> io::Result<()> {
        target.write_all(body)?;
        target.write_all(&IMAGE_END)
    };
    write_snapshot(disk, settings, zxid, None, &mut image).expect("no fault is set");
}

/// The journal, zxid and body of the image, and the records after it.
pub type Opened<D> = (Journal<D>, Option<(i64, Vec<u8>)>, Vec<Record>);

/// Opens, loads the newest snapshot and replays everything.
pub fn recover<D: Disk>(disk: &D, settings: &Settings) -> Result<Opened<D>, JournalError> {
    let (journal, mut recovered) = Journal::open(disk.clone(), settings.clone())?;
    let image = match recovered.next_snapshot()? {
        None => None,
        Some(snapshot) => {
            let mut image = Vec::new();
            snapshot
                .image()?
                .read_to_end(&mut image)
                .expect("it was verified");
            assert_eq!(image.len() as u64, snapshot.image_len());
            assert!(image.ends_with(&IMAGE_END));
            image.truncate(image.len() - IMAGE_END.len());
            Some((snapshot.zxid(), image))
        }
    };
    let records = recovered.records().collect::<Result<_, _>>()?;
    Ok((journal, image, records))
}

pub fn zxids(records: &[Record]) -> Vec<i64> {
    records.iter().map(|record| record.zxid).collect()
}

/// A disk with `snapshot.0` and one log of the given zxids, each entry 40 bytes long.
pub fn disk_with_log(settings: &Settings, zxids: impl IntoIterator<Item = i64>) -> SimDisk {
    let disk = SimDisk::new();
    let (mut journal, ..) = recover(&disk, settings).expect("a new directory");
    snapshot(&disk, settings, 0, b"empty");
    journal
        .append(zxids.into_iter().map(|zxid| (zxid, entry(zxid, 40, 1))))
        .expect("no fault");
    journal.sync().expect("no fault");
    disk
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}
