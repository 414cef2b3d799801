//! One connection of the quorum port as the threads share it.
//!
//! The replica's thread appends packets and sends them itself where the socket takes them at once;
//! the rest is left to the link's task. While an image is on its way, packets gather behind it.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures::task::AtomicWaker;
use tokio::sync::{Notify, mpsc};

use super::LinkId;
use super::image::Piece;
use crate::outgoing::Outgoing;
use crate::sync::lock;

#[derive(Debug)]
pub(crate) struct PeerLink {
    pub(crate) id: LinkId,
    pub(crate) peer: SocketAddr,
    pub(super) out: Outgoing,
    /// Of the task.
    waker: AtomicWaker,
    image: Mutex<Option<Image>>,
    unsent_len_max: usize,
    /// Nothing follows what has been appended.
    closing: AtomicBool,
    closed: Notify,
    /// The peer does not take what it is sent: what was to be sent has been thrown away.
    abandoned: AtomicBool,
}

/// An image on its way.
#[derive(Debug)]
struct Image {
    pieces: mpsc::Receiver<Piece>,
    /// Packets that follow it.
    behind: BytesMut,
}

impl PeerLink {
    pub(super) fn new(id: LinkId, peer: SocketAddr, unsent_len_max: usize) -> Self {
        Self {
            id,
            peer,
            out: Outgoing::default(),
            waker: AtomicWaker::new(),
            image: Mutex::default(),
            unsent_len_max,
            closing: AtomicBool::new(false),
            closed: Notify::new(),
            abandoned: AtomicBool::new(false),
        }
    }

    /// Appends what `write` writes; a peer for which too much waits loses its link.
    pub(super) fn append(&self, write: impl FnOnce(&mut BytesMut)) {
        if self.closing.load(Ordering::Relaxed) || self.is_abandoned() {
            return;
        }
        let mut image = lock(&self.image);
        let mut unsent = self.out.buffer();
        let buffer = match &mut *image {
            Some(image) => &mut image.behind,
            None => &mut *unsent,
        };
        write(buffer);
        if buffer.len() > self.unsent_len_max {
            *buffer = BytesMut::new();
            self.abandoned.store(true, Ordering::Release);
        }
    }

    /// Sends an image behind what has been appended.
    pub(super) fn append_image(&self, pieces: mpsc::Receiver<Piece>) {
        let behind = BytesMut::new();
        let before = lock(&self.image).replace(Image { pieces, behind });
        // An image is the answer to a handshake, and a link has one handshake.
        debug_assert!(before.is_none(), "two images on one link");
        self.waker.wake();
    }

    /// Sees to it that what was appended leaves.
    pub(super) fn flush(&self) {
        let ending = self.closing.load(Ordering::Relaxed) || self.is_abandoned();
        if ending || !self.out.try_send() {
            self.waker.wake();
        }
    }

    /// Closes the link once all that was appended has left.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.closed.notify_one();
        self.waker.wake();
    }

    /// Waits for [`PeerLink::close`].
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }

    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Sends whatever is appended; ends when the link is to end.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waker.register(cx.waker());
        loop {
            if self.is_abandoned() {
                let text = "the peer does not take what it is sent";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)));
            }
            if !self.out.poll_send(cx)? {
                return Poll::Pending;
            }
            if !ready!(self.poll_image(cx))? {
                return match self.closing.load(Ordering::Acquire) {
                    // Once more, for what was appended before.
                    true if self.out.poll_send(cx)? => Poll::Ready(Ok(())),
                    _ => Poll::Pending,
                };
            }
        }
    }

    /// Appends the next piece of an image; says whether there was one.
    fn poll_image(&self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut image = lock(&self.image);
        let Some(under_way) = &mut *image else {
            return Poll::Ready(Ok(false));
        };
        match ready!(under_way.pieces.poll_recv(cx)) {
            Some(Piece::Bytes(bytes)) => self.out.buffer().extend_from_slice(&bytes),
            Some(Piece::End) => {
                self.out.buffer().extend_from_slice(&under_way.behind);
                *image = None;
            }
            None => {
                let text = "the image could not be written";
                return Poll::Ready(Err(io::Error::other(text)));
            }
        }
        Poll::Ready(Ok(true))
    }
}
