//! A TCP proxy that understands frames, and breaks connections exactly where a test says.
//!
//! Most faults that matter to a client are about one moment: the server has done what was asked,
//! and the answer never comes. To hit that moment every time, the proxy cuts the byte stream into
//! frames, remembers which opcode each xid belongs to, and applies a [`Rule`] to the n-th frame of
//! a kind. Nothing depends on timing: a rule counts frames from its installation on, over all
//! connections, and [`Armed::await_fired`] tells when it struck.
//!
//! ```no_run
//! use lockkeeper_e2e::proxy::{Action, Proxy, Rule, op};
//! use std::time::Duration;
//!
//! # fn main() -> std::io::Result<()> {
//! let proxy = Proxy::start("127.0.0.1:2181".parse().expect("an address"))?;
//! let lost = proxy.install(Rule::reply(op::CREATE).nth(1).then(Action::Cut));
//! // ... a client connected to proxy.address() creates a znode and loses its connection ...
//! lost.await_fired(Duration::from_secs(10))?;
//! # Ok(()) }
//! ```
//!
//! Besides rules, the whole proxy can cut, swallow or refuse connections and lead new ones to
//! another server. A stream that does not look like frames, such as a four-letter word, passes
//! through as it is.

mod frames;
mod pump;
mod rule;

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

pub use frames::op;
pub use rule::{Action, Direction, Rule};

use pump::Link;
use rule::Counter;

/// A proxy on a loopback port of its own. Dropping it cuts everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// A rule in force.
#[derive(Debug)]
pub struct Armed {
    number: usize,
    shared: Arc<Shared>,
}

/// One frame that came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Connections count from 0 in the order of their acceptance.
    pub connection: usize,
    /// Which way it went.
    pub direction: Direction,
    /// Its opcode; of a reply, the opcode of its request.
    pub opcode: i32,
    /// When it came by: before the other side had it.
    pub at: Instant,
}

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    upstream: SocketAddr,
    gate: Gate,
    /// By number; emptied some time after the end of the connection.
    links: Vec<Option<Arc<Link>>>,
    rules: Vec<Counter>,
    seen: Vec<Seen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// Connections are accepted and led upstream.
    Open,
    /// Connections are accepted, and nothing is ever answered.
    Silent,
    /// Nobody listens: the system refuses connections.
    Shut,
    /// The proxy is gone.
    Dropped,
}

/// Sockets are closed only when so many later connections exist. Closing one that has unread bytes
/// sends RST, and a client might see that instead of the end it was to see.
const LINKS_KEPT: usize = 100;

