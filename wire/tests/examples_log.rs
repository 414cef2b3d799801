//! Log entries of a 3.8.0 server, each beside the value it stands for, read and written back to the
//! same bytes: header, body, and the digest of the tree behind all but plain errors. Those that no
//! such server writes, or that were not at hand, say so and follow the same layout.

#[path = "support/hex.rs"]
mod hex;

use bytes::Bytes;
use hex::hex;
use lockkeeper_wire::request::PathVersion;
use lockkeeper_wire::txn::{CreateTxn, SetDataTxn, TxnDigest};
use lockkeeper_wire::{
    Acl, ByteStr, ErrorCode, OpCode, Record, SessionId, Txn, TxnEntry, TxnHeader, Zxid,
};

const SESSION: SessionId = SessionId(0x0100_000d_dca5_0000);

fn entry(cxid: i32, counter: u32, time_ms: i64, txn: Txn, digest: Option<i64>) -> TxnEntry {
    TxnEntry {
        header: TxnHeader {
            client_id: SESSION,
            cxid,
            zxid: Zxid::new(1, counter),
            time_ms,
            op: txn.op().into(),
        },
        txn,
        digest: digest.map(|digest| TxnDigest { version: 2, digest }),
    }
}

fn check(text: &str, len: usize, entry: &TxnEntry) {
    let bytes = hex(text);
    assert_eq!(bytes.len(), len, "length of {entry:?}");
    assert_eq!(TxnEntry::from_bytes(&bytes).as_ref(), Ok(entry));
    assert_eq!(entry.to_bytes(), bytes, "{entry:?}");
}

fn create(path: &str, data: &'static [u8], parent_cversion: i32) -> CreateTxn {
    CreateTxn {
        path: path.into(),
        data: Some(Bytes::from_static(data)),
        acl: Acl::open(),
        ephemeral: false,
        parent_cversion,
    }
}

#[test]
fn create_session() {
    check(
        "0100000ddca50000 00000000 0000000100000001 000001a1f7fb2f41 fffffff6
         | 00001770 | 00000002 0000000051c6d660",
        48,
        &entry(
            0,
            1,
            0x1a1_f7fb_2f41,
            Txn::CreateSession(6000),
            Some(0x51c6_d660),
        ),
    );
}

#[test]
fn create_znode() {
    check(
        "0100000ddca50000 00000001 0000000100000002 000001a1f7fb2f50 00000001
         | 00000002 2f61  00000005 68656c6c6f
           00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65
           00 00000001
         | 00000002 000000016ebe661b",
        91,
        &entry(
            1,
            2,
            0x1a1_f7fb_2f50,
            Txn::Create(create("/a", b"hello", 1)),
            Some(0x1_6ebe_661b),
        ),
    );
}

#[test]
fn create2_znode() {
    check(
        "0100000ddca50000 00000002 0000000100000003 000001a1f7fb2f5c 0000000f
         | 00000002 2f62 00000001 42
           00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65
           00 00000002
         | 00000002 000000024b5ea4ac",
        87,
        &entry(
            2,
            3,
            0x1a1_f7fb_2f5c,
            Txn::Create2(create("/b", b"B", 2)),
            Some(0x2_4b5e_a4ac),
        ),
    );
}

#[test]
fn error() {
    check(
        "0100000ddca50000 00000006 0000000100000007 000001a1f7fb2f75 ffffffff
         | ffffff99",
        36,
        &entry(
            6,
            7,
            0x1a1_f7fb_2f75,
            Txn::Error(ErrorCode::BAD_VERSION),
            None,
        ),
    );
}

/// The dumps of the entries below start behind the header; this one stands in.
const HEADER: &str = "0100000ddca50000 00000007 0000000100000008 000001a1f7fb2f75";

fn check_tail(tail: &str, len: usize, txn: Txn, digest: i64) {
    let text = format!("{HEADER} {:08x} | {tail}", i32::from(txn.op()));
    check(
        &text,
        32 + len,
        &entry(7, 8, 0x1a1_f7fb_2f75, txn, Some(digest)),
    );
}

fn paths(paths: &[&str]) -> Option<Vec<ByteStr>> {
    Some(paths.iter().map(|&path| path.into()).collect())
}

#[test]
fn close_session_with_ephemerals() {
    check_tail(
        "00000002 000000032f6532 000000022f65 | 00000002 00000005afeb603d",
        29,
        Txn::CloseSession(paths(&["/e2", "/e"])),
        0x5_afeb_603d,
    );
}

#[test]
fn close_session_without_ephemerals() {
    check_tail(
        "00000000 | 00000002 00000005e1d9c539",
        16,
        Txn::CloseSession(paths(&[])),
        0x5_e1d9_c539,
    );
}

