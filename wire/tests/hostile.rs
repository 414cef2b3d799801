//! Bytes from anybody: whatever arrives, decoding ends without a panic, and without more memory
//! than a fixed multiple of what arrived. Whatever is accepted all the same is written and read
//! back to itself, so that a follower or a log gets the value that was judged.

#[path = "support/peak.rs"]
mod peak;
#[path = "support/values.rs"]
mod values;

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use lockkeeper_wire::frame::FRAME_LEN_MAX;
use lockkeeper_wire::multi::{MultiHeader, MultiRequest, MultiResponse, MultiResult};
use lockkeeper_wire::quorum::{self, Packet};
use lockkeeper_wire::{
    Acl, ByteStr, ConnectRequest, ConnectResponse, Deframer, Initial, LeaderPacket, LearnerPacket,
    Notification, OpCode, Reader, Record, ReplyHeader, Request, RequestHeader, Response, TxnEntry,
    TxnHeader, WatcherEvent,
};
use peak::peak;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Bytes held for each byte that came, at most.
///
/// The dearest input is a reply to a multi in which every part is a check: nine bytes each, for one
/// [`MultiResult`] in memory. Only an end mark says how many there are, so the vector doubles as it
/// fills, and with its old place still held it takes three times what the results need. Nothing
/// else comes near: text and vectors with a count take eight times their bytes or less, malformed
/// text some thirteen times.
const HELD_PER_BYTE: usize = 40;

/// Bytes held however little came: a vector starts with room for four elements.
const HELD_AT_LEAST: usize = 1024;

/// How long mutated frames are tried.
const BUDGET: Duration = Duration::from_secs(8);

/// Every way in.
#[derive(Clone, Copy, Debug)]
enum Entrance {
    ConnectRequest,
    ConnectResponse,
    /// A stream of frames with requests, as a server takes them in.
    Stream,
    Request,
    RequestBody(i32),
    Reply(OpCode),
    ReplyBody(OpCode),
    Notification,
    Text,
    Buffer,
    Acl,
    Integers,
    LogEntry,
    /// The body and digest of a log entry of this type.
    LogBody(i32),
    /// What a leader reads from its learners.
    LearnerPackets,
    /// What a learner reads from its leader.
    LeaderPackets,
    /// What the dialler of the election port says first.
    Greeting,
    Vote,
}

/// Reads `bytes` within the bounds; whether they were accepted.
fn try_read<T: PartialEq + Debug>(
    bytes: &Bytes,
    read: impl Fn(&Bytes) -> Option<T>,
    write: impl Fn(&T, &mut BytesMut),
) -> bool {
    let (value, held) = peak(|| read(bytes));
    let held_max = HELD_PER_BYTE * bytes.len() + HELD_AT_LEAST;
    assert!(
        held <= held_max,
        "{held} bytes are held for {}",
        bytes.len()
    );
    if let Some(value) = &value {
        let mut written = BytesMut::new();
        write(value, &mut written);
        assert_eq!(read(&written.freeze()).as_ref(), Some(value));
    }
    value.is_some()
}

fn try_record<T: Record + PartialEq + Debug>(bytes: &Bytes) -> bool {
    try_read(bytes, |bytes| T::from_bytes(bytes).ok(), T::encode)
}

fn try_request(op: i32, body: &Bytes) -> bool {
    try_read(
        body,
        |body| Request::decode(op, &mut Reader::new(body)).ok(),
        Request::encode_body,
    )
}

fn try_reply(op: OpCode, body: &Bytes) -> bool {
    try_read(
        body,
        |body| Response::decode(op, &mut Reader::new(body)).ok(),
        Response::encode_body,
    )
}

/// Reads a header, then what `body` makes of the rest.
fn try_headed<H: Record>(bytes: &Bytes, body: impl FnOnce(H, &Bytes) -> bool) -> bool {
    let mut reader = Reader::new(bytes);
    match H::decode(&mut reader) {
        Ok(header) => body(header, &reader.rest_shared()),
        Err(_) => false,
    }
}

