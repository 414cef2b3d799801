//! What Apache's servers have sent one another on the election and the quorum port (3.8.0), each
//! beside the value it stands for, read to that value and written back to the same bytes. Where a
//! recording left bytes out, a note says with what they are filled in.

#[path = "support/hex.rs"]
mod hex;

use std::fmt::Debug;

use bytes::{BufMut, Bytes, BytesMut};
use hex::hex;
use lockkeeper_wire::election::{NOTIFICATION_LEN_MAX, NOTIFICATION_VERSION};
use lockkeeper_wire::quorum::{PACKET_LEN_MAX, PROTOCOL, Packet, decode_packet};
use lockkeeper_wire::txn::{CreateTtlTxn, CreateTxn, SetDataTxn, TxnDigest};
use lockkeeper_wire::{
    Acl, ByteStr, Deframer, ErrorCode, ForwardedRequest, Id, Initial, LeaderPacket, LearnerInfo,
    LearnerPacket, Notification, PeerState, Reader, Record, Request, ServerId, SessionId, Touch,
    Txn, TxnEntry, TxnHeader, Vote, Zxid, request,
};

const SESSION: SessionId = SessionId(0x0100_000d_dca5_0000);

/// The three servers as they wrote themselves down.
const CONFIG: &[u8] = b"server.1=zk1:23011:23012:participant\n\
    server.2=zk2:23021:23022:participant\n\
    server.3=zk3:23031:23032:participant\n\
    version=0";

/// Bytes, and `text` in their middle.
fn with_text(before: &str, text: &[u8], after: &str) -> Bytes {
    [&hex(before)[..], text, &hex(after)[..]].concat().into()
}

fn check<P: Packet + PartialEq + Debug>(bytes: &Bytes, packet: &P) {
    let mut buffer = BytesMut::from(&bytes[..]);
    let read = decode_packet::<P>(&mut buffer, PACKET_LEN_MAX);
    assert_eq!(read.expect("a packet").as_ref(), Some(packet));
    assert_eq!(buffer.len(), 0, "bytes are left behind {packet:?}");
    assert_eq!(packet.to_bytes(), bytes, "{packet:?}");
}

fn from_leader(text: &str, packet: &LeaderPacket) {
    check(&hex(text), packet);
}

fn from_learner(text: &str, packet: &LearnerPacket) {
    check(&hex(text), packet);
}

/// A proposal, the transaction in it included.
fn proposal(text: &str, entry: &TxnEntry) {
    let packet = LeaderPacket::Proposal {
        zxid: entry.header.zxid,
        txn: entry.to_bytes(),
    };
    from_leader(text, &packet);
    assert_eq!(TxnEntry::from_bytes(&entry.to_bytes()).as_ref(), Ok(entry));
}

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

#[test]
fn greeting() {
    let bytes = hex("ffffffffffff0000 0000000000000003 0000000f 3132372e302e312e333a3233303332");
    let greeting = Initial {
        sid: ServerId(3),
        addresses: vec!["127.0.1.3:23032".to_owned()],
    };
    let mut buffer = BytesMut::from(&bytes[..]);
    assert_eq!(Initial::decode(&mut buffer), Ok(Some(greeting.clone())));
    assert_eq!(buffer.len(), 0);
    greeting.encode(&mut buffer);
    assert_eq!(buffer, bytes);
}

fn payload(frame: &Bytes) -> Bytes {
    let mut deframer = Deframer::new();
    deframer.buffer_mut().extend_from_slice(frame);
    let payload = deframer.next_frame(NOTIFICATION_LEN_MAX);
    assert_eq!(deframer.buffered(), b"");
    payload.expect("a frame").expect("a whole frame")
}

fn check_notification(bytes: &Bytes, notification: &Notification) {
    let read = Notification::from_bytes(&payload(bytes));
    assert_eq!(read.as_ref(), Ok(notification));
    let mut written = BytesMut::new();
    notification.encode_frame(&mut written);
    assert_eq!(written, bytes);
}

