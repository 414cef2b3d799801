//! What comes on a quorum link: packets, and behind one of them an image.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use lockkeeper_wire::quorum::{Packet, decode_packet};
use lockkeeper_wire::{LeaderPacket, LearnerPacket, Zxid};
use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::image;
use super::strangers::Stranger;
use super::{BATCHES_MAX, Delivery, LinkId, PeerEvent, Settings, Sink, invalid};
use crate::stream::Reader;

/// How often it is told that an image comes in.
const ACTIVITY: Duration = Duration::from_millis(100);

/// Bytes asked of a socket at a time, at least and at most.
const READ_LEN_MIN: usize = 4 << 10;
const READ_LEN_MAX: usize = 256 << 10;

/// One side's packets.
pub(super) trait Side: Packet + 'static {
    fn len_max(settings: &Settings) -> usize;
    fn event(link: LinkId, packet: Self) -> PeerEvent;
    /// The state whose image follows the packet.
    fn image_follows(&self) -> Option<Zxid>;
}

impl Side for LearnerPacket {
    fn len_max(settings: &Settings) -> usize {
        settings.learner_packet_len_max
    }

    fn event(link: LinkId, packet: Self) -> PeerEvent {
        PeerEvent::LearnerPacket { link, packet }
    }

    fn image_follows(&self) -> Option<Zxid> {
        None
    }
}

impl Side for LeaderPacket {
    fn len_max(settings: &Settings) -> usize {
        settings.leader_packet_len_max
    }

    fn event(link: LinkId, packet: Self) -> PeerEvent {
        PeerEvent::LeaderPacket { link, packet }
    }

    fn image_follows(&self) -> Option<Zxid> {
        match self {
            LeaderPacket::Snap { zxid } => Some(*zxid),
            _ => None,
        }
    }
}

/// The reading half of a link.
pub(super) struct Receiver<'a> {
    settings: &'a Settings,
    sink: &'a Sink,
    link: LinkId,
    reading: Reader,
    received: BytesMut,
    /// Bytes asked of the socket next.
    read_len: usize,
    stranger: Option<Stranger>,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        sink: &'a Sink,
        link: LinkId,
        reading: Reader,
        stranger: Option<Stranger>,
    ) -> Self {
        Self {
            settings,
            sink,
            link,
            reading,
            received: BytesMut::new(),
            read_len: READ_LEN_MIN,
            stranger,
        }
    }

    /// Delivers packets until the peer closes.
    pub(super) async fn run<P: Side>(mut self) -> io::Result<()> {
        let batches = Arc::new(Semaphore::new(BATCHES_MAX));
        loop {
            // Not closed before the link is.
            let permit = batches.clone().acquire_owned().await.ok();
            if self.read().await? == 0 {
                return Ok(());
            }
            let mut permit = Some(permit);
            while let Some(zxid) = self.deliver::<P>(permit.take().flatten())? {
                self.take_image(zxid).await?;
            }
        }
    }

    /// Hands over the whole packets that have come, up to one that an image follows.
    fn deliver<P: Side>(
        &mut self,
        permit: Option<OwnedSemaphorePermit>,
    ) -> io::Result<Option<Zxid>> {
        let mut inputs = Vec::new();
        let mut image = None;
        while image.is_none() {
            let len_max = P::len_max(self.settings);
            let Some(packet) = decode_packet::<P>(&mut self.received, len_max).map_err(invalid)?
            else {
                break;
            };
            image = packet.image_follows();
            inputs.push(P::event(self.link, packet));
        }
        if !inputs.is_empty() {
            self.stranger = None;
            self.sink.deliver(Delivery { inputs, permit });
        }
        Ok(image)
    }

    /// Reads a piece into the buffer; 0 at the end.
    async fn read(&mut self) -> io::Result<usize> {
        self.received.reserve(self.read_len);
        let mut space = (&mut self.received).limit(self.read_len);
        let len = self.reading.read_buf(&mut space).await?;
        self.read_len = match len {
            _ if len == self.read_len => (self.read_len * 2).min(READ_LEN_MAX),
            _ if len < self.read_len / 4 => (self.read_len / 2).max(READ_LEN_MIN),
            _ => self.read_len,
        };
        Ok(len)
    }

    /// Has a thread read the image that comes next.
    async fn take_image(&mut self, zxid: Zxid) -> io::Result<()> {
        let image::Reading { bytes, mut outcome } = image::read(zxid, self.settings.seed)?;
        let mut len: u64 = 0;
        let mut told: Option<Instant> = None;
        let outcome = loop {
            if self.received.is_empty() {
                let read = tokio::select! {
                    biased;
                    outcome = &mut outcome => break outcome,
                    read = self.read() => read?,
                };
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            let room = tokio::select! {
                biased;
                outcome = &mut outcome => break outcome,
                room = bytes.reserve() => room,
            };
            // A thread that takes no more has an outcome to tell.
            let Ok(room) = room else {
                break outcome.await;
            };
            len += self.received.len() as u64;
            if len > self.settings.image_len_max {
                return Err(invalid("the image is longer than this server accepts"));
            }
            room.send(self.received.split().freeze());
            if told.is_none_or(|told| told.elapsed() >= ACTIVITY) {
                told = Some(Instant::now());
                let link = self.link;
                self.sink.deliver_one(PeerEvent::Activity { link });
            }
        };
        let image = match outcome {
            Ok(image) => image.map_err(invalid)?,
            Err(_) => return Err(io::Error::other("the image could not be read")),
        };
        let behind = std::mem::replace(&mut self.received, image.rest);
        self.received.extend_from_slice(&behind);
        let (link, store) = (self.link, image.store);
        self.sink.deliver_one(PeerEvent::Image { link, store });
        Ok(())
    }
}