impl Proxy {
    /// Listens on a loopback port and leads connections to `upstream`.
    pub fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = State {
            upstream,
            gate: Gate::Open,
            links: Vec::new(),
            rules: Vec::new(),
            seen: Vec::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let for_thread = Arc::clone(&shared);
        thread::spawn(move || listen(listener, address, &for_thread));
        Ok(Self { address, shared })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// [`Proxy::address`] as clients write it.
    pub fn connect_string(&self) -> String {
        self.address.to_string()
    }

    /// Puts a rule in force. Several may be; the first that applies to a frame decides its fate.
    pub fn install(&self, rule: Rule) -> Armed {
        let mut state = self.shared.lock();
        state.rules.push(Counter::new(rule));
        Armed {
            number: state.rules.len() - 1,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Cuts every connection on both sides. New ones are accepted.
    pub fn cut(&self) {
        for link in self.shared.lock().links.iter().flatten() {
            link.cut();
        }
    }

    /// From now on nothing passes in either direction, on old connections and new ones, and
    /// nobody is told: no FIN, no RST.
    pub fn black_hole(&self) {
        let mut state = self.shared.lock();
        state.gate = Gate::Silent;
        for link in state.links.iter().flatten() {
            link.silence();
        }
    }

    /// Stops listening, so that new connections are refused; returns once that is so.
    /// Connections already made stay.
    pub fn refuse(&self) -> io::Result<()> {
        self.shared.lock().gate = Gate::Shut;
        crate::wait::until("refusal", crate::wait::PATIENCE, || {
            TcpStream::connect(self.address).is_err().then_some(())
        })
    }

    /// Ends [`Proxy::refuse`] and [`Proxy::black_hole`] for new connections. Connections that were
    /// silenced stay silent.
    pub fn admit(&self) -> io::Result<()> {
        let before = std::mem::replace(&mut self.shared.lock().gate, Gate::Open);
        self.shared.changed.notify_all();
        if before != Gate::Shut {
            return Ok(());
        }
        crate::wait::until("a listener", crate::wait::PATIENCE, || {
            TcpStream::connect(self.address).ok().map(drop)
        })
    }

    /// Leads connections accepted from now on to another server.
    pub fn redirect(&self, upstream: SocketAddr) {
        self.shared.lock().upstream = upstream;
    }

    /// Every frame that came by whole, in order of arrival, whatever became of it.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// How many frames of a kind came by.
    pub fn count(&self, direction: Direction, opcode: i32) -> usize {
        let state = self.shared.lock();
        state
            .seen
            .iter()
            .filter(|s| s.direction == direction && s.opcode == opcode)
            .count()
    }

    /// Connections that are neither cut nor closed.
    pub fn connections(&self) -> usize {
        self.shared
            .lock()
            .links
            .iter()
            .flatten()
            .filter(|link| link.is_open())
            .count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().gate = Gate::Dropped;
        self.shared.changed.notify_all();
        self.cut();
        // Wakes a thread that sits in accept.
        let _ = TcpStream::connect(self.address);
    }
}

impl Armed {
    /// Waits until the rule has struck.
    pub fn await_fired(&self, patience: Duration) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.lock();
        while !state.rules[self.number].fired() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let rule = &state.rules[self.number];
                let text = format!("{rule:?} did not strike within {patience:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            state = self.shared.wait(state, left);
        }
        Ok(())
    }

    /// Whether the rule has struck.
    pub fn fired(&self) -> bool {
        self.shared.lock().rules[self.number].fired()
    }

    /// Lets a frame go that [`Action::Hold`] keeps, or keeps it from being held at all.
    pub fn release(&self) {
        self.shared.lock().rules[self.number].release();
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no thread panics while it holds the proxy's state")
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, left: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, left);
        waited
            .expect("no thread panics while it holds the proxy's state")
            .0
    }

    /// Notes a frame and asks the rules about it. Whoever gets a verdict carries it out, and then
    /// calls [`Shared::done`] with its number.
    fn judge(&self, seen: Seen) -> Option<(usize, Action)> {
        let mut state = self.lock();
        state.seen.push(seen);
        let mut verdict = None;
        for (number, rule) in state.rules.iter_mut().enumerate() {
            // Every rule counts the frame, also behind one that takes it.
            let strikes = rule.count(seen.direction, seen.opcode);
            if strikes && verdict.is_none() {
                verdict = Some((number, rule.action()));
            }
        }
        verdict
    }

    /// Lets those know who wait for a rule to strike. Not before its deed is done: what they do
    /// next must meet a connection that is already cut or silent.
    fn done(&self, number: usize) {
        self.lock().rules[number].strike();
        self.changed.notify_all();
    }

    /// Blocks until a held frame may go or its connection is over.
    fn await_release(&self, number: usize, link: &Link) {
        let mut state = self.lock();
        while !state.rules[number].released() && link.is_open() {
            state = self.wait(state, Duration::from_millis(100));
        }
    }
}

/// Accepts connections while the gate allows it; binds the same port again after a refusal.
fn listen(mut listener: TcpListener, address: SocketAddr, shared: &Arc<Shared>) {
    loop {
        let accepted = listener.accept();
        let state = shared.lock();
        match (state.gate, accepted) {
            (Gate::Dropped, _) => return,
            (Gate::Shut, accepted) => {
                drop(accepted);
                drop(listener);
                if !await_gate(state, shared) {
                    return;
                }
                match TcpListener::bind(address) {
                    Ok(again) => listener = again,
                    Err(error) => panic!("the proxy cannot have its port {address} back: {error}"),
                }
            }
            (gate, Ok((client, _))) => {
                let upstream = state.upstream;
                let number = state.links.len();
                drop(state);
                admit(client, upstream, gate, number, shared);
            }
            (_, Err(_)) => {}
        }
    }
}

/// Waits while the gate is shut; false if the proxy is gone.
fn await_gate(mut state: MutexGuard<'_, State>, shared: &Shared) -> bool {
    while state.gate == Gate::Shut {
        state = shared.wait(state, Duration::from_secs(1));
    }
    state.gate != Gate::Dropped
}

fn admit(client: TcpStream, upstream: SocketAddr, gate: Gate, number: usize, shared: &Arc<Shared>) {
    // A dead server looks to the client as through any other proxy: accepted, then closed.
    let Ok(server) = TcpStream::connect(upstream) else {
        let _ = client.shutdown(Shutdown::Both);
        return;
    };
    let link = Arc::new(Link::new(number, client, server));
    if gate == Gate::Silent {
        link.silence();
    }
    let mut state = shared.lock();
    state.links.push(Some(Arc::clone(&link)));
    let kept = state.links.len().saturating_sub(LINKS_KEPT);
    for slot in &mut state.links[..kept] {
        slot.take_if(|link| !link.is_open());
    }
    drop(state);
    pump::start(&link, shared);
}

#[cfg(test)]
mod tests;
