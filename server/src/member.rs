//! What the replica's thread has of the other members: links, images that have come, and who is
//! where.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lockkeeper_journal::{Disk, Settings as Files, read_range};
use lockkeeper_replica::{Effect, IoId, LinkId, Peer, PeerInput, Txn};
use lockkeeper_store::Store;
use lockkeeper_wire::{ServerId, Zxid};

use crate::disk::Write;
use crate::error::Failure;
use crate::node::{Input, Shared};
use crate::peers::{Delivery, Directory, PeerEvent, PeerOutlet, directory};
use crate::sync::write;

/// Bytes of logged transactions read at a time.
const RANGE_LEN: usize = 1 << 20;

/// Bytes of logged transactions for one learner.
const RANGE_LEN_MAX: usize = 64 << 20;

/// A member's share of the replica's thread.
pub(crate) struct Member<D: Disk> {
    outlet: PeerOutlet,
    /// Images that have been read and not been asked for, of links that may have ended since.
    images: BTreeMap<LinkId, Box<Store>>,
    ended: Vec<LinkId>,
    /// Members whose places the outlet knows.
    known: BTreeSet<ServerId>,
    disk: D,
    files: Files,
}

impl<D: Disk> Member<D> {
    pub(crate) fn new(outlet: PeerOutlet, directory: &Directory, disk: D, files: Files) -> Self {
        Self {
            outlet,
            images: BTreeMap::new(),
            ended: Vec::new(),
            known: directory.keys().copied().collect(),
            disk,
            files,
        }
    }

    /// What the replica is to be told of an event.
    pub(crate) fn input(&mut self, event: PeerEvent) -> Result<Option<PeerInput>, Failure> {
        Ok(match event {
            PeerEvent::Notification { from, notification } => {
                Some(PeerInput::Notification { from, notification })
            }
            PeerEvent::VoterUnreachable { sid } => Some(PeerInput::VoterUnreachable(sid)),
            PeerEvent::NoElectionPort { error } => {
                return Err(Failure::ElectionPort { source: error });
            }
            PeerEvent::LeaderUnreachable => Some(PeerInput::LeaderUnreachable),
            PeerEvent::LeaderConnected(link) => {
                let id = link.id;
                self.outlet.add(link);
                Some(PeerInput::LeaderConnected(id))
            }
            PeerEvent::LearnerAccepted(link) => {
                let id = link.id;
                self.outlet.add(link);
                Some(PeerInput::LearnerAccepted(id))
            }
            PeerEvent::LearnerPacket { link, packet } => {
                self.open(link, PeerInput::LearnerPacket(link, packet))
            }
            PeerEvent::LeaderPacket { link, packet } => {
                self.open(link, PeerInput::LeaderPacket(link, packet))
            }
            PeerEvent::Activity { link } => self.open(link, PeerInput::Activity(link)),
            PeerEvent::Image { link, store } => {
                let input = self.open(link, PeerInput::Image(link));
                if input.is_some() {
                    self.images.insert(link, store);
                }
                input
            }
            PeerEvent::LinkClosed { link } => {
                self.ended.push(link);
                let was_open = self.outlet.remove(link);
                was_open.then_some(PeerInput::LinkClosed(link))
            }
        })
    }

    /// What comes from a link that this side has closed is nobody's.
    fn open(&self, link: LinkId, input: PeerInput) -> Option<PeerInput> {
        self.outlet.has(link).then_some(input)
    }

