//! Frames: a length of four bytes, then as many bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::FrameError;

/// Bytes of a length prefix.
pub const PREFIX_LEN: usize = 4;

/// `jute.maxbuffer` when nothing else is set: the longest frame a server accepts, bytes.
pub const FRAME_LEN_MAX: usize = 0xf_ffff;

/// Appends a frame whose payload `body` writes.
pub fn encode(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_i32(0);
    body(out);
    let len = (out.len() - start - PREFIX_LEN) as i32;
    out[start..start + PREFIX_LEN].copy_from_slice(&len.to_be_bytes());
}

/// Cuts a stream of bytes into frames; chunks go in, whole frames come out.
///
/// A length is judged as soon as its four bytes are there, and nothing is set aside for what a peer
/// only announces: memory grows with what has come, up to the longest frame accepted plus what the
/// owner reads at a time.
#[derive(Debug, Default)]
pub struct Deframer {
    buffer: BytesMut,
}

impl Deframer {
    /// An empty one; it allocates with the first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the owner appends what it reads.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Bytes held that make no whole frame yet.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// The next frame's payload, sharing the buffer, or `None` until more bytes come.
    ///
    /// After an error the stream has no meaning any more; the error repeats.
    pub fn next_frame(&mut self, len_max: usize) -> Result<Option<Bytes>, FrameError> {
        let Some(len) = self.next_len(len_max)? else {
            return Ok(None);
        };
        if self.buffer.len() < PREFIX_LEN + len {
            return Ok(None);
        }
        self.buffer.advance(PREFIX_LEN);
        Ok(Some(self.buffer.split_to(len).freeze()))
    }

    fn next_len(&self, len_max: usize) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX_LEN>() else {
            return Ok(None);
        };
        let len = i32::from_be_bytes(*prefix);
        let len = usize::try_from(len).map_err(|_| FrameError::Negative(len))?;
        if len > len_max {
            Err(FrameError::TooLong { len, max: len_max })
        } else {
            Ok(Some(len))
        }
    }
}
