//! The forms that greetings, notifications and packets had in older servers, what is no form of
//! them, and packets that arrive piece by piece.

#[path = "support/hex.rs"]
mod hex;

use bytes::{BufMut, Bytes, BytesMut};
use hex::hex;
use lockkeeper_wire::election::ADDRESSES_LEN_MAX;
use lockkeeper_wire::quorum::{PACKET_LEN_MAX, decode_packet};
use lockkeeper_wire::{
    DecodeError, Id, Initial, LeaderPacket, LearnerInfo, LearnerPacket, Notification, PeerState,
    Record, ServerId, SessionId, Touch, Vote, Zxid,
};

fn greeting(bytes: &[u8]) -> Result<Option<Initial>, DecodeError> {
    Initial::decode(&mut BytesMut::from(bytes))
}

fn greeting_of(addresses: &[&str]) -> Initial {
    Initial {
        sid: ServerId(2),
        addresses: addresses.iter().map(|text| (*text).to_owned()).collect(),
    }
}

/// Servers of 3.5 know only the version for one address.
#[test]
fn zk_3720_one_address_goes_out_in_the_older_version() {
    for (addresses, version) in [
        (&["a:1"][..], "ffffffffffff0000"),
        (&["a:1", "[::1]:2"], "ffffffffffff0001"),
    ] {
        let mut bytes = BytesMut::new();
        greeting_of(addresses).encode(&mut bytes);
        assert_eq!(bytes[..8], hex(version));
        assert_eq!(greeting(&bytes), Ok(Some(greeting_of(addresses))));
    }
}

#[test]
fn one_address_is_read_in_either_version() {
    for version in ["ffffffffffff0000", "ffffffffffff0001"] {
        let bytes = hex(&format!("{version} 0000000000000002 00000003 613a31"));
        assert_eq!(greeting(&bytes), Ok(Some(greeting_of(&["a:1"]))));
    }
}

#[test]
fn a_greeting_before_3_5_is_the_server_id_alone() {
    let mut buffer = BytesMut::from(&hex("0000000000000002 000000a4")[..]);
    assert_eq!(Initial::decode(&mut buffer), Ok(Some(greeting_of(&[]))));
    assert_eq!(buffer, hex("000000a4"), "the first frame follows at once");
    let mut written = BytesMut::new();
    greeting_of(&[]).encode(&mut written);
    assert_eq!(written, hex("0000000000000002"));
}

#[test]
fn greetings_that_are_refused() {
    let head = "ffffffffffff0000 0000000000000002";
    for (text, error) in [
        (
            format!("{head} 00000801"),
            DecodeError::TooLong {
                len: ADDRESSES_LEN_MAX + 1,
                max: ADDRESSES_LEN_MAX,
            },
        ),
        (format!("{head} 00000000"), DecodeError::Null),
        (format!("{head} ffffffff"), DecodeError::NegativeLength(-1)),
        (
            "ffffffffffff0002".to_owned(),
            DecodeError::Unknown {
                what: "version of the election greeting",
                value: -65_534,
            },
        ),
    ] {
        assert_eq!(greeting(&hex(&text)), Err(error), "{text}");
    }
}

#[test]
fn zk_4787_a_greeting_is_utf_8() {
    let mut bytes = BytesMut::new();
    greeting_of(&["zürich:1"]).encode(&mut bytes);
    assert_eq!(bytes[16..20], 9i32.to_be_bytes());
    assert_eq!(greeting(&bytes), Ok(Some(greeting_of(&["zürich:1"]))));
}

/// State, leader 3, zxid 0x500000007, round 4.
const BEFORE_3_4: &str = "00000002 0000000000000003 0000000500000007 0000000000000004";

fn notification(epoch: i64, version: i32, config: Option<&'static [u8]>) -> Notification {
    Notification {
        state: PeerState::Leading,
        vote: Vote {
            leader: ServerId(3),
            zxid: Zxid::new(5, 7),
            epoch,
        },
        round: 4,
        version,
        config: config.map(Bytes::from_static),
    }
}

