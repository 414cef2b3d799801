//! The stream format of the snappy-java library, for reading only.
//!
//! Not the framing format of Google's library: a header of 16 bytes (magic, version, oldest
//! compatible version), then chunks of a big-endian length and one raw snappy block each. Writers
//! put 32 KiB into a block by default.

use std::io::{self, Read};

/// First bytes of the stream.
pub(crate) const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER_LEN: usize = 16;
/// Largest block believed, compressed or not, in bytes.
const BLOCK_LEN_MAX: usize = 16 * 1024 * 1024;

/// Uncompressed bytes of a snappy-java stream.
pub(crate) struct SnappyReader<R> {
    source: R,
    started: bool,
    compressed: Vec<u8>,
    block: Vec<u8>,
    position: usize,
}

impl<R: Read> SnappyReader<R> {
    pub(crate) fn new(source: R) -> Self {
        let (compressed, block) = (Vec::new(), Vec::new());
        SnappyReader {
            source,
            started: false,
            compressed,
            block,
            position: 0,
        }
    }

    /// Reads the next block; false at the end of the stream.
    fn next_block(&mut self) -> io::Result<bool> {
        if !self.started {
            let mut header = [0; HEADER_LEN];
            self.source.read_exact(&mut header)?;
            if header[..MAGIC.len()] != MAGIC {
                return Err(bad("not a stream of snappy-java"));
            }
            self.started = true;
        }
        let mut len = [0; 4];
        let got = self.source.read(&mut len)?;
        if got == 0 {
            return Ok(false);
        }
        self.source.read_exact(&mut len[got..])?;
        let len = bounded(u32::from_be_bytes(len) as usize)?;
        self.compressed.resize(len, 0);
        self.source.read_exact(&mut self.compressed)?;
        let plain = snap::raw::decompress_len(&self.compressed).map_err(broken)?;
        self.block.resize(bounded(plain)?, 0);
        snap::raw::Decoder::new()
            .decompress(&self.compressed, &mut self.block)
            .map_err(broken)?;
        self.position = 0;
        Ok(true)
    }
}

impl<R: Read> Read for SnappyReader<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.position == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let count = target.len().min(self.block.len() - self.position);
        target[..count].copy_from_slice(&self.block[self.position..][..count]);
        self.position += count;
        Ok(count)
    }
}

fn bounded(len: usize) -> io::Result<usize> {
    if len > BLOCK_LEN_MAX {
        return Err(bad("a snappy block is longer than 16 MiB"));
    }
    Ok(len)
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn broken(error: snap::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn stream(plain: &[u8], block_len: usize) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
        for block in plain.chunks(block_len) {
            let block = snap::raw::Encoder::new()
                .compress_vec(block)
                .expect("short");
            bytes.extend_from_slice(&(block.len() as u32).to_be_bytes());
            bytes.extend_from_slice(&block);
        }
        bytes
    }

    #[test]
    fn blocks_are_joined() {
        let plain: Vec<u8> = (0..100_000u32).map(|n| (n / 7) as u8).collect();
        let mut read = Vec::new();
        SnappyReader::new(&stream(&plain, 32 * 1024)[..])
            .read_to_end(&mut read)
            .expect("valid");
        assert_eq!(read, plain);
    }

    #[test]
    fn a_length_is_bounded_before_it_is_believed() {
        let mut bytes = stream(&[], 1);
        bytes.extend_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
        let error = SnappyReader::new(&bytes[..])
            .read_to_end(&mut Vec::new())
            .expect_err("long");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = stream(b"abc", 3);
            bytes.extend_from_slice(&tail);
            let _ = SnappyReader::new(&bytes[..]).read_to_end(&mut Vec::new());
        }
    }
}
