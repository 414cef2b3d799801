//! Bytes as Apache ZooKeeper writes them, read and written.

mod common;

use std::io::{Read, Write};

use bytes::Bytes;
use common::{recover, unhex, zxids};
use flate2::Compression;
use flate2::write::GzEncoder;
use lockkeeper_journal::testing::SimDisk;
use lockkeeper_journal::{Digest, Journal, Settings, write_snapshot};

/// The first two records of a log of ZooKeeper 3.8.0, from an ensemble in epoch 1.
const LOG: &str = "
    5a4b4c47 00000002 0000000000000000
    00000000e1180b5f 00000030
      0100000ddca50000 00000000 0000000100000001 000001a1f7fb2f41 fffffff6
      00001770 00000002 0000000051c6d660 42
    0000000056800de1 0000005b
      0100000ddca50000 00000001 0000000100000002 000001a1f7fb2f50 00000001
      00000002 2f61 00000005 68656c6c6f
      00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65
      00 00000001 00000002 000000016ebe661b 42";

/// Image of an empty standalone tree, as a server of 3.9.5 has it at zxid 0.
fn fresh_image() -> Vec<u8> {
    let mut hex = String::from(
        "00000000 00000001
           0000000000000001 00000001 00000001 00000005776f726c64 00000006616e796f6e65",
    );
    for (path, acl, aversion) in [
        ("", "ffffffffffffffff", "00000000"),
        ("/zookeeper", "ffffffffffffffff", "00000000"),
        ("/zookeeper/config", "0000000000000001", "ffffffff"),
        ("/zookeeper/quota", "ffffffffffffffff", "00000000"),
    ] {
        let name: String = path.bytes().map(|byte| format!("{byte:02x}")).collect();
        hex += &format!("{:08x} {name} 00000000 {acl}", path.len());
        // czxid, mzxid, ctime, mtime; version, cversion; aversion; owner, pzxid
        hex += &format!("{:064} {:016} {aversion} {:032}", 0, 0, 0);
    }
    hex.push_str("000000012f");
    unhex(&hex)
}

fn settings() -> Settings {
    Settings {
        preallocate: 0,
        ..Settings::new("/data")
    }
}

#[test]
fn a_log_of_apache_is_read_and_written_again_byte_for_byte() {
    let log = unhex(LOG);
    let source = SimDisk::new();
    common::snapshot(&source, &settings(), 0x1_0000_0000, b"new leader");
    // Apache leaves any amount of zeros behind the records.
    let mut padded = log.clone();
    padded.resize(100_000, 0);
    source.put("/data/version-2/log.100000001", padded);
    let (_, _, records) = recover(&source, &settings()).expect("Apache wrote it");
    assert_eq!(zxids(&records), [0x1_0000_0001, 0x1_0000_0002]);

    let target = SimDisk::new();
    let (mut journal, _) = Journal::open(target.clone(), settings()).expect("a new directory");
    journal
        .append(records.into_iter().map(|r| (r.zxid, r.entry)))
        .expect("no fault");
    journal.sync().expect("no fault");
    assert_eq!(target.get("/data/version-2/log.100000001"), Some(log));
}

#[test]
fn a_directory_of_an_apache_member_is_one_here() {
    let disk = SimDisk::new();
    common::snapshot(&disk, &settings(), 0x1_0000_0000, b"new leader");
    disk.put("/data/version-2/log.100000001", unhex(LOG));
    for file in ["acceptedEpoch", "currentEpoch"] {
        disk.put(format!("/data/version-2/{file}"), unhex("31"));
    }
    let member = Settings {
        member: true,
        ..settings()
    };
    let (mut journal, _, records) = recover(&disk, &member).expect("Apache wrote it");
    assert!(journal.votes());
    let last = records.last().expect("two").zxid;
    let epochs = journal.read_epochs(last).expect("Apache wrote them");
    assert_eq!((epochs.accepted, epochs.current), (1, 1));
    journal.write_accepted(2).expect("no fault");
    journal.write_current(2).expect("no fault");
    for file in ["acceptedEpoch", "currentEpoch"] {
        let written = disk.get(format!("/data/version-2/{file}"));
        assert_eq!(written, Some(unhex("32")), "{file}");
    }
}