#[test]
fn notifications_of_every_age() {
    let epoch = "0000000000000006";
    for (behind, expected) in [
        (String::new(), notification(5, 0, None)),
        (format!("{epoch} 00000001"), notification(6, 0, None)),
        (format!("{epoch} 00000001 00"), notification(6, 1, None)),
        (
            format!("{epoch} 00000000 00000063"),
            notification(6, 0, None),
        ),
        (
            format!("{epoch} 00000002 00000000"),
            notification(6, 2, Some(b"")),
        ),
        (
            format!("{epoch} 00000002 00000001 61 62"),
            notification(6, 2, Some(b"a")),
        ),
        (
            format!("{epoch} 00000003 00000001 61"),
            notification(6, 3, Some(b"a")),
        ),
    ] {
        let bytes = hex(&format!("{BEFORE_3_4} {behind}"));
        let read = Notification::from_bytes(&bytes);
        assert_eq!(read.as_ref(), Ok(&expected), "{behind}");
        let written = expected.to_bytes();
        assert_eq!(Notification::from_bytes(&written), read, "{behind}");
    }
}

#[test]
fn zk_3769_malformed_notifications_are_refused() {
    let whole = hex(&format!("{BEFORE_3_4} 0000000000000006 00000002"));
    for len in (0..28).chain(29..40) {
        let read = Notification::from_bytes(&whole.slice(..len));
        assert!(
            matches!(read, Err(DecodeError::Truncated { .. })),
            "{len} bytes are {read:?}"
        );
    }
    for (behind, error) in [
        ("", DecodeError::Truncated { need: 4, have: 1 }),
        ("ffffff", DecodeError::NegativeLength(-1)),
        ("000001", DecodeError::Truncated { need: 1, have: 0 }),
        (
            "7fffff",
            DecodeError::Truncated {
                need: 0x7f_ffff,
                have: 0,
            },
        ),
    ] {
        let start = if behind == "ffffff" { "ff" } else { "00" };
        let bytes = hex(&format!(
            "{BEFORE_3_4} 0000000000000006 00000002 {start} {behind}"
        ));
        assert_eq!(Notification::from_bytes(&bytes), Err(error), "{behind}");
    }
    for state in [-1, 4] {
        let mut bytes = BytesMut::from(&notification(6, 2, Some(b"a")).to_bytes()[..]);
        bytes[..4].copy_from_slice(&i32::to_be_bytes(state));
        let error = DecodeError::Unknown {
            what: "state of a server",
            value: state,
        };
        assert_eq!(Notification::from_bytes(&bytes.freeze()), Err(error));
    }
}

fn learner(text: &str) -> Result<Option<LearnerPacket>, DecodeError> {
    decode_packet(&mut BytesMut::from(&hex(text)[..]), PACKET_LEN_MAX)
}

fn leader(text: &str) -> Result<Option<LeaderPacket>, DecodeError> {
    decode_packet(&mut BytesMut::from(&hex(text)[..]), PACKET_LEN_MAX)
}

#[test]
fn learners_of_every_age() {
    let info = |sid, protocol, config_version| LearnerInfo {
        sid: ServerId(sid),
        protocol,
        config_version,
    };
    for (data, info) in [
        ("ffffffff", info(-1, 1, 0)),
        ("00000008 0000000000000003", info(3, 1, 0)),
        ("0000000c 0000000000000003 00010000", info(3, 0x10000, 0)),
        (
            "00000014 0000000000000003 00010000 0000000100000005",
            info(3, 0x10000, 0x1_0000_0005),
        ),
    ] {
        let accepted = Zxid::new(2, 0);
        for (kind, expected) in [
            (11, LearnerPacket::FollowerInfo { accepted, info }),
            (16, LearnerPacket::ObserverInfo { accepted, info }),
        ] {
            let text = format!("{kind:08x} 0000000200000000 {data} ffffffff");
            assert_eq!(learner(&text), Ok(Some(expected)), "{data}");
        }
    }
    let short = learner("0000000b 0000000200000000 00000004 00000003 ffffffff");
    assert_eq!(short, Err(DecodeError::Truncated { need: 8, have: 4 }));
}

