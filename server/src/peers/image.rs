//! Images on a quorum link: the state of a store, from a leader to a learner that is too far behind
//! for transactions.
//!
//! An image is as long as the data and has no length before it, so it is written and read in
//! pieces, by a thread of its own in both directions: the other links go on. Only a few pieces are
//! between that thread and the socket, so the slower of the two sets the pace and none holds the
//! image as bytes. Behind it stands a signature.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use lockkeeper_store::{ImageError, Store};
use lockkeeper_wire::Zxid;
use tokio::sync::{mpsc, oneshot};

/// What follows an image (`LearnerHandler.java`): a text with its length.
const SIGNATURE: &[u8; 14] = b"\0\0\0\x0aBenWasHere";

/// Bytes of a piece that is sent.
const PIECE_LEN: usize = 64 << 10;

/// Pieces between the thread and the socket.
const PIECES_MAX: usize = 4;

/// A part of an image on its way out.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// The image is whole. One that ends without it is not to be believed.
    End,
}

/// Starts to write the image of a frozen store.
///
/// # Errors
/// When there is no thread for it.
pub(super) fn write(frozen: Store) -> io::Result<mpsc::Receiver<Piece>> {
    let (pieces, receiver) = mpsc::channel(PIECES_MAX);
    spawn(move || {
        let mut out = Pieces {
            pieces,
            buffer: BytesMut::new(),
        };
        let written = frozen
            .write_image(&mut out)
            .and_then(|()| out.write_all(SIGNATURE))
            .and_then(|()| out.flush())
            .and_then(|()| out.send(Piece::End));
        if let Err(error) = written {
            tracing::debug!(%error, "image not sent");
        }
    })?;
    Ok(receiver)
}

fn spawn(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("lk-image".into());
    thread.spawn(run).map(drop)
}

struct Pieces {
    pieces: mpsc::Sender<Piece>,
    buffer: BytesMut,
}

impl Pieces {
    fn send(&self, piece: Piece) -> io::Result<()> {
        let sent = self.pieces.blocking_send(piece);
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_LEN {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.buffer.is_empty() {
            true => Ok(()),
            false => {
                let bytes = self.buffer.split().freeze();
                self.send(Piece::Bytes(bytes))
            }
        }
    }
}

/// An image that is being read.
pub(super) struct Reading {
    /// Where the bytes go that come.
    pub(super) bytes: mpsc::Sender<Bytes>,
    /// Ends with the image, or when it turns out to be none.
    pub(super) outcome: oneshot::Receiver<Result<Whole, ImageError>>,
}

/// An image that has been read.
pub(super) struct Whole {
    pub(super) store: Box<Store>,
    /// What came behind it.
    pub(super) rest: BytesMut,
}

/// Starts to read an image of the state at `zxid`.
///
/// # Errors
/// When there is no thread for it.
pub(super) fn read(zxid: Zxid, seed: u64) -> io::Result<Reading> {
    let (bytes, receiver) = mpsc::channel(PIECES_MAX);
    let (told, outcome) = oneshot::channel();
    spawn(move || {
        let mut incoming = Incoming {
            pieces: receiver,
            current: Bytes::new(),
        };
        let store = read_signed(&mut incoming, zxid, seed);
        let whole = store.map(|store| Whole {
            store: Box::new(store),
            rest: incoming.into_rest(),
        });
        // Nobody listens any more if the link has ended.
        let _ = told.send(whole);
    })?;
    Ok(Reading { bytes, outcome })
}

fn read_signed(incoming: &mut Incoming, zxid: Zxid, seed: u64) -> Result<Store, ImageError> {
    let store = Store::read_image(incoming, zxid, seed)?;
    let mut signature = [0; SIGNATURE.len()];
    incoming.read_exact(&mut signature)?;
    if signature != *SIGNATURE {
        let text = "the image is not followed by its signature";
        return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
    }
    Ok(store)
}

struct Incoming {
    pieces: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Incoming {
    /// What has come and was not read.
    fn into_rest(mut self) -> BytesMut {
        // From here on nothing is added.
        self.pieces.close();
        let mut rest = BytesMut::from(self.current);
        while let Some(piece) = self.pieces.blocking_recv() {
            rest.extend_from_slice(&piece);
        }
        rest
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let len = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..len]);
        Ok(len)
    }
}
