//! Bytes into frames, and frames to opcodes.

use std::collections::HashMap;

/// Opcodes as in ZooKeeper's `ZooDefs.OpCode`, and two for what has none.
pub mod op {
    /// The handshake, both ways.
    pub const CONNECT: i32 = -10;
    /// A watch event, which answers no request.
    pub const EVENT: i32 = -1;
    /// `create`.
    pub const CREATE: i32 = 1;
    /// `delete`.
    pub const DELETE: i32 = 2;
    /// `exists`.
    pub const EXISTS: i32 = 3;
    /// `getData`.
    pub const GET_DATA: i32 = 4;
    /// `setData`.
    pub const SET_DATA: i32 = 5;
    /// `getChildren`.
    pub const GET_CHILDREN: i32 = 8;
    /// `sync`.
    pub const SYNC: i32 = 9;
    /// The heartbeat.
    pub const PING: i32 = 11;
    /// `getChildren` with a stat.
    pub const GET_CHILDREN2: i32 = 12;
    /// `multi`.
    pub const MULTI: i32 = 14;
    /// `create` with a stat.
    pub const CREATE2: i32 = 15;
    /// `createContainer`.
    pub const CREATE_CONTAINER: i32 = 19;
    /// `auth`.
    pub const AUTH: i32 = 100;
    /// `setWatches`.
    pub const SET_WATCHES: i32 = 101;
    /// `setWatches` with persistent ones.
    pub const SET_WATCHES2: i32 = 105;
    /// `addWatch`.
    pub const ADD_WATCH: i32 = 106;
    /// The end of a session.
    pub const CLOSE: i32 = -11;
}

/// Longer frames are taken for a stream of another kind. Every four-letter word reads as a length
/// above it.
const FRAME_LEN_MAX: i32 = 256 << 20;
const HEADER_LEN: usize = 4;

/// Collects bytes of one direction and gives them out frame by frame, headers included.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    bytes: Vec<u8>,
    raw: bool,
}

/// What the splitter has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A whole frame with its length header.
    Frame(Vec<u8>),
    /// Bytes of a stream that has no frames.
    Raw(Vec<u8>),
}

impl Splitter {
    /// Adds what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next piece, if one is complete.
    pub(super) fn next(&mut self) -> Option<Piece> {
        if self.raw {
            return self.rest().map(Piece::Raw);
        }
        let header = self.bytes.first_chunk::<HEADER_LEN>()?;
        let len = i32::from_be_bytes(*header);
        if !(0..=FRAME_LEN_MAX).contains(&len) {
            self.raw = true;
            return self.rest().map(Piece::Raw);
        }
        let end = HEADER_LEN + usize::try_from(len).ok()?;
        if self.bytes.len() < end {
            return None;
        }
        let rest = self.bytes.split_off(end);
        Some(Piece::Frame(std::mem::replace(&mut self.bytes, rest)))
    }

    /// What is left of an incomplete frame when the stream ends.
    pub(super) fn rest(&mut self) -> Option<Vec<u8>> {
        let bytes = std::mem::take(&mut self.bytes);
        (!bytes.is_empty()).then_some(bytes)
    }
}

/// Names the frames of one connection. Both directions share it, since only the request says what
/// a reply is about.
#[derive(Debug, Default)]
pub(super) struct Namer {
    greeted: bool,
    answered: bool,
    pending: HashMap<i32, i32>,
}

impl Namer {
    /// The opcode of a request; the first frame is the handshake.
    pub(super) fn request(&mut self, frame: &[u8]) -> i32 {
        if !std::mem::replace(&mut self.greeted, true) {
            return op::CONNECT;
        }
        match (int_at(frame, HEADER_LEN), int_at(frame, HEADER_LEN + 4)) {
            (Some(xid), Some(opcode)) => {
                self.pending.insert(xid, opcode);
                opcode
            }
            _ => 0,
        }
    }

    /// The opcode of the request that a reply answers; 0 if there was none.
    pub(super) fn reply(&mut self, frame: &[u8]) -> i32 {
        if !std::mem::replace(&mut self.answered, true) {
            return op::CONNECT;
        }
        match int_at(frame, HEADER_LEN) {
            Some(-1) => op::EVENT,
            // Pings and the like share one negative xid among many requests under way.
            Some(xid) if xid < 0 => self.pending.get(&xid).copied().unwrap_or(0),
            Some(xid) => self.pending.remove(&xid).unwrap_or(0),
            None => 0,
        }
    }
}

fn int_at(frame: &[u8], offset: usize) -> Option<i32> {
    let bytes = frame.get(offset..)?.first_chunk::<4>()?;
    Some(i32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_they_arrive() {
        let stream = [0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9];
        for chunk in 1..stream.len() {
            let mut splitter = Splitter::default();
            let mut frames = Vec::new();
            for bytes in stream.chunks(chunk) {
                splitter.push(bytes);
                while let Some(Piece::Frame(frame)) = splitter.next() {
                    frames.push(frame);
                }
            }
            assert_eq!(
                frames,
                [&stream[..6], &stream[6..10], &stream[10..]],
                "chunks of {chunk}"
            );
            assert_eq!(splitter.rest(), None);
        }
    }

    #[test]
    fn a_four_letter_word_is_no_frame() {
        let mut splitter = Splitter::default();
        splitter.push(b"sr");
        assert_eq!(splitter.next(), None);
        splitter.push(b"vr");
        assert_eq!(splitter.next(), Some(Piece::Raw(b"srvr".to_vec())));
        splitter.push(b"\n");
        assert_eq!(splitter.next(), Some(Piece::Raw(b"\n".to_vec())));
    }
}