    /// Carries out an effect on the outside; gives back what is to be written.
    pub(crate) fn carry_out(
        &mut self,
        effect: Effect,
        peer: &Peer,
        shared: &Arc<Shared>,
    ) -> Option<(IoId, Write)> {
        match effect {
            Effect::Append { io, txn } => return Some((io, Write::Append(txn))),
            Effect::Truncate { io, zxid } => return Some((io, Write::Truncate(zxid))),
            Effect::WriteAcceptedEpoch { io, epoch } => {
                return Some((io, Write::AcceptedEpoch(epoch)));
            }
            Effect::WriteCurrentEpoch { io, epoch } => {
                return Some((io, Write::CurrentEpoch(epoch)));
            }
            Effect::InstallImage { io, link, .. } => {
                let image = self.images.remove(&link);
                let mut image = image.expect("kept since the peer was told of it");
                let frozen = Box::new(image.freeze());
                *write(&shared.store) = *image;
                return Some((io, Write::Install(frozen)));
            }
            Effect::Notify { to, notification } => {
                if self.known.insert(to) {
                    self.find(peer);
                }
                self.outlet.notify(to, &notification);
            }
            Effect::Listen => self.outlet.listen(),
            Effect::StopListening => self.outlet.stop_listening(),
            Effect::Connect { leader } => self.outlet.connect(leader),
            Effect::SendToLearner { link, packet } => self.outlet.send(link, &packet),
            Effect::SendToLeader { link, packet } => self.outlet.send(link, &packet),
            Effect::SendImage { link } => {
                let frozen = write(&shared.store).freeze();
                self.outlet.send_image(link, frozen);
            }
            Effect::Close { link } => {
                self.ended.push(link);
                self.outlet.close(link);
            }
            Effect::ReadLog { link, after, upto } => self.read_log(link, after, upto, shared),
            Effect::MembershipChanged { .. } | Effect::MembershipSeen { .. } => self.find(peer),
            // About clients: the replica keeps these to itself.
            Effect::Deliver { .. }
            | Effect::Replay { .. }
            | Effect::Serve { .. }
            | Effect::Retire
            | Effect::Forwarded { .. }
            | Effect::Pinged
            | Effect::Touched { .. }
            | Effect::Revalidate { .. }
            | Effect::Revalidated { .. }
            | Effect::Synced { .. } => unreachable!("not for the outside: {effect:?}"),
        }
        None
    }

    /// Nothing more is asked for of links that ended before the effects just carried out.
    pub(crate) fn flush(&mut self) {
        for link in self.ended.drain(..) {
            self.images.remove(&link);
        }
        self.outlet.flush();
    }

    /// Goes by the memberships that there are now, also one that is only proposed: its members are
    /// told votes too.
    fn find(&mut self, peer: &Peer) {
        let Some(memberships) = peer.memberships() else {
            return;
        };
        let mut places = directory(memberships.last_seen());
        places.extend(directory(memberships.committed()));
        self.known.extend(places.keys());
        self.outlet.change(places);
    }

    /// Reads logged transactions for a learner, beside everything else.
    fn read_log(&self, link: LinkId, after: Zxid, upto: Zxid, shared: &Arc<Shared>) {
        let (disk, files, told) = (self.disk.clone(), self.files.clone(), shared.clone());
        let thread = std::thread::Builder::new().name("lk-range".into());
        let spawned = thread.spawn(move || {
            let txns = range(&disk, &files, after, upto);
            told.inbox.push(Input::LogRead(link, txns));
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread to read the log; the learner gets a snapshot");
            shared.inbox.push(Input::LogRead(link, None));
        }
    }
}

/// The transactions of a range if the log has them.
fn range<D: Disk>(disk: &D, files: &Files, after: Zxid, upto: Zxid) -> Option<Vec<Txn>> {
    let failed = |error| tracing::warn!(%error, "log not read; the learner gets a snapshot");
    let batches = read_range(disk, files, after.0, upto.0, RANGE_LEN)
        .map_err(failed)
        .ok()??;
    let mut txns = Vec::new();
    let mut len = 0;
    for batch in batches {
        for record in batch.map_err(failed).ok()? {
            len += record.entry.len();
            let (zxid, bytes) = (Zxid(record.zxid), record.entry);
            txns.push(Txn { zxid, bytes });
        }
        if len > RANGE_LEN_MAX {
            tracing::debug!(
                len,
                "log is too long to be sent; the learner gets a snapshot"
            );
            return None;
        }
    }
    Some(txns)
}

/// Where the events of the links go.
pub(crate) fn deliver_to(shared: &Arc<Shared>) -> impl Fn(Delivery) + Send + use<> {
    let shared = shared.clone();
    move |delivery| shared.inbox.push(Input::Peers(delivery))
}
