//! The network between the members of an ensemble of any make: cut, also one way only, and slowed.
//!
//! Each member gets a configuration of its own, in which the others' ports are doors of this
//! network: a quorum and an election port for every ordered pair. Members also tell each other their
//! election addresses, and dial what they were told. So what a dialler says first is rewritten on
//! its way: the address in it becomes the door that leads back. What clients connect to is not
//! touched.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::member::Member;
use crate::wait;

mod initial;
mod line;
mod packets;

use line::{Line, Route};

/// How a leader began to bring a learner up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUp {
    /// With the transactions that the learner lacks, or nothing.
    Diff,
    /// With the order to cut the end of its log off.
    Trunc,
    /// With the whole tree.
    Snap,
}

/// A dialler finds the leader's port closed for a moment after an election, is refused and tries
/// again. Through a door it would see an end instead, so the line tries in its place.
const REFUSED_MAX: Duration = Duration::from_millis(500);

/// The connections between members, who count from 0 in the order of their ids.
#[derive(Debug)]
pub struct Network {
    doors: BTreeMap<(usize, usize), Door>,
    shared: Arc<Shared>,
}

/// Where one member finds another.
#[derive(Clone, Copy, Debug)]
struct Door {
    quorum_port: u16,
    election_port: u16,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Who is not heard by whom.
    severed: BTreeSet<(usize, usize)>,
    /// Bytes a second from whom to whom.
    throttled: BTreeMap<(usize, usize), u32>,
    /// Who learns of commits only later.
    lagging: Option<usize>,
    /// Packets held back since then.
    held: usize,
    /// In the order they were sent, with the learner's number.
    catch_ups: Vec<(usize, CatchUp)>,
    lines: Vec<Arc<Line>>,
    over: bool,
}