#[test]
fn set_data() {
    check_tail(
        "000000022f61 00000005776f726c64 00000001 | 00000002 00000003705d8bcd",
        31,
        Txn::SetData(SetDataTxn {
            path: "/a".into(),
            data: Some(Bytes::from_static(b"world")),
            version: 1,
        }),
        0x3_705d_8bcd,
    );
}

/// The part before the one that failed keeps its body; its data, one byte, was not kept in the dump
/// and is made up.
#[test]
fn multi_that_failed() {
    check_tail(
        "00000003
         | 00000001 0000002c
           00000003 2f6d32 00000001 78
           00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65
           00 00000006
         | ffffffff 00000004 ffffff99
         | ffffffff 00000004 fffffffe
         | 00000002 000000052216e9ff",
        92,
        Txn::Multi(vec![
            Txn::Create(create("/m2", b"x", 6)),
            Txn::Error(ErrorCode::BAD_VERSION),
            Txn::Error(ErrorCode::RUNTIME_INCONSISTENCY),
        ]),
        0x5_2216_e9ff,
    );
}

/// Made up: the part of a check carries the version after the one that was checked.
/// A failed multi out of a leader's memory, as a DIFF brings it: servers of 3.9 turn the parts before
/// the failure into errors in place when they apply it, and leave the body of what each part was.
#[test]
fn multi_that_failed_and_was_applied_before_it_was_sent() {
    let bytes = hex(
        "010001b1aba70006 000000cd 0000000300000003 000001a1f7fb2f41 0000000e
         | 00000002
         | ffffffff 0000003d 00000012 2f6c6f67732f7772697465722d312d323033 00000003 323033
           00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00 00000197
         | ffffffff 00000004 ffffff99
         | 00000002 000000d43423df2b",
    );
    let entry = TxnEntry::from_bytes(&bytes).expect("every server reads it");
    let codes = [ErrorCode::OK, ErrorCode::BAD_VERSION];
    assert_eq!(entry.txn, Txn::Multi(codes.map(Txn::Error).to_vec()));
    assert_eq!(
        entry.digest.map(|digest| digest.digest),
        Some(0xd4_3423_df2b)
    );
}

#[test]
fn multi_with_a_check() {
    check_tail(
        "00000002
         | 0000000d 0000000a 00000002 2f61 00000002
         | 00000002 00000006 00000002 2f6d
         | 00000002 000000052216e9ff",
        48,
        Txn::Multi(vec![
            Txn::Check(PathVersion {
                path: "/a".into(),
                version: 2,
            }),
            Txn::Delete("/m".into()),
        ]),
        0x5_2216_e9ff,
    );
}

/// The create above as servers before 3.4 ended it; it is written back with the field they lacked.
#[test]
fn create_without_the_parents_count() {
    let old = "0100000ddca50000 00000001 0000000100000002 000001a1f7fb2f50 00000001
               | 00000002 2f61  00000005 68656c6c6f
                 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65
                 00";
    let txn = Txn::Create(create("/a", b"hello", -1));
    let entry = entry(1, 2, 0x1a1_f7fb_2f50, txn, None);
    assert_eq!(TxnEntry::from_bytes(&hex(old)), Ok(entry.clone()));
    assert_eq!(entry.to_bytes(), hex(&format!("{old} ffffffff")));
}

/// A server may be told to keep no list (`zookeeper.closeSessionTxn.enabled`): what follows the
/// header is a digest or nothing, even though a digest's version could be taken for a count of two.
#[test]
fn close_session_without_a_list() {
    check_tail(
        "00000002 00000005e1d9c539",
        12,
        Txn::CloseSession(None),
        0x5_e1d9_c539,
    );
    let plain = entry(7, 8, 0x1a1_f7fb_2f75, Txn::CloseSession(None), None);
    check(&format!("{HEADER} fffffff5"), 32, &plain);
}

/// Made up: as long as a digest, and a list all the same.
#[test]
fn close_session_with_a_list_of_twelve_bytes() {
    let entry = entry(
        7,
        8,
        0x1a1_f7fb_2f75,
        Txn::CloseSession(paths(&["/abc"])),
        None,
    );
    check(
        &format!("{HEADER} fffffff5 | 00000001 00000004 2f616263"),
        44,
        &entry,
    );
}

#[test]
fn unknown_types_are_refused() {
    let known = |op: i32| {
        let text = format!("{HEADER} {op:08x} 00000000 00000000 00000000 00000000");
        !matches!(
            TxnEntry::from_bytes(&hex(&text)),
            Err(lockkeeper_wire::DecodeError::Unknown { .. })
        )
    };
    let kinds: Vec<i32> = (-20..200).filter(|&op| known(op)).collect();
    assert_eq!(kinds, [-11, -10, -1, 1, 2, 5, 7, 14, 15, 16, 19, 20, 21]);
    assert!(!known(OpCode::Check.into()));
}