#[test]
fn what_the_other_side_sends_is_unknown() {
    let bare = |kind: i32| format!("{kind:08x} 0000000000000000 ffffffff ffffffff");
    for kind in [0, 2, 4, 7, 8, 9, 10, 12, 13, 14, 15, 17, 19, 20, -1] {
        assert_eq!(learner(&bare(kind)), Ok(Some(LearnerPacket::Unknown(kind))));
    }
    for kind in [0, 1, 3, 11, 16, 18, 20, -1] {
        assert_eq!(leader(&bare(kind)), Ok(Some(LeaderPacket::Unknown(kind))));
    }
}

#[test]
fn data_that_a_kind_needs() {
    let bare = |kind: i32| format!("{kind:08x} 0000000000000000 ffffffff ffffffff");
    for kind in [1, 6, 18] {
        assert_eq!(learner(&bare(kind)), Err(DecodeError::Null), "kind {kind}");
    }
    for kind in [2, 6, 8, 9, 17, 19] {
        assert_eq!(leader(&bare(kind)), Err(DecodeError::Null), "kind {kind}");
    }
    assert_eq!(
        leader(&bare(10)),
        Ok(Some(LeaderPacket::NewLeader {
            zxid: Zxid::ZERO,
            config: Bytes::new()
        }))
    );
}

#[test]
fn touches_end_with_the_data() {
    let touch = Touch {
        session: SessionId(1),
        timeout_ms: 2,
    };
    let two = "0000000000000001 00000002 0000000000000001 00000002";
    for (data, touches) in [
        ("ffffffff".to_owned(), vec![]),
        ("00000000".to_owned(), vec![]),
        (format!("00000018 {two}"), vec![touch, touch]),
    ] {
        let text = format!("00000005 0000000000000007 {data} ffffffff");
        let zxid = Zxid(7);
        let ping = LearnerPacket::Ping { zxid, touches };
        assert_eq!(learner(&text), Ok(Some(ping)));
    }
    let text = format!("00000005 0000000000000007 0000001a {two} 0000 ffffffff");
    let cut = DecodeError::Truncated { need: 8, have: 2 };
    assert_eq!(learner(&text), Err(cut));
}

/// A negative count is an empty vector, as everywhere.
#[test]
fn identities_without_a_count() {
    let text = "00000003 0000000000000007 ffffffff fffffffe";
    assert_eq!(
        learner(text),
        Ok(Some(LearnerPacket::Ack { zxid: Zxid(7) }))
    );
}

/// An error comes as soon as a length is there, and not only with the bytes that it announces.
#[test]
fn lengths_are_judged_before_their_bytes_come() {
    let head = "00000002 0000000000000007";
    let max = 64;
    for (behind, error) in [
        ("00000041", DecodeError::TooLong { len: 65, max }),
        ("fffffffe", DecodeError::NegativeLength(-2)),
        (
            "ffffffff 7fffffff",
            DecodeError::TooLong {
                len: 0x7fff_ffff * Id::LEN_MIN,
                max,
            },
        ),
        // Two texts of four bytes length each belong to an identity.
        ("ffffffff 00000009", DecodeError::TooLong { len: 72, max }),
        (
            "ffffffff 00000001 00000039 00000000",
            DecodeError::TooLong { len: 65, max },
        ),
        (
            "ffffffff 00000001 fffffffe 00000000",
            DecodeError::NegativeLength(-2),
        ),
    ] {
        let mut buffer = BytesMut::from(&hex(&format!("{head} {behind}"))[..]);
        let read = decode_packet::<LeaderPacket>(&mut buffer, max);
        assert_eq!(read, Err(error), "{behind}");
    }
}

#[test]
fn the_longest_packet_is_accepted() {
    let txn = Bytes::from(vec![7; 64]);
    let packet = LeaderPacket::Proposal { zxid: Zxid(7), txn };
    let mut buffer = BytesMut::from(&packet.to_bytes()[..]);
    buffer.put_u8(0xff);
    assert_eq!(decode_packet(&mut buffer, 64), Ok(Some(packet)));
    assert_eq!(buffer[..], [0xff]);
}