impl Network {
    /// Opens the doors between members with these ports.
    pub(crate) fn start(members: &[Member]) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut doors = BTreeMap::new();
        let mut listeners = Vec::new();
        for from in 0..members.len() {
            for to in (0..members.len()).filter(|&to| to != from) {
                let (quorum, election) = (listen()?, listen()?);
                let door = Door {
                    quorum_port: quorum.local_addr()?.port(),
                    election_port: election.local_addr()?.port(),
                };
                doors.insert((from, to), door);
                listeners.push((from, to, quorum, election));
            }
        }
        for (from, to, quorum, election) in listeners {
            let member = &members[to];
            let back = Some(doors[&(to, from)].election_port);
            for (listener, port, back) in [
                (quorum, member.quorum_port, None),
                (election, member.election_port, back),
            ] {
                let shared = Arc::clone(&shared);
                let route = Route {
                    from,
                    to,
                    port,
                    back,
                };
                thread::spawn(move || accept(&listener, route, &shared));
            }
        }
        Ok(Self { doors, shared })
    }

    /// The members' ports as one of them is to see them: its own, and doors to the others.
    pub(crate) fn seen_by(&self, from: usize, members: &[Member]) -> Vec<Member> {
        let mut seen = members.to_vec();
        for (to, member) in seen.iter_mut().enumerate() {
            if let Some(door) = self.doors.get(&(from, to)) {
                member.quorum_port = door.quorum_port;
                member.election_port = door.election_port;
            }
        }
        seen
    }

    /// From now on nothing passes between the two, and neither is told: no FIN, no RST.
    pub fn sever(&self, one: usize, other: usize) {
        let mut state = self.shared.lock();
        state.severed.extend([(one, other), (other, one)]);
    }

    /// Severs a member from all others.
    pub fn isolate(&self, member: usize) {
        self.mute(member);
        self.deafen(member);
    }

    /// From now on nobody hears a member, which goes on hearing them over the connections it has.
    /// None is made anew: that takes both ways.
    pub fn mute(&self, member: usize) {
        let pairs = self.others(member).map(|other| (member, other));
        self.shared.lock().severed.extend(pairs);
    }

    /// From now on a member hears nobody, but is heard over the connections it has.
    pub fn deafen(&self, member: usize) {
        let pairs = self.others(member).map(|other| (other, member));
        self.shared.lock().severed.extend(pairs);
    }

    /// From now on so many bytes a second pass between a member and each of the others, each way.
    pub fn throttle(&self, member: usize, bytes_per_second: u32) {
        let mut state = self.shared.lock();
        for other in self.others(member) {
            for pair in [(member, other), (other, member)] {
                state.throttled.insert(pair, bytes_per_second);
            }
        }
    }

    /// Everybody can reach everybody again at full speed, over new connections where the old ones
    /// lost bytes.
    pub fn heal(&self) {
        let mut state = self.shared.lock();
        state.throttled.clear();
        let severed = std::mem::take(&mut state.severed);
        for line in &state.lines {
            if line.is_among(&severed) {
                line.close();
            }
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// How leaders began to bring a member up to date so far, the latest last.
    pub fn catch_ups(&self, learner: usize) -> Vec<CatchUp> {
        let state = self.shared.lock();
        let all = state.catch_ups.iter();
        let own = all.filter(|(member, _)| *member == learner);
        own.map(|&(_, catch_up)| catch_up).collect()
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
            state = self.shared.wait(state, left);
        }
        Ok(())
    }

    /// Lets what was held back go, in its order.
    pub fn release_commits(&self) {
        self.shared.lock().lagging = None;
        self.shared.changed.notify_all();
    }

    fn others(&self, member: usize) -> impl Iterator<Item = usize> {
        let pairs = self.doors.keys().filter(move |(from, _)| *from == member);
        pairs.map(|&(_, to)| to)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        (state.over, state.lagging) = (true, None);
        state.throttled.clear();
        for line in &state.lines {
            line.close();
        }
        drop(state);
        self.shared.changed.notify_all();
        for door in self.doors.values() {
            for port in [door.quorum_port, door.election_port] {
                // Wakes a thread that sits in accept.
                let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no thread panics while it holds the state")
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, left: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, left);
        waited.expect("no thread panics while it holds the state").0
    }
}

fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

fn accept(listener: &TcpListener, route: Route, shared: &Arc<Shared>) {
    for near in listener.incoming() {
        if shared.lock().over {
            return;
        }
        if let Ok(near) = near {
            let shared = Arc::clone(shared);
            // An error ends the connection, which is all there is to say.
            thread::spawn(move || connect(near, route, &shared));
        }
    }
}

/// Connects and carries both ways.
fn connect(near: TcpStream, route: Route, shared: &Arc<Shared>) -> io::Result<()> {
    near.set_nodelay(true)?;
    let patience = match route.learns() {
        true => REFUSED_MAX,
        false => Duration::ZERO,
    };
    let line = wait::until("the other side", patience, || {
        reach(&near, route, shared).ok()
    });
    let Ok(line) = line else {
        return near.shutdown(Shutdown::Both);
    };
    if let Some(ends) = line.ends() {
        let (line_back, shared_back) = (Arc::clone(&line), Arc::clone(shared));
        let (near, far) = ends?;
        let (behind, back) = (near.try_clone()?, far.try_clone()?);
        thread::spawn(move || line::carry_back(back, behind, &line_back, &shared_back));
        line::carry_forth(near, far, &line, shared);
    }
    Ok(())
}

/// A line to the other side, or to nowhere if the two do not hear each other.
fn reach(near: &TcpStream, route: Route, shared: &Shared) -> io::Result<Arc<Line>> {
    let mut state = shared.lock();
    let (from, to) = (route.from, route.to);
    let severed = [(from, to), (to, from)]
        .iter()
        .any(|pair| state.severed.contains(pair));
    let far = if severed {
        None
    } else {
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, route.port))?;
        far.set_nodelay(true)?;
        Some(far)
    };
    let line = Arc::new(Line::new(route, near.try_clone()?, far));
    state.lines.push(Arc::clone(&line));
    Ok(line)
}

#[cfg(test)]
mod tests;