#[test]
fn notification() {
    let bytes = with_text(
        "000000a4 00000000 0000000000000003 0000000000000000 0000000000000001 0000000000000000
         00000002 00000078",
        CONFIG,
        "",
    );
    let notification = Notification {
        state: PeerState::Looking,
        vote: Vote {
            leader: ServerId(3),
            zxid: Zxid::ZERO,
            epoch: 0,
        },
        round: 1,
        version: NOTIFICATION_VERSION,
        config: Some(Bytes::from_static(CONFIG)),
    };
    check_notification(&bytes, &notification);
}

/// The recording ends behind the version; the membership is filled in up to the length it tells.
#[test]
fn notification_of_an_observer() {
    let config = [CONFIG, &[b'\n'; 98]].concat();
    let bytes = with_text(
        "00000106 00000000 8000000000000000 8000000000000000 0000000000000001 8000000000000000
         00000002 000000da",
        &config,
        "",
    );
    let notification = Notification {
        state: PeerState::Looking,
        vote: Vote {
            leader: ServerId::NONE,
            zxid: Zxid(i64::MIN),
            epoch: i64::MIN,
        },
        round: 1,
        version: NOTIFICATION_VERSION,
        config: Some(config.into()),
    };
    check_notification(&bytes, &notification);
}

#[test]
fn a_new_leader_and_a_follower_that_lacks_nothing() {
    from_learner(
        "0000000b 0000000000000000 00000014 0000000000000001 00010000 0000000000000000 ffffffff",
        &LearnerPacket::FollowerInfo {
            accepted: Zxid::ZERO,
            info: LearnerInfo::new(ServerId(1), 0),
        },
    );
    from_leader(
        "00000011 0000000100000000 00000004 00010000 ffffffff",
        &LeaderPacket::LeaderInfo {
            zxid: Zxid::new(1, 0),
            protocol: PROTOCOL,
        },
    );
    from_learner(
        "00000012 0000000000000000 00000004 00000000 ffffffff",
        &LearnerPacket::AckEpoch {
            last: Zxid::ZERO,
            current_epoch: 0,
        },
    );
    from_leader(
        "0000000d 0000000000000000 ffffffff ffffffff",
        &LeaderPacket::Diff { zxid: Zxid::ZERO },
    );
    check(
        &with_text("0000000a 0000000100000000 00000078", CONFIG, "ffffffff"),
        &LeaderPacket::NewLeader {
            zxid: Zxid::new(1, 0),
            config: Bytes::from_static(CONFIG),
        },
    );
    from_learner(
        "00000003 0000000100000000 ffffffff ffffffff",
        &LearnerPacket::Ack {
            zxid: Zxid::new(1, 0),
        },
    );
    from_leader(
        "0000000c ffffffffffffffff ffffffff ffffffff",
        &LeaderPacket::UpToDate,
    );
}

/// Told in words only: a follower that comes back in the same epoch, four transactions behind.
#[test]
fn a_follower_that_comes_back() {
    from_learner(
        "0000000b 0000000100000000 00000014 0000000000000001 00010000 0000000000000000 ffffffff",
        &LearnerPacket::FollowerInfo {
            accepted: Zxid::new(1, 0),
            info: LearnerInfo::new(ServerId(1), 0),
        },
    );
    from_learner(
        "00000012 0000000100000016 00000004 ffffffff ffffffff",
        &LearnerPacket::AckEpoch {
            last: Zxid::new(1, 0x16),
            current_epoch: -1,
        },
    );
    from_leader(
        "0000000d 000000010000001a ffffffff ffffffff",
        &LeaderPacket::Diff {
            zxid: Zxid::new(1, 0x1a),
        },
    );
}

#[test]
fn truncation() {
    from_leader(
        "0000000e 000000010000001d ffffffff ffffffff",
        &LeaderPacket::Trunc {
            zxid: Zxid::new(1, 0x1d),
        },
    );
}

