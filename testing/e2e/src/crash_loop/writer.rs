//! One writer: what it was told, and whether it is there.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use crate::raw::{Raw, Reply};

/// Requests of a writer under way at a time.
const DEPTH: usize = 32;

/// What one writer knows.
#[derive(Debug)]
pub(super) struct Writer {
    name: String,
    /// The number of the next write; writes whose fate is unknown keep theirs.
    next: usize,
    spells: Vec<Spell>,
    pub(super) acknowledged: usize,
}

/// What came of one connection.
#[derive(Clone, Debug)]
struct Spell {
    /// Numbers of acknowledged creates.
    creates: Range<usize>,
    /// Numbers that the connection's register may hold: from the last set that was acknowledged to
    /// the last that was sent.
    sets: Range<usize>,
}

impl Writer {
    pub(super) fn new(number: usize) -> Self {
        Self {
            name: format!("/writer-{number}"),
            next: 1,
            spells: Vec::new(),
            acknowledged: 0,
        }
    }

    fn child(&self, number: usize) -> String {
        format!("{}/{number}", self.name)
    }

    fn register(&self, first: usize) -> String {
        format!("{}/from-{first}", self.name)
    }

    /// Writes until the connection ends, or until it is told to be `over` and everything is
    /// answered: each number is created, then set on the connection's register.
    pub(super) fn write(
        &mut self,
        mut raw: Raw,
        told: &mpsc::Sender<()>,
        over: &AtomicBool,
    ) -> io::Result<()> {
        let first = self.next;
        let register = self.register(first);
        for path in [&self.name, &register] {
            // No server to send it to is no reply.
            let _ = raw.send_create(path, b"0");
            match raw.reply()? {
                // NodeExists: from an earlier connection.
                Some(Reply { err: 0 | -110, .. }) => {}
                Some(reply) => return Err(self.lost(&format!("create answered {}", reply.err))),
                None => {
                    self.next += 1;
                    return Ok(());
                }
            }
        }
        let mut answered = 0;
        let mut spell = Spell {
            creates: first..first,
            sets: 0..1,
        };
        loop {
            while !over.load(Ordering::Relaxed) && self.next - first < answered / 2 + DEPTH {
                let value = self.next.to_string();
                let sent = raw.send_create(&self.child(self.next), value.as_bytes());
                if sent
                    .and_then(|()| raw.send_set(&register, value.as_bytes()))
                    .is_err()
                {
                    break;
                }
                self.next += 1;
                spell.sets.end = self.next;
            }
            let is_done = over.load(Ordering::Relaxed) && answered == 2 * (self.next - first);
            let reply = if is_done { None } else { raw.reply()? };
            let Some(reply) = reply else {
                spell.creates.end = first + answered.div_ceil(2);
                self.spells.push(spell);
                // Also the number that could not be sent whole is not used again.
                self.next += 1;
                return Ok(());
            };
            if reply.err != 0 {
                return Err(self.lost(&format!("a new znode answered {}", reply.err)));
            }
            if answered % 2 == 1 {
                spell.sets.start = first + answered / 2;
            }
            answered += 1;
            self.acknowledged += 1;
            // Nobody counts any more once the end has been decided.
            let _ = told.send(());
        }
    }

    /// Looks for what its last connection was told.
    pub(super) fn check_latest(&self, address: SocketAddr) -> io::Result<()> {
        self.check(address, self.spells.last())
    }

    /// Looks for everything that it was ever told.
    pub(super) fn check_all(&self, address: SocketAddr) -> io::Result<()> {
        self.check(address, &self.spells)
    }

    fn check<'a>(
        &self,
        address: SocketAddr,
        spells: impl IntoIterator<Item = &'a Spell>,
    ) -> io::Result<()> {
        let mut raw = Raw::connect(address)?;
        raw.sync()?;
        for spell in spells {
            for number in spell.creates.clone() {
                let path = self.child(number);
                let data = raw.data(&path)?;
                if data.as_deref() != Some(number.to_string().as_bytes()) {
                    return Err(self.lost(&format!("{path} holds {data:?}")));
                }
            }
            let register = self.register(spell.creates.start);
            let value = raw.data(&register)?;
            let text = value.as_deref().map(String::from_utf8_lossy);
            let number = text.as_deref().and_then(|text| text.parse().ok());
            let possible = &spell.sets;
            if !number.is_some_and(|number| possible.contains(&number)) {
                let text = format!("{register}: {text:?} is none of {possible:?}");
                return Err(self.lost(&text));
            }
        }
        Ok(())
    }

    fn lost(&self, what: &str) -> io::Error {
        io::Error::other(format!(
            "{}: an acknowledged write is lost: {what}",
            self.name
        ))
    }
}