impl Entrance {
    fn try_bytes(self, bytes: &Bytes) -> bool {
        match self {
            Self::ConnectRequest => try_record::<ConnectRequest>(bytes),
            Self::ConnectResponse => try_record::<ConnectResponse>(bytes),
            Self::Stream => try_stream(bytes),
            Self::Request => try_headed(bytes, |header: RequestHeader, body| {
                try_request(header.op, body)
            }),
            Self::RequestBody(op) => try_request(op, bytes),
            Self::Reply(op) => try_headed(bytes, |_: ReplyHeader, body| try_reply(op, body)),
            Self::ReplyBody(op) => try_reply(op, bytes),
            Self::Notification => try_headed(bytes, |_: ReplyHeader, body| {
                try_record::<WatcherEvent>(body)
            }),
            Self::Text => try_record::<Option<ByteStr>>(bytes),
            Self::Buffer => try_record::<Option<Bytes>>(bytes),
            Self::Acl => try_record::<Option<Vec<Acl>>>(bytes),
            Self::Integers => try_record::<Option<Vec<i32>>>(bytes),
            Self::LogEntry => try_record::<TxnEntry>(bytes),
            Self::LogBody(op) => {
                let mut entry = BytesMut::zeroed(TxnHeader::LEN_MIN - 4);
                entry.put_i32(op);
                entry.put_slice(bytes);
                try_record::<TxnEntry>(&entry.freeze())
            }
            Self::LearnerPackets => try_packets::<LearnerPacket>(bytes),
            Self::LeaderPackets => try_packets::<LeaderPacket>(bytes),
            Self::Greeting => try_read(
                bytes,
                |bytes| Initial::decode(&mut BytesMut::from(&bytes[..])).ok()?,
                Initial::encode,
            ),
            Self::Vote => try_record::<Notification>(bytes),
        }
    }

    /// Reads `bytes`, and shows them when that ends badly.
    fn check(self, bytes: &Bytes) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.try_bytes(bytes)))
            .unwrap_or_else(|_| panic!("{self:?} fails on {:02x}", HexOf(bytes)))
    }

    /// Every way in that takes any bytes.
    fn all() -> Vec<Self> {
        let numbers = -12..=108;
        let known = numbers.clone().filter_map(|op| OpCode::try_from(op).ok());
        let mut all = vec![
            Self::ConnectRequest,
            Self::ConnectResponse,
            Self::Stream,
            Self::Request,
            Self::Notification,
            Self::Text,
            Self::Buffer,
            Self::Acl,
            Self::Integers,
            Self::LogEntry,
            Self::LearnerPackets,
            Self::LeaderPackets,
            Self::Greeting,
            Self::Vote,
        ];
        all.extend(numbers.clone().map(Self::RequestBody));
        all.extend(known.map(Self::ReplyBody));
        all.extend(numbers.map(Self::LogBody));
        all
    }
}

struct HexOf<'a>(&'a [u8]);

impl std::fmt::LowerHex for HexOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whether all of a stream was accepted, up to a last frame that is not whole.
fn try_stream(bytes: &Bytes) -> bool {
    let mut deframer = Deframer::new();
    deframer.buffer_mut().extend_from_slice(bytes);
    let mut accepted = true;
    loop {
        let (frame, held) = peak(|| deframer.next_frame(FRAME_LEN_MAX));
        assert!(held <= 64, "{held} bytes are held to cut a frame");
        match frame {
            Ok(Some(payload)) => accepted &= Entrance::Request.try_bytes(&payload),
            Ok(None) => return accepted,
            Err(error) => {
                assert_eq!(deframer.next_frame(FRAME_LEN_MAX), Err(error));
                return false;
            }
        }
    }
}