/// The image is no packet and stays where it is.
#[test]
fn image_behind_its_packet() {
    let packet = hex("0000000f 0000000300000004 ffffffff ffffffff");
    let image = hex("00000001 0100001088f20000 00004e20 00000004 0000000000000001 00000001");
    let mut buffer = BytesMut::from(&packet[..]);
    buffer.put_slice(&image);
    let snap = LeaderPacket::Snap {
        zxid: Zxid::new(3, 4),
    };
    assert_eq!(
        decode_packet(&mut buffer, PACKET_LEN_MAX),
        Ok(Some(snap.clone()))
    );
    assert_eq!(buffer, image);
    check(&packet, &snap);
}

#[test]
fn request_proposal_and_commit() {
    let create = request::CreateRequest {
        path: "/b".into(),
        data: Some(Bytes::from_static(b"B")),
        acl: Some(Acl::open()),
        flags: 0,
    };
    let mut body = BytesMut::new();
    Request::Create2(create).encode_body(&mut body);
    from_learner(
        "00000001 ffffffffffffffff 0000003a 0100000ddca50000 00000002 0000000f
         00000002 2f62 00000001 42
         00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65
         00000000
         00000001 00000002 6970 00000009 3132372e302e302e31",
        &LearnerPacket::Request(ForwardedRequest {
            session: SESSION,
            cxid: 2,
            op: 15,
            body: body.freeze(),
            identities: Some(vec![Id::new("ip", "127.0.0.1")]),
        }),
    );
    let txn = Txn::Create2(CreateTxn {
        path: "/b".into(),
        data: Some(Bytes::from_static(b"B")),
        acl: Acl::open(),
        ephemeral: false,
        parent_cversion: 2,
    });
    proposal(
        "00000002 0000000100000003 00000057 0100000ddca50000 00000002
         0000000100000003 000001a1f7fb2f5c 0000000f
         00000002 2f62 00000001 42
         00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65
         00 00000002
         00000002 000000024b5ea4ac
         ffffffff",
        &entry(2, 3, 0x1a1_f7fb_2f5c, txn, Some(0x2_4b5e_a4ac)),
    );
    from_leader(
        "00000004 0000000100000003 ffffffff ffffffff",
        &LeaderPacket::Commit {
            zxid: Zxid::new(1, 3),
        },
    );
}

#[test]
fn proposal_of_an_error() {
    proposal(
        "00000002 0000000100000007 00000024 0100000ddca50000 00000006
         0000000100000007 000001a1f7fb2f75 ffffffff
         ffffff99 ffffffff",
        &entry(
            6,
            7,
            0x1a1_f7fb_2f75,
            Txn::Error(ErrorCode::BAD_VERSION),
            None,
        ),
    );
}

/// Filled in: cxid 12, the time 0, and what the create says beside its path and count.
#[test]
fn proposal_of_a_multi_that_failed() {
    let create = CreateTxn {
        path: "/m2".into(),
        data: Some(Bytes::from_static(b"m")),
        acl: Acl::open(),
        ephemeral: false,
        parent_cversion: 6,
    };
    let parts = vec![
        Txn::Create(create),
        Txn::Error(ErrorCode::BAD_VERSION),
        Txn::Error(ErrorCode(-2)),
    ];
    proposal(
        "00000002 000000010000000d 0000007c 0100000ddca50000 0000000c
         000000010000000d 0000000000000000 0000000e
         00000003
         00000001 0000002c 00000003 2f6d32 00000001 6d
         00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00 00000006
         ffffffff 00000004 ffffff99
         ffffffff 00000004 fffffffe
         00000002 000000052216e9ff ffffffff",
        &entry(12, 13, 0, Txn::Multi(parts), Some(0x5_2216_e9ff)),
    );
}

/// Filled in: cxid 0 and the time 0.
#[test]
fn proposal_of_a_session_that_ends() {
    let paths = ["/e2", "/e"].map(ByteStr::from).to_vec();
    proposal(
        "00000002 0000000100000015 0000003d 0100000ddca50000 00000000
         0000000100000015 0000000000000000 fffffff5
         00000002 00000003 2f6532 00000002 2f65
         00000002 00000005afeb603d ffffffff",
        &entry(
            0,
            21,
            0,
            Txn::CloseSession(Some(paths)),
            Some(0x5_afeb_603d),
        ),
    );
}

