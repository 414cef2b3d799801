//! Log record bytes ↔ record. Pure: bytes in, values out.
//!
//! ```text
//! file    5a 4b 4c 47  version 2  dbid 0            16 bytes, once
//! record  Adler-32 of the entry, zero-extended      8 bytes
//!         length n of the entry                     4 bytes
//!         entry: TxnHeader, body, digest            n bytes
//!         42                                        1 byte
//! ```
//!
//! Everything is big endian. The journal looks at one field of an entry only, the zxid, which is
//! the third field of `TxnHeader`. The layout is that of `FileTxnLog` in Apache ZooKeeper; the
//! checksum covers the entry and nothing else.

use std::fmt;

use bytes::Bytes;

/// First bytes of every log file: magic, version, database id.
pub(crate) const LOG_HEADER: [u8; 16] = *b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0";
/// Bytes of a record before its entry: checksum and length.
pub(crate) const PREFIX_LEN: usize = 12;
/// Bytes of `TxnHeader`, the least an entry can be.
pub(crate) const ENTRY_LEN_MIN: usize = 32;

const END_BYTE: u8 = b'B';

/// One logged transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Zxid of the transaction, as its entry states it.
    pub zxid: i64,
    /// `TxnHeader`, body and, unless the writer had digests off, `TxnDigest`: the bytes of
    /// PROPOSAL.data, at least 32.
    pub entry: Bytes,
}

/// What is wrong with a place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Defect {
    /// The checksum does not match the bytes it covers.
    Checksum,
    /// The file ends inside the record.
    Cut,
    /// The file has no bytes although later files exist.
    Empty,
    /// The byte behind the entry is not `B`.
    EndByte,
    /// The entry length is not one a server would have written.
    Length(i32),
    /// The file does not start as a transaction log does.
    Magic,
    /// The file is shorter than its header.
    ShortHeader,
    /// The entry length is 0, which ends a log, but more records follow.
    ZeroLength,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::Checksum => f.write_str("the checksum does not match"),
            Defect::Cut => f.write_str("the file ends inside a record"),
            Defect::Empty => f.write_str("the file is empty but is not the newest log"),
            Defect::EndByte => f.write_str("the end byte of the record is wrong"),
            Defect::Length(len) => write!(f, "a record claims a length of {len} bytes"),
            Defect::Magic => f.write_str("the file does not start with the magic of a log"),
            Defect::ShortHeader => f.write_str("the file is shorter than its header"),
            Defect::ZeroLength => f.write_str("the log ends although records follow"),
        }
    }
}

/// Zxid of an entry, or `None` when the entry is shorter than `TxnHeader`.
pub(crate) fn zxid_of(entry: &[u8]) -> Option<i64> {
    if entry.len() < ENTRY_LEN_MIN {
        return None;
    }
    let field = entry.get(12..20)?;
    Some(i64::from_be_bytes(field.try_into().ok()?))
}

/// Appends the record of `entry` to `target`.
pub(crate) fn encode(entry: &[u8], target: &mut Vec<u8>) {
    let checksum = u64::from(adler2::adler32_slice(entry));
    let len = u32::try_from(entry.len()).expect("the caller holds entries below 2 GiB");
    target.extend_from_slice(&checksum.to_be_bytes());
    target.extend_from_slice(&len.to_be_bytes());
    target.extend_from_slice(entry);
    target.push(END_BYTE);
}

/// Length of the whole record that starts with `prefix`.
///
/// The length is checked against `entry_len_max` before anyone allocates by it.
pub(crate) fn record_len(prefix: &[u8], entry_len_max: usize) -> Result<usize, Defect> {
    let Some(field) = prefix.get(8..PREFIX_LEN) else {
        return Err(Defect::Cut);
    };
    let len = i32::from_be_bytes(field.try_into().expect("the range has four bytes"));
    match usize::try_from(len) {
        Ok(0) => Err(Defect::ZeroLength),
        Ok(n) if (ENTRY_LEN_MIN..=entry_len_max).contains(&n) => Ok(PREFIX_LEN + n + 1),
        _ => Err(Defect::Length(len)),
    }
}

