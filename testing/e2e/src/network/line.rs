//! One connection between two members, and how bytes get along it.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::Shared;
use super::initial::Initial;
use super::packets::Packets;

/// What leads through a door.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    /// Who dials.
    pub(super) from: usize,
    /// Who is dialled, at this port.
    pub(super) to: usize,
    pub(super) port: u16,
    /// On an election port: the dialler's own, as the other side is to see it.
    pub(super) back: Option<u16>,
}

/// A connection that one member made to another.
#[derive(Debug)]
pub(super) struct Line {
    route: Route,
    near: TcpStream,
    /// Nothing if the two were severed when it was made.
    far: Option<TcpStream>,
}

/// Between two drops of a throttled line.
const DRIP: Duration = Duration::from_millis(20);

impl Route {
    /// Whether a learner dials a leader, as opposed to voters one another.
    pub(super) fn learns(&self) -> bool {
        self.back.is_none()
    }
}

impl Line {
    pub(super) fn new(route: Route, near: TcpStream, far: Option<TcpStream>) -> Self {
        Self { route, near, far }
    }

    /// The near end and the far one.
    pub(super) fn ends(&self) -> Option<io::Result<(TcpStream, TcpStream)>> {
        let far = self.far.as_ref()?;
        let near = self.near.try_clone();
        Some(near.and_then(|near| Ok((near, far.try_clone()?))))
    }

    /// Whether one of these ordered pairs is at its ends.
    pub(super) fn is_among(&self, pairs: &BTreeSet<(usize, usize)>) -> bool {
        let Route { from, to, .. } = self.route;
        pairs.contains(&(from, to)) || pairs.contains(&(to, from))
    }

    pub(super) fn close(&self) {
        for end in [Some(&self.near), self.far.as_ref()].into_iter().flatten() {
            // A side may be closed already.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

/// Carries what the dialler says.
pub(super) fn carry_forth(source: TcpStream, target: TcpStream, line: &Line, shared: &Shared) {
    let Route { from, to, back, .. } = line.route;
    let mut initial = back.map(Initial::new);
    carry(
        source,
        target,
        line,
        (from, to),
        shared,
        |bytes| match &mut initial {
            Some(initial) => initial.pass(bytes),
            None => bytes.to_vec(),
        },
    );
}

/// Carries what the dialled one says: on a quorum port a leader, packet by packet.
pub(super) fn carry_back(source: TcpStream, target: TcpStream, line: &Line, shared: &Shared) {
    let Route { from, to, .. } = line.route;
    let mut packets = line.route.learns().then(Packets::default);
    let mut held = Vec::new();
    carry(source, target, line, (to, from), shared, |bytes| {
        let Some(packets) = &mut packets else {
            return bytes.to_vec();
        };
        let mut state = shared.lock();
        let lags = state.lagging == Some(from);
        let mut passing = Vec::new();
        if !lags {
            // Something comes by twice a tick, so nothing is kept for long.
            passing.append(&mut held);
        }
        packets.push(bytes);
        while let Some(packet) = packets.next() {
            let catch_up = packet.catch_up().map(|catch_up| (from, catch_up));
            state.catch_ups.extend(catch_up);
            if lags && packet.is_committed() {
                held.extend(packet.bytes);
                state.held += 1;
                shared.changed.notify_all();
            } else {
                passing.extend(packet.bytes);
            }
        }
        passing
    });
}

/// Carries from the first of the two to the second what `pass` makes of it.
fn carry(
    mut source: TcpStream,
    mut target: TcpStream,
    line: &Line,
    (from, to): (usize, usize),
    shared: &Shared,
    mut pass: impl FnMut(&[u8]) -> Vec<u8>,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        // A reset is an end like any other: the other side must hear of it.
        let len = source.read(&mut buffer).unwrap_or(0);
        let is_severed = |pair| shared.lock().severed.contains(&pair);
        match (len, is_severed((from, to))) {
            (0, true) => return,
            (0, false) => return line.close(),
            (_, true) => continue,
            (_, false) => {}
        }
        let passing = pass(&buffer[..len]);
        let written = drip(&mut target, &passing, (from, to), shared);
        // Of a broken target only that is told which can hear it.
        if written.is_err() && !is_severed((to, from)) {
            return line.close();
        }
    }
}

/// Writes at once, or as slowly as this pair is throttled to.
fn drip(
    target: &mut TcpStream,
    bytes: &[u8],
    pair: (usize, usize),
    shared: &Shared,
) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let rate = shared.lock().throttled.get(&pair).copied();
        let Some(rate) = rate else {
            return target.write_all(rest);
        };
        let len = (f64::from(rate) * DRIP.as_secs_f64()) as usize;
        let (drop, later) = rest.split_at(len.clamp(1, rest.len()));
        target.write_all(drop)?;
        rest = later;
        let next = Instant::now() + DRIP;
        let mut state = shared.lock();
        while state.throttled.contains_key(&pair) {
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = shared.wait(state, left);
        }
    }
    Ok(())
}
