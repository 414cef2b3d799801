//! The network between the members of an ensemble of Apache's, cut and slowed on command.
//!
//! Members tell each other their addresses, so a proxy that only stands in their configuration is
//! soon gone round. But a JVM leads every connection it makes through the SOCKS server that its
//! properties name: here, one for each member. What clients connect to is not touched.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::server::Settings;

mod packets;

use packets::Packets;

/// The connections between members, who count from 0 in the order of their ids.
#[derive(Debug)]
pub struct Network {
    /// Where each member's SOCKS server listens.
    doors: Vec<u16>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Who listens on a port, and whether learners dial it, as opposed to voters.
    owners: BTreeMap<u16, (usize, bool)>,
    /// Pairs that hear nothing of each other, both ways round.
    severed: BTreeSet<(usize, usize)>,
    /// Who learns of commits only later.
    lagging: Option<usize>,
    /// Packets held back since then.
    held: usize,
    lines: Vec<Arc<Line>>,
    over: bool,
}

/// A connection that `from` made to `to`.
#[derive(Debug)]
struct Line {
    from: usize,
    to: usize,
    /// The near end, and the far one unless the two were severed when it was made.
    ends: Vec<TcpStream>,
}

impl Network {
    /// A SOCKS server for each member; the members' ports follow by [`Network::admit`].
    pub(crate) fn start(members: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut doors = Vec::new();
        for member in 0..members {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            doors.push(listener.local_addr()?.port());
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(&listener, member, &shared));
        }
        Ok(Self { doors, shared })
    }

    /// A member listens on these ports.
    pub(crate) fn admit(&self, member: usize, quorum_port: u16, election_port: u16) {
        let mut state = self.shared.lock();
        state.owners.insert(quorum_port, (member, true));
        state.owners.insert(election_port, (member, false));
    }

    /// The settings with which a member makes its connections through here.
    pub(crate) fn through(&self, member: usize, settings: &Settings) -> Settings {
        settings
            .clone()
            .property("socksProxyHost", "127.0.0.1")
            .property("socksProxyPort", &self.doors[member].to_string())
            // Else what is on loopback is left out.
            .property("socksNonProxyHosts", "")
    }

    /// From now on nothing passes between the two, and neither is told: no FIN, no RST.
    pub fn sever(&self, one: usize, other: usize) {
        let mut state = self.shared.lock();
        state.severed.extend([(one, other), (other, one)]);
    }

    /// Severs a member from all others.
    pub fn isolate(&self, member: usize) {
        for other in (0..self.doors.len()).filter(|&other| other != member) {
            self.sever(member, other);
        }
    }

    /// Everybody can reach everybody again, over new connections where the old ones lost bytes.
    pub fn heal(&self) {
        let mut state = self.shared.lock();
        let severed = std::mem::take(&mut state.severed);
        for line in &state.lines {
            if severed.contains(&(line.from, line.to)) {
                line.close();
            }
        }
    }

    /// From now on a follower hears of no commit and of no `sync` that passed. All else goes on, so
    /// it follows and serves: a member that applies late.
    pub fn hold_commits(&self, member: usize) {
        let mut state = self.shared.lock();
        (state.lagging, state.held) = (Some(member), 0);
    }

    /// Waits until so many packets are held back.
    pub fn await_held(&self, count: usize, patience: Duration) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.lock();
        while state.held < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = format!("{} packets held, not {count}", state.held);
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.expect("no thread panics while it holds the state").0;
        }
        Ok(())
    }

    /// Lets what was held back go, in its order.
    pub fn release_commits(&self) {
        self.shared.lock().lagging = None;
        self.shared.changed.notify_all();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        (state.over, state.lagging) = (true, None);
        for line in &state.lines {
            line.close();
        }
        drop(state);
        self.shared.changed.notify_all();
        for &port in &self.doors {
            // Wakes a thread that sits in accept.
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no thread panics while it holds the state")
    }
}

impl Line {
    fn close(&self) {
        for end in &self.ends {
            // A side may be closed already.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, from: usize, shared: &Arc<Shared>) {
    for near in listener.incoming() {
        if shared.lock().over {
            return;
        }
        if let Ok(near) = near {
            let shared = Arc::clone(shared);
            // An error ends the connection, which is all there is to say.
            thread::spawn(move || connect(near, from, &shared));
        }
    }
}

/// Reads where to, connects and carries both ways.
fn connect(mut near: TcpStream, from: usize, shared: &Arc<Shared>) -> io::Result<()> {
    near.set_nodelay(true)?;
    let port = read_target(&mut near)?;
    let mut state = shared.lock();
    let &(to, learns) = state
        .owners
        .get(&port)
        .ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut ends = vec![near.try_clone()?];
    let far = if state.severed.contains(&(from, to)) {
        None
    } else {
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        far.set_nodelay(true)?;
        ends.push(far.try_clone()?);
        Some(far)
    };
    let line = Arc::new(Line { from, to, ends });
    state.lines.push(Arc::clone(&line));
    drop(state);
    let Some(far) = far else {
        return Ok(());
    };
    near.write_all(&GRANTED)?;
    let (back, behind) = (far.try_clone()?, near.try_clone()?);
    let (line_back, shared_back) = (Arc::clone(&line), Arc::clone(shared));
    thread::spawn(move || carry(back, behind, &line_back, learns, &shared_back));
    carry(near, far, &line, false, shared);
    Ok(())
}

/// `succeeded`, with an address that nobody reads.
const GRANTED: [u8; 10] = [5, 0, 0, 1, 127, 0, 0, 1, 0, 0];

/// The greeting and the request of RFC 1928, as a JVM sends them: no login, `CONNECT`, IPv4.
fn read_target(near: &mut TcpStream) -> io::Result<u16> {
    let mut greeting = [0; 2];
    near.read_exact(&mut greeting)?;
    let mut methods = vec![0; greeting[1].into()];
    near.read_exact(&mut methods)?;
    near.write_all(&[5, 0])?;
    let mut request = [0; 10];
    near.read_exact(&mut request)?;
    match request {
        [5, 1, 0, 1, _, _, _, _, high, low] => Ok(u16::from_be_bytes([high, low])),
        _ => Err(io::Error::other(format!("not understood: {request:?}"))),
    }
}

/// Carries one direction; `learns` if it leads from a leader to its learner.
fn carry(mut source: TcpStream, mut target: TcpStream, line: &Line, learns: bool, shared: &Shared) {
    let mut packets = learns.then(Packets::default);
    let mut held = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        // A reset is an end like any other: the other side must hear of it.
        let len = source.read(&mut buffer).unwrap_or(0);
        let mut state = shared.lock();
        match (len, state.severed.contains(&(line.from, line.to))) {
            (0, true) => return,
            (0, false) => return line.close(),
            (_, true) => continue,
            (_, false) => {}
        }
        let mut passing = Vec::new();
        if let Some(packets) = &mut packets {
            let lags = state.lagging == Some(line.from);
            if !lags {
                // Something comes by twice a tick, so nothing is kept for long.
                passing.append(&mut held);
            }
            packets.push(&buffer[..len]);
            while let Some(packet) = packets.next() {
                if lags && packet.is_committed() {
                    held.extend(packet.bytes);
                    state.held += 1;
                    shared.changed.notify_all();
                } else {
                    passing.extend(packet.bytes);
                }
            }
        } else {
            passing.extend_from_slice(&buffer[..len]);
        }
        drop(state);
        if target.write_all(&passing).is_err() {
            return line.close();
        }
    }
}
