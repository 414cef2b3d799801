//! The links as the replica's thread uses them: packets go into a link's buffer, and when a batch is
//! done, what was appended is sent from this thread where the socket takes it. A transaction on its
//! way to two followers wakes nobody here.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use lockkeeper_store::Store;
use lockkeeper_wire::quorum::Packet;
use lockkeeper_wire::{Notification, ServerId};
use tokio::sync::mpsc::UnboundedSender;

use super::address::Directory;
use super::link::PeerLink;
use super::{Command, LinkId, image};

/// Dropping it closes all links and ends their thread.
#[derive(Debug)]
pub(crate) struct PeerOutlet {
    commands: UnboundedSender<Command>,
    links: BTreeMap<LinkId, Open>,
}

#[derive(Debug)]
struct Open {
    link: Arc<PeerLink>,
    /// Something was appended since the last flush.
    dirty: bool,
}

impl PeerOutlet {
    pub(super) fn new(commands: UnboundedSender<Command>) -> Self {
        Self {
            commands,
            links: BTreeMap::new(),
        }
    }

    /// A link that [`PeerEvent`](super::PeerEvent) told of.
    pub(crate) fn add(&mut self, link: Arc<PeerLink>) {
        self.links.insert(link.id, Open { link, dirty: false });
    }

    /// Whether the link is open as far as this side knows: after a close, what still comes from it
    /// is nobody's.
    pub(crate) fn has(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// The link has ended; says whether it was open until then.
    pub(crate) fn remove(&mut self, link: LinkId) -> bool {
        self.links.remove(&link).is_some()
    }

    /// Sends a notification in place of one that waits.
    pub(crate) fn notify(&self, to: ServerId, notification: &Notification) {
        let mut frame = BytesMut::new();
        notification.encode_frame(&mut frame);
        self.order(Command::Notify(to, frame.freeze()));
    }

    /// Opens the quorum port.
    pub(crate) fn listen(&self) {
        self.order(Command::Listen);
    }

    /// Closes the quorum port; links stay.
    pub(crate) fn stop_listening(&self) {
        self.order(Command::StopListening);
    }

    /// Connects to the leader; the outcome comes as an input.
    pub(crate) fn connect(&self, leader: ServerId) {
        self.order(Command::Connect(leader));
    }

    /// Goes by another configuration.
    pub(crate) fn change(&self, directory: Directory) {
        self.order(Command::Change(directory));
    }

    /// Appends a packet; nothing happens if the link has ended.
    pub(crate) fn send(&mut self, link: LinkId, packet: &impl Packet) {
        if let Some(open) = self.links.get_mut(&link) {
            open.link.append(|buffer| packet.encode(buffer));
            open.dirty = true;
        }
    }

    /// Appends the image of a frozen store.
    pub(crate) fn send_image(&mut self, link: LinkId, frozen: Store) {
        let Some(open) = self.links.get(&link) else {
            return;
        };
        match image::write(frozen) {
            Ok(pieces) => open.link.append_image(pieces),
            Err(error) => {
                tracing::error!(%error, "no thread for an image; the learner has to try again");
                open.link.close();
            }
        }
    }

    /// Closes a link once what was appended has left; nothing comes from it any more.
    pub(crate) fn close(&mut self, link: LinkId) {
        if let Some(open) = self.links.remove(&link) {
            open.link.close();
        }
    }

    /// Sees to it that what was appended since the last call leaves.
    pub(crate) fn flush(&mut self) {
        for open in self.links.values_mut() {
            if std::mem::take(&mut open.dirty) {
                open.link.flush();
            }
        }
    }

    fn order(&self, command: Command) {
        // The thread ends after this only, or in a panic, which whoever waits for it reports.
        let _ = self.commands.send(command);
    }
}

impl Drop for PeerOutlet {
    fn drop(&mut self) {
        for open in self.links.values() {
            open.link.close();
        }
    }
}