#[test]
fn sessions_and_sync() {
    from_learner(
        "00000001 ffffffffffffffff 00000014 0100000ddca50000 00000000 fffffff6 00001770 ffffffff",
        &LearnerPacket::Request(ForwardedRequest {
            session: SESSION,
            cxid: 0,
            op: -10,
            body: 6000i32.to_bytes(),
            identities: None,
        }),
    );
    let touch = Touch {
        session: SESSION,
        timeout_ms: 6000,
    };
    from_learner(
        "00000005 0000000100000013 0000000c 0100000ddca50000 00001770 ffffffff",
        &LearnerPacket::Ping {
            zxid: Zxid::new(1, 0x13),
            touches: vec![touch],
        },
    );
    from_learner(
        "00000006 ffffffffffffffff 0000000c 0100000ddca50000 00001770 ffffffff",
        &LearnerPacket::Revalidate {
            session: SESSION,
            timeout_ms: 6000,
        },
    );
    from_leader(
        "00000006 ffffffffffffffff 00000009 0100000ddca50000 01 ffffffff",
        &LeaderPacket::Revalidated {
            session: SESSION,
            valid: true,
        },
    );
    from_leader(
        "00000007 0000000000000000 ffffffff ffffffff",
        &LeaderPacket::Sync,
    );
}

/// Filled in: the header, which is zeros but for the type.
#[test]
fn proposal_of_a_create_with_a_time_to_live() {
    let txn = Txn::CreateTtl(CreateTtlTxn {
        path: "/ttl".into(),
        data: Some(Bytes::new()),
        acl: Acl::open(),
        parent_cversion: 2,
        ttl_ms: 100_000,
    });
    let header = TxnHeader {
        client_id: SessionId::NONE,
        cxid: 0,
        zxid: Zxid::ZERO,
        time_ms: 0,
        op: 21,
    };
    proposal(
        "00000002 0000000000000000 00000053
         0000000000000000 00000000 0000000000000000 0000000000000000 00000015
         00000004 2f74746c 00000000
         00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65
         00000002 00000000000186a0 ffffffff",
        &TxnEntry {
            header,
            txn,
            digest: None,
        },
    );
}

/// Filled in: a header of zeros but for zxid and type, a membership of the length it tells, and the
/// digest.
#[test]
fn change_of_the_membership() {
    from_leader(
        "00000009 0000000100000005 00000008 0000000000000003 ffffffff",
        &LeaderPacket::CommitAndActivate {
            zxid: Zxid::new(1, 5),
            leader: ServerId(3),
        },
    );

    let mut config = vec![b'\n'; 0x117 - b"version=100000005".len()];
    config.extend_from_slice(b"version=100000005");
    let entry = TxnEntry {
        header: TxnHeader {
            client_id: SessionId::NONE,
            cxid: 0,
            zxid: Zxid::new(1, 5),
            time_ms: 0,
            op: 16,
        },
        txn: Txn::Reconfig(SetDataTxn {
            path: "/zookeeper/config".into(),
            data: Some(config.clone().into()),
            version: -1,
        }),
        digest: Some(TxnDigest {
            version: 2,
            digest: 7,
        }),
    };
    let bytes = with_text(
        "00000013 0000000100000005 00000168 0000000000000003
         0000000000000000 00000000 0000000100000005 0000000000000000 00000010
         00000011 2f7a6f6f6b65657065722f636f6e666967 00000117",
        &config,
        "ffffffff 00000002 0000000000000007 ffffffff",
    );
    let packet = LeaderPacket::InformAndActivate {
        zxid: Zxid::new(1, 5),
        leader: ServerId(3),
        txn: entry.to_bytes(),
    };
    check(&bytes, &packet);

    let body = hex("ffffffff 00000001 33 ffffffff ffffffffffffffff");
    let remove = Request::Reconfig(request::ReconfigRequest {
        joining_servers: None,
        leaving_servers: Some("3".into()),
        new_members: None,
        cur_config_id: -1,
    });
    assert_eq!(
        Request::decode(16, &mut Reader::new(&body)),
        Ok(remove.clone())
    );
    let mut written = BytesMut::new();
    remove.encode_body(&mut written);
    assert_eq!(written, body);
}