/// Checks one record, of which `bytes` is the beginning of the file from there on.
///
/// The order of the checks is Apache's: length, entry, end byte, checksum.
pub(crate) fn check(bytes: &[u8], entry_len_max: usize) -> Result<&[u8], Defect> {
    let len = record_len(bytes, entry_len_max)?;
    let Some(record) = bytes.get(..len) else {
        return Err(Defect::Cut);
    };
    if record[len - 1] != END_BYTE {
        return Err(Defect::EndByte);
    }
    let entry = &record[PREFIX_LEN..len - 1];
    if record[..8] != u64::from(adler2::adler32_slice(entry)).to_be_bytes() {
        return Err(Defect::Checksum);
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 2_097_150;

    /// First two records of a log written by Apache ZooKeeper 3.8.0.
    const APACHE_LOG: &str = "
        5a4b4c47 00000002 0000000000000000
        00000000e1180b5f 00000030
          0100000ddca50000 00000000 0000000100000001 000001a1f7fb2f41 fffffff6
          00001770 00000002 0000000051c6d660 42
        0000000056800de1 0000005b
          0100000ddca50000 00000001 0000000100000002 000001a1f7fb2f50 00000001
          00000002 2f61 00000005 68656c6c6f
          00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65
          00 00000001 00000002 000000016ebe661b 42";

    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
        digits
            .chunks(2)
            .map(|pair| (pair[0] * 16 + pair[1]) as u8)
            .collect()
    }

    #[test]
    fn apache_records_are_read_and_written_byte_for_byte() {
        let file = unhex(APACHE_LOG);
        let mut written = LOG_HEADER.to_vec();
        let mut position = LOG_HEADER.len();
        let mut zxids = Vec::new();
        while position < file.len() {
            let entry = check(&file[position..], LIMIT).expect("valid");
            zxids.push(zxid_of(entry).expect("long enough"));
            encode(entry, &mut written);
            position = written.len();
        }
        assert_eq!(zxids, [0x1_0000_0001, 0x1_0000_0002]);
        assert_eq!(written, file);
    }

    #[test]
    fn checks_come_in_the_order_of_apache() {
        let mut record = Vec::new();
        encode(&[7; 40], &mut record);
        let changed = |at: usize, value: u8| {
            let mut copy = record.clone();
            copy[at] = value;
            check(&copy, LIMIT).map(<[u8]>::len)
        };
        assert_eq!(check(&record, LIMIT).map(<[u8]>::len), Ok(40));
        assert_eq!(check(&record[..11], LIMIT), Err(Defect::Cut));
        assert_eq!(check(&record[..52], LIMIT), Err(Defect::Cut));
        assert_eq!(changed(11, 0), Err(Defect::ZeroLength));
        assert_eq!(changed(11, 31), Err(Defect::Length(31)));
        assert_eq!(changed(8, 0xff), Err(Defect::Length(-16_777_176)));
        assert_eq!(check(&record, 39), Err(Defect::Length(40)));
        assert_eq!(changed(52, b'C'), Err(Defect::EndByte));
        assert_eq!(changed(30, 8), Err(Defect::Checksum));
        assert_eq!(changed(7, 8), Err(Defect::Checksum));
    }

    proptest! {
        #[test]
        fn a_record_survives_the_round_trip(entry in proptest::collection::vec(any::<u8>(), 32..600)) {
            let mut bytes = Vec::new();
            encode(&entry, &mut bytes);
            prop_assert_eq!(record_len(&bytes, LIMIT), Ok(bytes.len()));
            prop_assert_eq!(check(&bytes, LIMIT), Ok(&entry[..]));
        }

        #[test]
        fn arbitrary_bytes_never_panic_nor_claim_more_than_the_limit(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            limit in 0usize..4096,
        ) {
            if let Ok(len) = record_len(&bytes, limit) {
                prop_assert!(len <= limit + PREFIX_LEN + 1);
            }
            let _ = check(&bytes, limit);
        }
    }
}