/// Whether all of a stream was accepted, up to a last packet that is not whole. What is taken off is
/// the same as what the record's own decoder reads, so the end of each packet was found rightly.
fn try_packets<P: Packet + PartialEq + Debug>(bytes: &Bytes) -> bool {
    let mut buffer = BytesMut::from(&bytes[..]);
    loop {
        let before = Bytes::copy_from_slice(&buffer);
        let (packet, held) = peak(|| quorum::decode_packet::<P>(&mut buffer, FRAME_LEN_MAX));
        let held_max = HELD_PER_BYTE * before.len() + HELD_AT_LEAST;
        assert!(held <= held_max, "{held} bytes are held");
        match packet {
            Ok(Some(packet)) => {
                let mut reader = Reader::new(&before);
                assert_eq!(P::decode(&mut reader).as_ref(), Ok(&packet));
                assert_eq!(reader.rest(), &buffer[..]);
                assert_eq!(P::from_bytes(&packet.to_bytes()), Ok(packet));
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        for entrance in Entrance::all() {
            entrance.check(&bytes);
        }
    }

    /// Small numbers make plausible lengths, counts and kinds, so these get further in.
    #[test]
    fn arbitrary_words(words in vec(prop_oneof![-3i32..24, any::<i32>()], 0..50)) {
        let mut bytes = BytesMut::new();
        for word in words {
            bytes.put_i32(word);
        }
        let bytes = bytes.freeze();
        for entrance in Entrance::all() {
            entrance.check(&bytes);
        }
    }
}

/// A frame or entry as it should be, to be spoiled.
struct Valid {
    entrance: Entrance,
    bytes: Bytes,
}

/// Some values of each kind, encoded; the same in every run.
fn valid_frames() -> Vec<Valid> {
    const OF_EACH: usize = 24;
    let mut runner = TestRunner::deterministic();
    let mut valid = Vec::new();
    let mut add = |entrance, strategy: BoxedStrategy<Bytes>| {
        for _ in 0..OF_EACH {
            let bytes = strategy.new_tree(&mut runner).expect("a value").current();
            valid.push(Valid { entrance, bytes });
        }
    };
    fn encoded<T: Record + Debug>(
        strategy: impl Strategy<Value = T> + 'static,
    ) -> BoxedStrategy<Bytes> {
        strategy.prop_map(|value| value.to_bytes()).boxed()
    }

    add(Entrance::ConnectRequest, encoded(values::connect_request()));
    add(
        Entrance::ConnectResponse,
        encoded(values::connect_response()),
    );
    for request in values::requests() {
        let frame = (values::xid(), request)
            .prop_map(|(xid, request)| {
                let mut frame = BytesMut::new();
                request.encode_frame(xid, &mut frame);
                frame.freeze()
            })
            .boxed();
        let payload = frame.clone().prop_map(|frame| frame.slice(4..));
        add(Entrance::Stream, frame);
        add(Entrance::Request, payload.boxed());
    }
    for (op, response) in values::responses() {
        let payload = (values::reply_header(), response).prop_map(|(header, response)| {
            let mut payload = BytesMut::new();
            header.encode(&mut payload);
            response.encode_body(&mut payload);
            payload.freeze()
        });
        add(Entrance::Reply(op), payload.boxed());
    }
    let notification =
        (values::reply_header(), values::watcher_event()).prop_map(|(header, event)| {
            let mut payload = BytesMut::new();
            header.encode(&mut payload);
            event.encode(&mut payload);
            payload.freeze()
        });
    add(Entrance::Notification, notification.boxed());
    for txn in values::txns() {
        add(Entrance::LogEntry, encoded(values::txn_entry(txn)));
    }
    add(Entrance::LeaderPackets, encoded(values::leader_packet()));
    add(Entrance::LearnerPackets, encoded(values::learner_packet()));
    let greeting = values::greeting().prop_map(|greeting| {
        let mut bytes = BytesMut::new();
        greeting.encode(&mut bytes);
        bytes.freeze()
    });
    add(Entrance::Greeting, greeting.boxed());
    add(Entrance::Vote, encoded(values::notification()));
    valid
}

/// SplitMix64: all that is wanted of chance here is that it repeats.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to but not including `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.throw() % end as u64) as usize
    }
}

/// Spoils a frame in one way.
fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let len = bytes.len();
    if len == 0 {
        bytes.push(dice.throw() as u8);
        return;
    }
    let at = dice.below(len);
    let upto = (at + 1 + dice.below(12)).min(len);
    match dice.below(8) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = dice.throw() as u8,
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..upto)),
        4 => {
            let inserted = dice.throw().to_be_bytes();
            let inserted_len = 1 + dice.below(inserted.len());
            bytes.splice(at..at, inserted[..inserted_len].iter().copied());
        }
        5 => bytes.extend_from_within(at..upto),
        _ => replace_length(bytes, dice),
    }
}