#[test]
fn snapshot_tails_are_those_of_apache() {
    let disk = SimDisk::new();
    let digest = Digest {
        zxid: 0x1_0000_001d,
        version: 2,
        value: 0x6_7fa7_fff0,
    };
    let body = unhex("00000000 00000000");
    let mut image = |target: &mut dyn Write| {
        target.write_all(&body)?;
        target.write_all(&common::IMAGE_END)
    };
    let path = write_snapshot(&disk, &settings(), 0x1_0000_001d, Some(digest), &mut image)
        .expect("no fault");
    assert_eq!(path.to_str(), Some("/data/version-2/snapshot.10000001d"));
    let file = disk.get(path).expect("it was written");
    // Header 16, image 13, seal 13, digest 20 + 13, zxid 8 + 13.
    assert_eq!(file.len(), 96);
    let expected = "5a4b534e 00000002 ffffffffffffffff 00000000 00000000 000000012f";
    assert_eq!(file[..29], unhex(expected));
    let seal = |at: usize| {
        let sum = u64::from(adler2::adler32_slice(&file[..at]));
        assert_eq!(file[at..at + 8], sum.to_be_bytes());
        assert_eq!(file[at + 8..at + 13], common::IMAGE_END);
    };
    [29, 62, 83].into_iter().for_each(seal);
    assert_eq!(
        file[42..62],
        unhex("000000010000001d 00000002 000000067fa7fff0")
    );
    assert_eq!(file[75..83], unhex("000000010000001d"));
}

#[test]
fn an_empty_tree_has_the_length_that_apache_gives_it() {
    let disk = SimDisk::new();
    let image = fresh_image();
    write_snapshot(&disk, &settings(), 0, None, &mut |t| t.write_all(&image)).expect("no fault");
    let file = disk
        .get("/data/version-2/snapshot.0")
        .expect("it was written");
    assert_eq!(file.len(), 478);
}

#[test]
fn compressed_snapshots_are_read() {
    let disk = SimDisk::new();
    let image = fresh_image();
    write_snapshot(&disk, &settings(), 5, None, &mut |t| t.write_all(&image)).expect("no fault");
    let plain = disk
        .get("/data/version-2/snapshot.5")
        .expect("it was written");

    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(&plain).expect("memory");
    let mut snappy = unhex("82534e4150505900 00000001 00000001");
    for block in plain.chunks(100) {
        let block = snap::raw::Encoder::new()
            .compress_vec(block)
            .expect("short");
        snappy.extend_from_slice(&(block.len() as u32).to_be_bytes());
        snappy.extend_from_slice(&block);
    }
    for (suffix, bytes) in [("gz", gz.finish().expect("memory")), ("snappy", snappy)] {
        let read = |bytes: &[u8]| {
            let disk = SimDisk::new();
            disk.put(format!("/data/version-2/snapshot.5.{suffix}"), bytes);
            let (_journal, mut recovered) = Journal::open(disk, settings()).expect("valid name");
            let snapshot = recovered.next_snapshot()?.expect("there is one");
            let mut read = Vec::new();
            snapshot
                .image()?
                .read_to_end(&mut read)
                .expect("it was verified");
            Ok::<_, lockkeeper_journal::JournalError>(read)
        };
        assert_eq!(read(&bytes).expect("valid"), image, "{suffix}");
        assert!(read(&bytes[..bytes.len() - 9]).is_err(), "{suffix} cut");
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 4;
        assert!(read(&changed).is_err(), "{suffix} changed");
    }
}

#[test]
fn an_entry_is_passed_on_as_it_is() {
    let disk = common::disk_with_log(&settings(), []);
    let entry: Bytes = unhex(&format!("{}{:016x}{}", "aa".repeat(12), 1, "bb".repeat(90))).into();
    let (mut journal, ..) = recover(&disk, &settings()).expect("valid");
    journal.append([(1, entry.clone())]).expect("no fault");
    journal.sync().expect("no fault");
    drop(journal);
    let (_, _, records) = recover(&disk, &settings()).expect("valid");
    assert_eq!(records[0].entry, entry);
}
