//! One connection: two sockets and two threads, each of which carries one direction.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use super::frames::{Namer, Piece, Splitter};
use super::rule::{Action, Direction};
use super::{Seen, Shared};

/// A connection of a client, and the one made for it to the server.
///
/// The sockets live as long as this does, so ending a thread sends nothing: a silenced connection
/// stays open until it is cut.
#[derive(Debug)]
pub(super) struct Link {
    number: usize,
    client: TcpStream,
    server: TcpStream,
    namer: Mutex<Namer>,
    silent: AtomicBool,
    over: AtomicBool,
}

impl Link {
    pub(super) fn new(number: usize, client: TcpStream, server: TcpStream) -> Self {
        for socket in [&client, &server] {
            // Frames are to arrive when they are written; without it they merely come later.
            let _ = socket.set_nodelay(true);
        }
        let (silent, over) = (AtomicBool::new(false), AtomicBool::new(false));
        Self {
            number,
            client,
            server,
            namer: Mutex::default(),
            silent,
            over,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !self.over.load(Ordering::SeqCst)
    }

    /// Closes both sides at once.
    pub(super) fn cut(&self) {
        self.over.store(true, Ordering::SeqCst);
        // A side may be closed already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// From now on swallows everything, including the news that a side has closed.
    pub(super) fn silence(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::SeqCst)
    }

    fn name(&self, direction: Direction, frame: &[u8]) -> i32 {
        let mut namer = self
            .namer
            .lock()
            .expect("no thread panics while it names a frame");
        match direction {
            Direction::Request => namer.request(frame),
            Direction::Reply => namer.reply(frame),
        }
    }
}

/// Starts the two threads of a connection. A broken socket on either side ends both.
pub(super) fn start(link: &Arc<Link>, shared: &Arc<Shared>) {
    for direction in [Direction::Request, Direction::Reply] {
        let (link, shared) = (Arc::clone(link), Arc::clone(shared));
        thread::spawn(move || {
            let carried = carry(&link, &shared, direction);
            if carried.is_err() && !link.is_silent() {
                link.cut();
            }
        });
    }
}

fn carry(link: &Link, shared: &Shared, direction: Direction) -> io::Result<()> {
    let (mut source, mut target) = match direction {
        Direction::Request => (&link.client, &link.server),
        Direction::Reply => (&link.server, &link.client),
    };
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        // A reset is an end like any other: the other side must hear of it.
        let len = source.read(&mut buffer).unwrap_or(0);
        if len == 0 {
            break;
        }
        splitter.push(&buffer[..len]);
        while let Some(piece) = splitter.next() {
            if link.is_silent() {
                continue;
            }
            let frame = match piece {
                Piece::Raw(bytes) => {
                    target.write_all(&bytes)?;
                    continue;
                }
                Piece::Frame(frame) => frame,
            };
            let opcode = link.name(direction, &frame);
            let seen = Seen {
                connection: link.number,
                direction,
                opcode,
                at: Instant::now(),
            };
            let Some((number, action)) = shared.judge(seen) else {
                target.write_all(&frame)?;
                continue;
            };
            match action {
                Action::BlackHole => link.silence(),
                Action::Cut => link.cut(),
                Action::CutAt(len) => {
                    // The client may be gone already, and then the cut is all that is left to do.
                    let _ = target.write_all(&frame[..len.min(frame.len())]);
                    link.cut();
                }
                Action::Drop | Action::Hold => {}
            }
            shared.done(number);
            if action == Action::Hold {
                shared.await_release(number, link);
                if !link.is_silent() {
                    target.write_all(&frame)?;
                }
            }
            if !link.is_open() {
                return Ok(());
            }
        }
    }
    if !link.is_silent() {
        if let Some(rest) = splitter.rest() {
            target.write_all(&rest)?;
        }
        target.shutdown(Shutdown::Write)?;
        if direction == Direction::Reply {
            // Nothing will be answered any more, so the connection is over for both.
            link.cut();
        }
    }
    Ok(())
}
