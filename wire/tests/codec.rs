//! Where the encoding leaves a reader a choice, Apache's servers have made one, and clients rely on
//! it. Each test holds one such choice; the replacements for malformed text were taken from a JVM.

#[path = "support/hex.rs"]
mod hex;

use bytes::Bytes;
use hex::hex;
use lockkeeper_wire::reply::GetChildrenResponse;
use lockkeeper_wire::request::{GetEphemeralsRequest, PathOnly, PathWatch, SyncPath};
use lockkeeper_wire::watch::SetWatches;
use lockkeeper_wire::{
    ByteStr, ConnectRequest, DecodeError, ErrorCode, OpCode, Reader, Record, Request, Response,
    TxnEntry,
};

fn read<T: Record>(text: &str) -> Result<T, DecodeError> {
    T::from_bytes(&hex(text))
}

#[test]
fn any_byte_but_zero_is_true() {
    assert_eq!(read::<bool>("00"), Ok(false));
    for byte in 1..=u8::MAX {
        assert_eq!(bool::from_bytes(&Bytes::copy_from_slice(&[byte])), Ok(true));
    }
    assert_eq!(true.to_bytes(), hex("01"));
    assert_eq!(false.to_bytes(), hex("00"));

    let watched = PathWatch {
        path: "/a".into(),
        watch: true,
    };
    assert_eq!(read("00000002 2f61 02"), Ok(watched));
}

#[test]
fn null_and_empty_buffers_differ() {
    assert_eq!(read("ffffffff"), Ok(None::<Bytes>));
    assert_eq!(read("00000000"), Ok(Some(Bytes::new())));
    assert_eq!(None::<Bytes>.to_bytes(), hex("ffffffff"));
    assert_eq!(Some(Bytes::new()).to_bytes(), hex("00000000"));
}

#[test]
fn null_and_empty_texts_differ() {
    assert_eq!(read("ffffffff"), Ok(None::<ByteStr>));
    assert_eq!(read("00000000"), Ok(Some(ByteStr::default())));
    assert_eq!(None::<ByteStr>.to_bytes(), hex("ffffffff"));
    assert_eq!(Some(ByteStr::default()).to_bytes(), hex("00000000"));
}

#[test]
fn null_and_empty_vectors_differ() {
    assert_eq!(read("ffffffff"), Ok(None::<Vec<i32>>));
    assert_eq!(read("00000000"), Ok(Some(Vec::<i32>::new())));
    assert_eq!(None::<Vec<i32>>.to_bytes(), hex("ffffffff"));
    assert_eq!(Some(Vec::<i32>::new()).to_bytes(), hex("00000000"));
}

#[test]
fn null_is_an_error_where_a_value_is_needed() {
    assert_eq!(read::<ByteStr>("ffffffff"), Err(DecodeError::Null));
    assert_eq!(read::<Vec<i32>>("ffffffff"), Err(DecodeError::Null));
    assert_eq!(read::<PathOnly>("ffffffff"), Err(DecodeError::Null));
    assert_eq!(
        read::<SetWatches>("0000000000000000 00000000 ffffffff 00000000"),
        Err(DecodeError::Null)
    );
    assert_eq!(
        read::<GetChildrenResponse>("00000002 00000001 61 ffffffff"),
        Err(DecodeError::Null)
    );
}

