//! The network: bytes in order and late, until they never come.
//!
//! What TCP promises is kept: bytes of one link and direction arrive in order and once, or the link
//! ends. Everything else happens: any delay with a heavy tail, pieces of one byte, an end that one
//! side hears of and the other does not, bytes of a link that its owner has long given up, and paths
//! on which nothing comes through in one direction or both until it all comes at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use lockkeeper::LinkLoss;
use lockkeeper::runtime::Link;

use crate::core::{Core, Event, ProcessId, Shared};

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Towards {
    Client,
    Member,
}

/// What travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// The member has taken the connection.
    Accepted,
    Bytes(Bytes),
    /// No more will come.
    End,
    /// The link is broken, or nobody listens.
    Reset,
}

/// How the network behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetSettings {
    /// Around this much, microseconds.
    pub(crate) delay: u64,
    /// Every so many sends are cut into pieces; 0 for none.
    pub(crate) chunked_one_in: u64,
}

pub(crate) struct Net {
    pub(crate) settings: NetSettings,
    wires: BTreeMap<u64, Wire>,
    next: u64,
    cuts: BTreeSet<(ProcessId, usize, Towards)>,
    clogged: BTreeMap<(ProcessId, usize), u64>,
}

/// One link.
#[derive(Debug)]
struct Wire {
    client: ProcessId,
    member: usize,
    is_dialled: bool,
    /// Arrived and not read by the client.
    inbox: BytesMut,
    ended: Option<Packet>,
    /// Whether the client still holds its end.
    is_held: bool,
    waker: Option<Waker>,
    paths: [Path; 2],
}

/// One direction of a link.
#[derive(Debug, Default)]
struct Path {
    /// When the last packet arrives.
    last_at: u64,
    /// Sent and not arrived, in order; `None` is the dial.
    under_way: VecDeque<Option<Packet>>,
    /// How many of them met a cut when they were to arrive.
    stopped: usize,
}

impl Net {
    pub(crate) fn new(settings: NetSettings) -> Self {
        Self {
            settings,
            wires: BTreeMap::new(),
            next: 0,
            cuts: BTreeSet::new(),
            clogged: BTreeMap::new(),
        }
    }

    pub(crate) fn member_of(&self, wire: u64) -> Option<usize> {
        self.wires.get(&wire).map(|wire| wire.member)
    }

    /// Links that a client holds.
    pub(crate) fn open(&self) -> Vec<u64> {
        let open = self
            .wires
            .iter()
            .filter(|(_, wire)| wire.is_held && wire.is_dialled);
        open.map(|(&id, _)| id).collect()
    }

    pub(crate) fn is_open(&self, wire: u64) -> bool {
        self.wires.get(&wire).is_some_and(|wire| wire.is_held)
    }

    pub(crate) fn cut(&mut self, client: ProcessId, member: usize, towards: Towards) {
        self.cuts.insert((client, member, towards));
    }

    pub(crate) fn clog(&mut self, client: ProcessId, member: usize, times: u64) {
        self.clogged.insert((client, member), times);
    }

    pub(crate) fn unclog(&mut self, client: ProcessId, member: usize) {
        self.clogged.remove(&(client, member));
    }
}

impl Core {
    fn delay(&mut self, client: ProcessId, member: usize) -> u64 {
        let times = self
            .net
            .clogged
            .get(&(client, member))
            .copied()
            .unwrap_or(1);
        self.random.around(self.net.settings.delay) * times
    }

    /// Puts a packet on its way; `None` is the dial.
    fn put(&mut self, id: u64, towards: Towards, packet: Option<Packet>) {
        let Some(wire) = self.net.wires.get(&id) else {
            return;
        };
        let (client, member) = (wire.client, wire.member);
        let at = self.now + self.delay(client, member);
        let Some(wire) = self.net.wires.get_mut(&id) else {
            return;
        };
        let path = &mut wire.paths[towards as usize];
        path.under_way.push_back(packet);
        path.last_at = path.last_at.max(at);
        let at = path.last_at;
        self.at(at, Event::Arrives(id, towards));
    }

    /// Sends something, the bytes maybe in pieces.
    pub(crate) fn send(&mut self, id: u64, towards: Towards, packet: Packet) {
        let Packet::Bytes(mut bytes) = packet else {
            return self.put(id, towards, Some(packet));
        };
        if self.random.one_in(self.net.settings.chunked_one_in) {
            let most = if self.random.one_in(4) {
                1
            } else {
                bytes.len() as u64
            };
            // Many pieces of one byte say no more than a few.
            for _ in 0..16 {
                let len = self.random.below(most) + 1;
                if len as usize >= bytes.len() {
                    break;
                }
                let piece = bytes.split_to(len as usize);
                self.put(id, towards, Some(Packet::Bytes(piece)));
            }
        }
        self.put(id, towards, Some(Packet::Bytes(bytes)));
    }

    /// What arrives now, unless the path is cut: the dial (`None`) or a packet.
    pub(crate) fn arrive(&mut self, id: u64, towards: Towards) -> Option<Option<Packet>> {
        let wire = self.net.wires.get_mut(&id)?;
        let is_cut = self.net.cuts.contains(&(wire.client, wire.member, towards));
        let path = &mut wire.paths[towards as usize];
        if is_cut {
            path.stopped += 1;
            return None;
        }
        path.under_way.pop_front()
    }