/// Replaces a number that could be the length of something behind it.
fn replace_length(bytes: &mut [u8], dice: &mut Dice) {
    let len = bytes.len();
    let lengths: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter(|(at, four)| {
            let value = u32::from_be_bytes([four[0], four[1], four[2], four[3]]);
            value as usize <= len - at
        })
        .map(|(at, _)| at)
        .collect();
    if lengths.is_empty() {
        return;
    }
    let at = lengths[dice.below(lengths.len())];
    let left = (len - at - 4) as i32;
    let limit = FRAME_LEN_MAX as i32;
    let values = [
        -1,
        -2,
        i32::MIN,
        i32::MAX,
        limit,
        limit + 1,
        left,
        left + 1,
        // As many elements as a vector could claim.
        left / 4,
        left / 12,
    ];
    let value = values[dice.below(values.len())];
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

#[test]
fn mutated_frames() {
    let valid = valid_frames();
    for frame in &valid {
        assert!(frame.entrance.check(&frame.bytes), "{:?}", frame.entrance);
    }

    let mut dice = Dice(0x10c6_6ee9);
    let mut tried = 0u64;
    let mut accepted = 0u64;
    let start = Instant::now();
    while start.elapsed() < BUDGET {
        for frame in &valid {
            let mut bytes = frame.bytes.to_vec();
            for _ in 0..=dice.below(3) {
                mutate(&mut bytes, &mut dice);
            }
            tried += 1;
            accepted += u64::from(frame.entrance.check(&Bytes::from(bytes)));
        }
    }
    println!("{tried} mutated frames, {accepted} of them accepted");
    assert!(accepted > 0 && accepted < tried);
}

/// The largest frame that `put` fills with as many elements as fit, and the bytes held to read it.
fn held_for<T: Record>(count_first: bool, element: &[u8], end: &[u8]) -> (usize, usize) {
    let count = (FRAME_LEN_MAX - 4 - end.len()) / element.len();
    // One more than a power of two is when a vector that doubles is emptiest.
    let count = if count_first {
        count
    } else {
        (1 << count.ilog2()) + 1
    };
    let mut bytes = BytesMut::new();
    if count_first {
        bytes.put_i32(count as i32);
    }
    for _ in 0..count {
        bytes.put_slice(element);
    }
    bytes.put_slice(end);
    let bytes = bytes.freeze();
    let (value, held) = peak(|| T::from_bytes(&bytes));
    assert!(value.is_ok());
    (held, bytes.len())
}

#[test]
fn the_dearest_frames_are_within_the_bound() {
    const END: [u8; 9] = [0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff];
    let check = [0, 0, 0, 13, 0, 0, 0, 0, 0];
    let delete = [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (what, (held, len)) in [
        ("empty texts", held_for::<Vec<ByteStr>>(true, &[0; 4], &[])),
        (
            "malformed texts",
            held_for::<Vec<ByteStr>>(true, &[0, 0, 0, 1, 0xff], &[]),
        ),
        (
            "empty entries of an ACL",
            held_for::<Vec<Acl>>(true, &[0; 12], &[]),
        ),
        (
            "deletes in a multi",
            held_for::<MultiRequest>(false, &delete, &END),
        ),
        (
            "checks in a reply",
            held_for::<MultiResponse>(false, &check, &END),
        ),
    ] {
        println!(
            "{what}: {:.1} bytes held for each",
            held as f64 / len as f64
        );
        assert!(held <= HELD_PER_BYTE * len, "{what}: {held} for {len}");
    }

    let mut malformed = BytesMut::new();
    malformed.put_i32(1_000_000);
    malformed.put_bytes(0xff, 1_000_000);
    let malformed = malformed.freeze();
    let (text, held) = peak(|| ByteStr::from_bytes(&malformed));
    assert_eq!(text.map(|text| text.as_bytes().len()), Ok(3_000_000));
    println!(
        "malformed text: {:.1} bytes held for each",
        held as f64 / 1e6
    );
    assert!(held <= HELD_PER_BYTE * malformed.len());
}

/// The bound above holds for as long as a result is no larger than this.
#[test]
fn a_result_in_memory_is_small_enough() {
    let held = 3 * size_of::<MultiResult>();
    assert!(held <= HELD_PER_BYTE * MultiHeader::LEN_MIN, "{held}");
}

#[test]
fn a_claimed_count_reserves_nothing() {
    for count in [i32::MAX, i32::MAX / 2, FRAME_LEN_MAX as i32, 1000] {
        let mut bytes = BytesMut::new();
        bytes.put_i32(count);
        bytes.put_bytes(0, 12);
        let bytes = bytes.freeze();
        for entrance in [
            Entrance::Acl,
            Entrance::Integers,
            Entrance::Text,
            Entrance::Buffer,
        ] {
            let (accepted, held) = peak(|| entrance.try_bytes(&bytes));
            assert!(!accepted, "{entrance:?} accepts a count of {count}");
            assert!(held <= 64, "{entrance:?} holds {held} bytes");
        }
        let mut packet = BytesMut::from(&[0xff; 16][..]);
        packet.put_slice(&bytes);
        let claimed = peak(|| quorum::decode_packet::<LearnerPacket>(&mut packet, FRAME_LEN_MAX));
        assert!(!matches!(claimed, (Ok(Some(_)), _)), "{claimed:?}");
        assert!(claimed.1 <= 64, "{} bytes are held", claimed.1);
        for op in [OpCode::Multi, OpCode::CloseSession] {
            assert!(!Entrance::LogBody(op.into()).check(&bytes));
        }
    }
}
