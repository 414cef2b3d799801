//! What a leader tells its learner, packet by packet.

use super::CatchUp;

/// `QuorumPacket`s out of bytes, as in ZooKeeper's `zookeeper.jute`: type, zxid, data, identities.
#[derive(Debug, Default)]
pub(super) struct Packets {
    bytes: Vec<u8>,
    /// A snapshot comes by, which is no packet.
    in_snapshot: bool,
}

/// One packet, or a part of a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet {
    kind: i32,
    pub(super) bytes: Vec<u8>,
    /// A part of what follows a packet of this kind.
    is_part: bool,
}

const COMMIT: i32 = 4;
const SYNC: i32 = 7;
const DIFF: i32 = 13;
const TRUNC: i32 = 14;
const SNAP: i32 = 15;
/// What a snapshot ends with: a string with its length.
const SNAP_END: &[u8] = b"\0\0\0\x0aBenWasHere";

impl Packet {
    /// Whether it goes the way of commits: applied by the learner in order, one after the other.
    pub(super) fn is_committed(&self) -> bool {
        matches!(self.kind, COMMIT | SYNC)
    }

    /// Whether it begins to bring the learner up to date.
    pub(super) fn catch_up(&self) -> Option<CatchUp> {
        match self.kind {
            _ if self.is_part => None,
            DIFF => Some(CatchUp::Diff),
            TRUNC => Some(CatchUp::Trunc),
            SNAP => Some(CatchUp::Snap),
            _ => None,
        }
    }
}

impl Packets {
    /// Adds what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next packet, if it is complete.
    pub(super) fn next(&mut self) -> Option<Packet> {
        if self.in_snapshot {
            return self.next_of_snapshot();
        }
        let len = self.len_of_next()?;
        let rest = self.bytes.split_off(len);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        let kind = i32::from_be_bytes(*bytes.first_chunk()?);
        self.in_snapshot = kind == SNAP;
        Some(Packet {
            kind,
            bytes,
            is_part: false,
        })
    }

    /// All there is but what may be the beginning of the end.
    fn next_of_snapshot(&mut self) -> Option<Packet> {
        let mut windows = self.bytes.windows(SNAP_END.len());
        let len = match windows.position(|window| window == SNAP_END) {
            Some(at) => {
                self.in_snapshot = false;
                at + SNAP_END.len()
            }
            None => self.bytes.len().saturating_sub(SNAP_END.len() - 1),
        };
        let rest = self.bytes.split_off(len);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        (len > 0).then_some(Packet {
            kind: SNAP,
            bytes,
            is_part: true,
        })
    }

    fn len_of_next(&self) -> Option<usize> {
        let mut at = size_of::<i32>() + size_of::<i64>();
        self.skip_buffer(&mut at)?;
        for _ in 0..self.take_count(&mut at)? {
            self.skip_buffer(&mut at)?;
            self.skip_buffer(&mut at)?;
        }
        (at <= self.bytes.len()).then_some(at)
    }

    fn skip_buffer(&self, at: &mut usize) -> Option<()> {
        *at += self.take_count(at)?;
        Some(())
    }

    /// A length; nothing is -1.
    fn take_count(&self, at: &mut usize) -> Option<usize> {
        let count = i32::from_be_bytes(*self.bytes.get(*at..)?.first_chunk()?);
        *at += size_of::<i32>();
        Some(usize::try_from(count).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(kind: i32, data: Option<&[u8]>, identities: i32) -> Vec<u8> {
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend(7_i64.to_be_bytes());
        let data_len = data.map_or(-1, |data| i32::try_from(data.len()).expect("short"));
        bytes.extend(data_len.to_be_bytes());
        bytes.extend(data.unwrap_or_default());
        bytes.extend(identities.to_be_bytes());
        for word in (0..identities).flat_map(|_| [&b"ip"[..], b"::1"]) {
            bytes.extend(i32::try_from(word.len()).expect("short").to_be_bytes());
            bytes.extend(word);
        }
        bytes
    }

    /// The packets of a stream that arrives in pieces.
    fn split(stream: &[u8], piece: usize) -> Vec<Packet> {
        let mut packets = Packets::default();
        let mut found = Vec::new();
        for bytes in stream.chunks(piece) {
            packets.push(bytes);
            found.extend(std::iter::from_fn(|| packets.next()));
        }
        found
    }

    #[test]
    fn packets_come_out_whole_however_they_arrive() {
        let sent = [
            packet(COMMIT, None, -1),
            packet(5, Some(b"abc"), 0),
            packet(SYNC, Some(b""), 2),
        ];
        let stream = sent.concat();
        for chunk in 1..stream.len() {
            let found = split(&stream, chunk);
            let committed: Vec<bool> = found.iter().map(Packet::is_committed).collect();
            assert_eq!(committed, [true, false, true], "chunks of {chunk}");
            assert!(
                found
                    .into_iter()
                    .map(|packet| packet.bytes)
                    .eq(sent.clone())
            );
        }
    }

    #[test]
    fn a_snapshot_is_passed_over() {
        let snapshot = [
            packet(SNAP, None, -1),
            b"BenWas".to_vec(),
            SNAP_END.to_vec(),
        ];
        let stream = [snapshot.concat(), packet(COMMIT, None, -1)].concat();
        for chunk in 1..stream.len() {
            let mut found = split(&stream, chunk);
            let last = found.pop().expect("a packet");
            assert!(last.is_committed(), "chunks of {chunk}");
            assert!(!found.iter().any(Packet::is_committed));
            let begun: Vec<CatchUp> = found.iter().filter_map(Packet::catch_up).collect();
            assert_eq!(begun, [CatchUp::Snap], "chunks of {chunk}");
            let passed: Vec<u8> = found.into_iter().flat_map(|packet| packet.bytes).collect();
            assert_eq!(passed, snapshot.concat());
        }
    }
}