    /// Mends a cut in both directions; what was stopped goes on, late and in order.
    pub(crate) fn mend(&mut self, client: ProcessId, member: usize) {
        for towards in [Towards::Client, Towards::Member] {
            self.net.cuts.remove(&(client, member, towards));
            let of_path = |wire: &Wire| wire.client == client && wire.member == member;
            let mut going_on = Vec::new();
            for (&id, wire) in self.net.wires.iter_mut().filter(|(_, wire)| of_path(wire)) {
                let stopped = std::mem::take(&mut wire.paths[towards as usize].stopped);
                going_on.extend(std::iter::repeat_n(id, stopped));
            }
            for id in going_on {
                let delay = self.delay(client, member);
                self.after(delay, Event::Arrives(id, towards));
            }
        }
    }

    /// A packet reaches the client's end; gives the task to wake.
    pub(crate) fn reach_client(&mut self, id: u64, packet: Packet) -> Option<Waker> {
        let wire = self.net.wires.get_mut(&id)?;
        match packet {
            Packet::Accepted => wire.is_dialled = true,
            Packet::Bytes(bytes) => wire.inbox.extend_from_slice(&bytes),
            packet => {
                wire.ended.get_or_insert(packet);
                if !wire.is_held {
                    self.net.wires.remove(&id);
                    return None;
                }
            }
        }
        wire.waker.take()
    }

    /// Breaks a link; either end may hear of it or not.
    pub(crate) fn reset(&mut self, id: u64, hears: [bool; 2]) {
        for towards in [Towards::Client, Towards::Member] {
            if hears[towards as usize] {
                self.put(id, towards, Some(Packet::Reset));
            }
        }
    }
}

/// Opens a link to a member.
pub(crate) fn dial(
    shared: Arc<Shared>,
    client: ProcessId,
    member: usize,
) -> BoxFuture<'static, Result<Box<dyn Link>, LinkLoss>> {
    let mut link: Option<ClientEnd> = None;
    Box::pin(poll_fn(move |cx| {
        let end = link.get_or_insert_with(|| ClientEnd::new(&shared, client, member));
        let mut core = shared.core();
        let Some(wire) = core.net.wires.get_mut(&end.id) else {
            return Poll::Ready(Err(LinkLoss::Io(io::ErrorKind::ConnectionReset)));
        };
        let outcome = match (&wire.ended, wire.is_dialled) {
            (Some(_), _) => Err(LinkLoss::Io(io::ErrorKind::ConnectionRefused)),
            (None, true) => Ok(()),
            (None, false) => {
                wire.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        };
        drop(core);
        // A link that was refused is closed by its drop.
        let end = link.take().expect("made above");
        Poll::Ready(outcome.map(|()| Box::new(end) as Box<dyn Link>))
    }))
}

/// The client's end of a link.
struct ClientEnd {
    shared: Arc<Shared>,
    id: u64,
}

impl ClientEnd {
    fn new(shared: &Arc<Shared>, client: ProcessId, member: usize) -> Self {
        let mut core = shared.core();
        let id = core.net.next;
        core.net.next += 1;
        let wire = Wire {
            client,
            member,
            is_dialled: false,
            inbox: BytesMut::new(),
            ended: None,
            is_held: true,
            waker: None,
            paths: Default::default(),
        };
        core.net.wires.insert(id, wire);
        core.put(id, Towards::Member, None);
        Self {
            shared: shared.clone(),
            id,
        }
    }
}

impl Link for ClientEnd {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<usize>> {
        let mut core = self.shared.core();
        let Some(wire) = core.net.wires.get_mut(&self.id) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        if !wire.inbox.is_empty() {
            let bytes = wire.inbox.split();
            into.extend_from_slice(&bytes);
            let now = core.now;
            core.record.received(self.id, now, &bytes);
            core.note(&[1, self.id]);
            core.note_bytes(&bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        match wire.ended {
            Some(Packet::End) => Poll::Ready(Ok(0)),
            Some(_) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            None => {
                wire.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut core = self.shared.core();
        let broken = match core.net.wires.get(&self.id) {
            Some(wire) => wire.ended == Some(Packet::Reset),
            None => true,
        };
        if broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let now = core.now;
        core.record.sent(self.id, now, bytes);
        core.note(&[2, self.id]);
        core.note_bytes(bytes);
        let packet = Packet::Bytes(Bytes::copy_from_slice(bytes));
        core.send(self.id, Towards::Member, packet);
        Poll::Ready(Ok(bytes.len()))
    }
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        let mut core = self.shared.core();
        core.record.dropped(self.id);
        let Some(wire) = core.net.wires.get_mut(&self.id) else {
            return;
        };
        wire.is_held = false;
        let waker = wire.waker.take();
        if wire.ended.is_some() {
            core.net.wires.remove(&self.id);
        } else {
            core.put(self.id, Towards::Member, Some(Packet::End));
        }
        drop(core);
        drop(waker);
    }
}
