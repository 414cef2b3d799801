//! Whatever is encoded comes back: for every record and every kind of request, reply and
//! transaction, decoding the bytes of a value gives the value and leaves nothing over, and no part
//! of the bytes alone passes for a whole value.

#[path = "support/values.rs"]
mod values;

use std::fmt::Debug;

use bytes::{BufMut, Bytes, BytesMut};
use lockkeeper_wire::quorum::{self, Packet};
use lockkeeper_wire::{
    ConnectRequest, ConnectResponse, Deframer, ErrorCode, EventType, Initial, LeaderPacket,
    LearnerPacket, Notification, OpCode, Reader, Record, ReplyHeader, Request, RequestHeader,
    Response, Txn, TxnEntry, WatcherEvent, Xid, Zxid, frame, reply, txn, watch,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// The bytes of a value, once they have been read back to it.
fn read_back<T: Record + PartialEq + Debug>(value: &T) -> Bytes {
    let bytes = value.to_bytes();
    assert!(
        bytes.len() >= T::LEN_MIN,
        "{value:?} is below its least length"
    );
    let mut reader = Reader::new(&bytes);
    assert_eq!(T::decode(&mut reader).as_ref(), Ok(value));
    assert_eq!(reader.remaining(), 0, "bytes are left behind {value:?}");
    bytes
}

/// The same, and every value cut short is an error.
fn check<T: Record + PartialEq + Debug>(value: &T) {
    let bytes = read_back(value);
    for len in 0..bytes.len() {
        let cut = T::from_bytes(&bytes.slice(..len));
        assert!(cut.is_err(), "{len} bytes of {value:?} are {cut:?}");
    }
}

macro_rules! round_trips {
    ($($name:ident)*) => {
        proptest! {$(
            #[test]
            fn $name(value in values::$name()) {
                check(&value);
            }
        )*}
    };
}

round_trips! {
    acl add_watch_request auth_packet buffer client_info create2_response create_container_txn
    create_request create_response create_ttl_request create_ttl_txn create_txn error_response
    get_acl_response get_all_children_number_response get_children2_response get_children_response
    get_data_response get_ephemerals_request get_ephemerals_response id leader_packet
    learner_packet multi_read_request
    multi_read_response multi_request multi_response path_only path_version path_watch
    path_watcher_type reconfig_request reply_header sasl_token set_acl_request
    set_acl_txn set_data_request set_data_txn set_watches set_watches2 stat stat_response sync_path
    text touch txn_digest vote watcher_event who_am_i_response
}

proptest! {
    /// Without its last byte the long form is the short one.
    #[test]
    fn connect_request(value in values::connect_request()) {
        let bytes = read_back(&value);
        let long = value.read_only.is_some();
        let short = bytes.slice(..bytes.len() - usize::from(long));
        let expected = ConnectRequest { read_only: None, ..value };
        prop_assert_eq!(ConnectRequest::from_bytes(&short), Ok(expected));
        prop_assert!(ConnectRequest::from_bytes(&short.slice(1..)).is_err());
    }

    #[test]
    fn connect_response(value in values::connect_response()) {
        let bytes = read_back(&value);
        let long = value.read_only.is_some();
        let short = bytes.slice(..bytes.len() - usize::from(long));
        let expected = ConnectResponse { read_only: None, ..value };
        prop_assert_eq!(ConnectResponse::from_bytes(&short), Ok(expected));
    }
}

/// Runs a property over values of one strategy; for tables of strategies.
fn for_all<S: Strategy>(strategy: S, property: impl Fn(S::Value)) {
    TestRunner::default()
        .run(&strategy, |value| {
            property(value);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

fn payload(frame: BytesMut) -> Bytes {
    let mut deframer = Deframer::new();
    deframer.buffer_mut().extend_from_slice(&frame);
    let payload = deframer.next_frame(usize::MAX);
    assert_eq!(deframer.buffered(), b"");
    payload.expect("a frame").expect("a whole frame")
}

#[test]
fn requests() {
    for request in values::requests() {
        for_all((values::xid(), request), |(xid, request)| {
            let mut frame = BytesMut::new();
            request.encode_frame(xid, &mut frame);
            let payload = payload(frame);
            let mut reader = Reader::new(&payload);
            let header = RequestHeader::decode(&mut reader).expect("header");
            assert_eq!(
                header,
                RequestHeader {
                    xid,
                    op: request.op().into()
                }
            );
            let body = reader.rest_shared();
            assert_eq!(
                Request::decode(header.op, &mut reader).as_ref(),
                Ok(&request)
            );
            assert_eq!(reader.remaining(), 0, "bytes are left behind {request:?}");
            for len in 0..body.len() {
                let cut = body.slice(..len);
                let cut = Request::decode(header.op, &mut Reader::new(&cut));
                assert_eq!(
                    cut,
                    Err(ErrorCode::MARSHALLING_ERROR),
                    "{len} bytes of {request:?}"
                );
            }
        });
    }
}

/// A table that lacks an operation would test nothing of it.
#[test]
fn every_operation_is_in_the_tables() {
    let internal = [
        OpCode::Notification,
        OpCode::Check,
        OpCode::DeleteContainer,
        OpCode::CreateSession,
        OpCode::Error,
    ];
    let mut ops: Vec<OpCode> = (-20..200)
        .filter_map(|op| OpCode::try_from(op).ok())
        .collect();
    ops.retain(|op| !internal.contains(op));

    let mut answered: Vec<OpCode> = values::responses().into_iter().map(|(op, _)| op).collect();
    answered.sort_unstable();
    assert_eq!(answered, ops);
    assert_eq!(values::requests().len(), ops.len());
}

#[test]
fn responses() {
    for (op, response) in values::responses() {
        for_all((values::reply_header(), response), |(header, response)| {
            let header = ReplyHeader {
                err: ErrorCode::OK,
                ..header
            };
            let mut frame = BytesMut::new();
            reply::encode_frame(header, &response, &mut frame);
            let payload = payload(frame);
            let mut reader = Reader::new(&payload);
            assert_eq!(ReplyHeader::decode(&mut reader), Ok(header));
            let body = reader.rest_shared();
            assert_eq!(Response::decode(op, &mut reader).as_ref(), Ok(&response));
            assert_eq!(reader.remaining(), 0, "bytes are left behind {response:?}");
            for len in 0..body.len() {
                let cut = body.slice(..len);
                let cut = Response::decode(op, &mut Reader::new(&cut));
                assert!(cut.is_err(), "{len} bytes of {response:?} are {cut:?}");
            }
        });
    }
}

proptest! {
    #[test]
    fn refusals_have_no_body(header in values::reply_header(), stat in values::stat_response()) {
        prop_assume!(!header.err.is_ok());
        let mut frame = BytesMut::new();
        reply::encode_frame(header, &Response::Stat(stat), &mut frame);
        prop_assert_eq!(payload(frame), header.to_bytes());
    }

    #[test]
    fn notifications(zxid in any::<i64>(), path in values::text(), kind in -1i32..=7) {
        let kind = EventType::try_from(kind).unwrap_or(EventType::None);
        let mut frame = BytesMut::new();
        watch::encode_frame(kind, Zxid(zxid), &path, &mut frame);
        let payload = payload(frame);
        let mut reader = Reader::new(&payload);
        let header = ReplyHeader::decode(&mut reader).expect("header");
        prop_assert_eq!(header.xid, Xid::NOTIFICATION);
        prop_assert_eq!(header.zxid, Zxid(zxid));
        prop_assert_eq!(header.err, ErrorCode::OK);
        let event = WatcherEvent { kind: kind.into(), state: watch::SYNC_CONNECTED, path };
        prop_assert_eq!(WatcherEvent::decode(&mut reader), Ok(event));
        prop_assert_eq!(reader.remaining(), 0);
    }
}

#[test]
fn log_entries() {
    for txn in values::txns() {
        for_all(values::txn_entry(txn), |entry| {
            read_back(&entry);
        });
    }
}

proptest! {
    /// A create ended before `parentCVersion` in servers before 3.4.
    #[test]
    fn old_creates_in_the_log(entry in values::txn_entry(values::create_txn().prop_map(Txn::Create).boxed())) {
        let Txn::Create(create) = entry.txn else {
            panic!("{entry:?} is no create");
        };
        let create = txn::CreateTxn { parent_cversion: txn::PARENT_CVERSION_UNKNOWN, ..create };
        let entry = TxnEntry { txn: Txn::Create(create), digest: None, ..entry };
        let bytes = entry.to_bytes();
        let old = bytes.slice(..bytes.len() - 4);
        prop_assert_eq!(TxnEntry::from_bytes(&old), Ok(entry));
    }

    /// Frames come out as they went in, however the stream is cut.
    #[test]
    fn frames_of_any_chunking(
        requests in vec((values::xid(), prop::strategy::Union::new(values::requests())), 1..6),
        chunk_lens in vec(1usize..40, 1..20),
    ) {
        let mut stream = BytesMut::new();
        let mut expected = Vec::new();
        for (xid, request) in &requests {
            let start = stream.len();
            request.encode_frame(*xid, &mut stream);
            expected.push(stream[start + frame::PREFIX_LEN..].to_vec());
        }

        let mut deframer = Deframer::new();
        let mut payloads = Vec::new();
        let mut rest = &stream[..];
        for &len in chunk_lens.iter().cycle() {
            let (chunk, behind) = rest.split_at(len.min(rest.len()));
            deframer.buffer_mut().extend_from_slice(chunk);
            while let Some(payload) = deframer.next_frame(frame::FRAME_LEN_MAX).expect("a frame") {
                payloads.push(payload);
            }
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(payloads, expected);
        prop_assert_eq!(deframer.buffered(), b"");
    }
}

/// Takes packets off a buffer that grows by one chunk after the other.
fn packets<P: Packet>(stream: &[u8], chunk_lens: &[usize]) -> Vec<P> {
    let mut buffer = BytesMut::new();
    let mut packets = Vec::new();
    let mut rest = stream;
    for &len in chunk_lens.iter().cycle() {
        let (chunk, behind) = rest.split_at(len.min(rest.len()));
        buffer.put_slice(chunk);
        while let Some(packet) = quorum::decode_packet(&mut buffer, 1000).expect("a packet") {
            packets.push(packet);
        }
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    assert_eq!(buffer.len(), 0, "bytes are left");
    packets
}

proptest! {
    #[test]
    fn notifications_of_the_election_port(value in values::notification()) {
        let mut frame = BytesMut::new();
        value.encode_frame(&mut frame);
        prop_assert_eq!(Notification::from_bytes(&payload(frame)), Ok(value));
    }

    /// However the stream is cut, and never before all of the greeting is there.
    #[test]
    fn greetings(value in values::greeting(), behind in vec(any::<u8>(), 0..9)) {
        let mut whole = BytesMut::new();
        value.encode(&mut whole);
        for len in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..len]);
            prop_assert_eq!(Initial::decode(&mut part), Ok(None));
            prop_assert_eq!(&part[..], &whole[..len]);
        }
        whole.put_slice(&behind);
        prop_assert_eq!(Initial::decode(&mut whole), Ok(Some(value)));
        prop_assert_eq!(&whole[..], &behind[..]);
    }

    #[test]
    fn leader_packets_of_any_chunking(
        sent in vec(values::leader_packet(), 1..6),
        chunk_lens in vec(1usize..40, 1..20),
    ) {
        let mut stream = BytesMut::new();
        sent.iter().for_each(|packet| packet.encode(&mut stream));
        prop_assert_eq!(packets::<LeaderPacket>(&stream, &chunk_lens), sent);
    }

    #[test]
    fn learner_packets_of_any_chunking(
        sent in vec(values::learner_packet(), 1..6),
        chunk_lens in vec(1usize..40, 1..20),
    ) {
        let mut stream = BytesMut::new();
        sent.iter().for_each(|packet| packet.encode(&mut stream));
        prop_assert_eq!(packets::<LearnerPacket>(&stream, &chunk_lens), sent);
    }
}