#[test]
fn sync_add_watch_and_get_ephemerals_take_a_null_path() {
    assert_eq!(read::<SyncPath>("ffffffff").map(|body| body.path), Ok(None));
    assert_eq!(
        read::<GetEphemeralsRequest>("ffffffff").map(|body| body.prefix),
        Ok(None)
    );
    let body = hex("ffffffff 00000001");
    match Request::decode(OpCode::AddWatch.into(), &mut Reader::new(&body)) {
        Ok(Request::AddWatch(body)) => assert_eq!((body.path, body.mode), (None, 1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn negative_counts_other_than_null_are_empty_vectors() {
    for count in ["fffffffe", "80000000", "ffffff00"] {
        assert_eq!(read::<Vec<i32>>(count), Ok(Vec::new()));
        assert_eq!(read::<Option<Vec<i32>>>(count), Ok(Some(Vec::new())));
    }
}

#[test]
fn negative_lengths_other_than_null_are_errors() {
    let error = DecodeError::NegativeLength(-2);
    assert_eq!(read::<Option<Bytes>>("fffffffe"), Err(error));
    assert_eq!(read::<Option<ByteStr>>("fffffffe"), Err(error));
    assert_eq!(read::<ByteStr>("fffffffe"), Err(error));
    assert_eq!(
        read::<ByteStr>("80000000"),
        Err(DecodeError::NegativeLength(i32::MIN))
    );
}

#[test]
fn lengths_and_counts_are_held_against_the_bytes_that_are_there() {
    assert_eq!(
        read::<ByteStr>("00000003 6162"),
        Err(DecodeError::Truncated { need: 3, have: 2 })
    );
    assert_eq!(
        read::<Vec<i64>>("00000002 0000000000000000"),
        Err(DecodeError::Truncated { need: 16, have: 8 })
    );
    assert_eq!(
        read::<i32>("000000"),
        Err(DecodeError::Truncated { need: 4, have: 3 })
    );
}

/// Text as it arrives, and as Java's `new String(bytes, UTF_8)` has it.
const MALFORMED: &[(&str, &str)] = &[
    // Bytes that start nothing, and continuations without a start.
    ("ff", "\u{fffd}"),
    ("80", "\u{fffd}"),
    ("f5 80 80 80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
    ("f8 88 80 80 80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
    // More bytes than the character needs.
    ("c0 80", "\u{fffd}\u{fffd}"),
    ("e0 80 80", "\u{fffd}\u{fffd}\u{fffd}"),
    ("f0 80 80 80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
    // Above the last character.
    ("f4 90 80 80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
    // Characters cut short: one replacement for all that has come of them.
    ("c3", "\u{fffd}"),
    ("c3 41", "\u{fffd}A"),
    ("e2 82", "\u{fffd}"),
    ("e2 82 41", "\u{fffd}A"),
    ("f0 9f 98", "\u{fffd}"),
    ("f0 9f 98 41", "\u{fffd}A"),
    // Well formed, as neighbours of what is not.
    ("ed 9f bf", "\u{d7ff}"),
    ("ee 80 80", "\u{e000}"),
    ("f0 9f 98 80", "\u{1f600}"),
    ("00", "\0"),
];

/// Halves of surrogate pairs, three bytes each: what Java's own output makes of a character beyond
/// the basic plane. Java's input replaces each half once.
const SURROGATES: &[(&str, &str)] = &[
    ("ed a0 80", "\u{fffd}"),
    ("ed bf bf", "\u{fffd}"),
    ("ed a0 bd ed b8 80", "\u{fffd}\u{fffd}"),
    ("ed b8 80 ed a0 bd", "\u{fffd}\u{fffd}"),
    ("41 ed a0 80 42", "A\u{fffd}B"),
    ("ed", "\u{fffd}"),
    ("ed a0", "\u{fffd}"),
    ("ed a0 41", "\u{fffd}A"),
    ("ed 41 a0 80", "\u{fffd}A\u{fffd}\u{fffd}"),
    ("ed a0 ed b0", "\u{fffd}\u{fffd}"),
    ("ed a0 80 80", "\u{fffd}\u{fffd}"),
    ("ed a0 80 ff", "\u{fffd}\u{fffd}"),
    ("ed a0 ed 9f bf", "\u{fffd}\u{d7ff}"),
];

fn check_texts(table: &[(&str, &str)]) {
    for (bytes, text) in table {
        let read = ByteStr::from_bytes(&Some(hex(bytes)).to_bytes()).expect("text never fails");
        assert_eq!(read, *text, "from {bytes}");
    }
}

#[test]
fn malformed_utf8_is_replaced() {
    check_texts(MALFORMED);
}

#[test]
fn surrogates_are_replaced_one_for_one() {
    check_texts(SURROGATES);
}

#[test]
fn bytes_behind_a_record_are_ignored() {
    assert_eq!(read::<i32>("00000007 ff"), Ok(7));
    assert_eq!(
        read("00000002 2f61 00 dead"),
        Ok(PathWatch {
            path: "/a".into(),
            watch: false,
        })
    );
    let connect = "00000000 0000000000000000 00002710 0000000000000000 00000000 01";
    let plain: ConnectRequest = read(connect).expect("valid");
    assert_eq!(read(&format!("{connect} 00 01 02")), Ok(plain));

    let body = hex("00000002 2f61 ffffffff | 99");
    assert!(Request::decode(OpCode::Delete.into(), &mut Reader::new(&body)).is_ok());
    let body = hex("00000002 2f61 | 99");
    assert!(Response::decode(OpCode::Create, &mut Reader::new(&body)).is_ok());
    let body = hex("99");
    assert_eq!(
        Response::decode(OpCode::Delete, &mut Reader::new(&body)),
        Ok(Response::Empty)
    );
}

#[test]
fn bytes_behind_a_log_entry_are_an_error() {
    let header = "0000000000000001 00000002 0000000000000003 0000000000000004";
    let digest = "00000002 0000000000000005";
    for (kind, body) in [
        ("fffffff6", "00001770"),
        ("ffffffff", "ffffff9b"),
        ("00000002", "00000002 2f61"),
        ("0000000e", "00000000"),
        ("fffffff5", "00000000"),
        ("fffffff5", "00000003 00000000 00000000 00000000"),
    ] {
        let entry = format!("{header} {kind} {body}");
        assert!(read::<TxnEntry>(&entry).is_ok(), "{entry}");
        assert!(read::<TxnEntry>(&format!("{entry} {digest}")).is_ok());
        for more in [1, 4, 11, 13, 24] {
            let tail = "00".repeat(more);
            assert_eq!(
                read::<TxnEntry>(&format!("{entry} {tail}")),
                Err(DecodeError::Trailing(more)),
                "{entry}"
            );
        }
    }
}

#[test]
fn bytes_behind_a_part_of_a_logged_multi_are_an_error() {
    let entry = "0000000000000001 00000002 0000000000000003 0000000000000004 0000000e
                 00000001 | 00000002 00000007 00000002 2f61 00";
    assert_eq!(read::<TxnEntry>(entry), Err(DecodeError::Trailing(1)));
}

#[test]
fn only_the_done_byte_ends_a_multi() {
    let check = "0000000d 00 ffffffff 00000002 2f61 00000001";
    for end in [
        "ffffffff 01 ffffffff",
        "00000005 01 00000000",
        "0000000d ff 0000002a",
    ] {
        let body = hex(&format!("{check} {end}"));
        match Request::decode(OpCode::Multi.into(), &mut Reader::new(&body)) {
            Ok(Request::Multi(multi)) => assert_eq!(multi.ops.len(), 1),
            other => panic!("{other:?}"),
        }
    }
    for open in [check.to_owned(), format!("{check} ffffffff 00 ffffffff")] {
        let body = hex(&open);
        assert_eq!(
            Request::decode(OpCode::Multi.into(), &mut Reader::new(&body)),
            Err(ErrorCode::MARSHALLING_ERROR)
        );
    }
}

/// The parts a multi may hold, by operation code and a body that suits each.
#[test]
fn a_multi_takes_writes_a_multi_read_takes_reads() {
    let create = "00000002 2f61 ffffffff ffffffff 00000000";
    let create_ttl = "00000002 2f61 ffffffff ffffffff 00000005 0000000000000001";
    let versioned = "00000002 2f61 ffffffff";
    let set_data = "00000002 2f61 ffffffff ffffffff";
    let watch = "00000002 2f61 00";
    let answer = |op: OpCode, parts: &[(i32, &str)]| {
        let parts: String = parts
            .iter()
            .map(|(kind, body)| format!("{kind:08x} 00 ffffffff {body}"))
            .collect();
        let body = hex(&format!("{parts} ffffffff 01 ffffffff"));
        Request::decode(op.into(), &mut Reader::new(&body)).err()
    };
    let refused = Some(ErrorCode::MARSHALLING_ERROR);

    for part in [
        (1, create),
        (2, versioned),
        (5, set_data),
        (13, versioned),
        (15, create),
        (19, create),
        (21, create_ttl),
    ] {
        assert_eq!(answer(OpCode::Multi, &[part]), None, "{part:?}");
        let mixed = [(4, watch), part];
        assert_eq!(answer(OpCode::Multi, &mixed), refused, "{mixed:?}");
        assert_eq!(answer(OpCode::MultiRead, &mixed), refused, "{mixed:?}");
    }
    for part in [(4, watch), (8, watch)] {
        assert_eq!(answer(OpCode::MultiRead, &[part]), None, "{part:?}");
        assert_eq!(answer(OpCode::Multi, &[part]), refused, "{part:?}");
    }
    for part in [
        (3, watch),
        (7, set_data),
        (12, watch),
        (20, versioned),
        (-1, ""),
        (999, ""),
    ] {
        assert_eq!(answer(OpCode::Multi, &[part]), refused, "{part:?}");
        assert_eq!(answer(OpCode::MultiRead, &[part]), refused, "{part:?}");
    }
    for flags in ["00000005", "00000006", "00000007", "ffffffff"] {
        let create = format!("00000002 2f61 ffffffff ffffffff {flags}");
        assert_eq!(answer(OpCode::Multi, &[(1, &create)]), refused, "{flags}");
    }
}

#[test]
fn operations_no_client_may_send_are_unimplemented() {
    let body = hex("00000002 2f61 ffffffff 00000000 00000000 00000000");
    for op in [0, -1, -10, 10, 13, 20, 23, 99, 108, 999, i32::MIN, i32::MAX] {
        assert_eq!(
            Request::decode(op, &mut Reader::new(&body)),
            Err(ErrorCode::UNIMPLEMENTED),
            "{op}"
        );
    }
}

#[test]
fn a_body_that_cannot_be_read_is_a_marshalling_error() {
    let body = Bytes::new();
    for op in (-11..=107).filter_map(|op| OpCode::try_from(op).ok()) {
        match Request::decode(op.into(), &mut Reader::new(&body)) {
            Ok(request) => assert!(
                matches!(op, OpCode::Ping | OpCode::WhoAmI | OpCode::CloseSession),
                "{request:?}"
            ),
            Err(ErrorCode::UNIMPLEMENTED) => assert!(
                matches!(
                    op,
                    OpCode::Notification
                        | OpCode::Check
                        | OpCode::DeleteContainer
                        | OpCode::CreateSession
                        | OpCode::Error
                ),
                "{op:?}"
            ),
            Err(code) => assert_eq!(code, ErrorCode::MARSHALLING_ERROR, "{op:?}"),
        }
    }
}
