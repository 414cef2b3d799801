//! What clients do: the real client and the real recipes, with an oracle for each workload.
//!
//! What a checker can read off the wire needs no word from here. What cannot be read there - how an
//! attempt ended for its caller, who believes to hold a lock, which watch a program waits for - is
//! entered into the record before it is tried, so that a process that is killed leaves no gap.

mod counter;
mod ephemerals;
mod lifetimes;
mod lock;
mod queue;
mod registers;
mod secrets;
mod sets;
mod watching;

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use lockkeeper::{Client, CreateMode, Error, ErrorCode};
use lockkeeper_check::counts::Outcome;
use lockkeeper_recipes::LockError;

use crate::core::{Core, ProcessId, Shared};
use crate::executor::{Process, sleep};
use crate::random::Random;

/// Znodes whose data is a register.
pub(crate) const REGISTERS: &str = "/reg-";
/// A list that only grows.
pub(crate) const LIST: &str = "/list";
/// A set of names.
pub(crate) const SET: &str = "/set";
/// A number.
pub(crate) const COUNTER: &str = "/counter";
/// Parent of ephemerals.
pub(crate) const LIVE: &str = "/live";
/// A queue.
pub(crate) const QUEUE: &str = "/queue";
/// Registers there are.
const REGISTER_COUNT: u64 = 3;

/// The workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Ephemerals,
    Lifetimes,
    Lock,
    Owner,
    Queue,
    Reader,
    Registers,
    Sets,
    Watching,
}

/// All of them; the more often one is named, the more often it is drawn.
pub(crate) const KINDS: &[Kind] = &[
    Kind::Counter,
    Kind::Ephemerals,
    Kind::Lifetimes,
    Kind::Lock,
    Kind::Lock,
    Kind::Owner,
    Kind::Queue,
    Kind::Reader,
    Kind::Registers,
    Kind::Registers,
    Kind::Sets,
    Kind::Watching,
    Kind::Watching,
];

/// One client's program.
pub(crate) struct Actor {
    pub(crate) shared: Arc<Shared>,
    pub(crate) process: Arc<Process>,
    pub(crate) id: ProcessId,
    pub(crate) random: Random,
    pub(crate) servers: String,
    pub(crate) session_timeout: Duration,
    /// Around so long between two operations, microseconds.
    pub(crate) think: u64,
    pub(crate) call_timeout: Option<Duration>,
}

/// How a session's program ended.
pub(crate) type Session = Result<(), Error>;

impl Actor {
    pub(crate) async fn run(mut self, kind: Kind) {
        loop {
            let client = self.connect(kind).await;
            let done = match kind {
                Kind::Counter => counter::run(&mut self, &client).await,
                Kind::Ephemerals => ephemerals::run(&mut self, &client).await,
                Kind::Lifetimes => lifetimes::run(&mut self, &client).await,
                Kind::Lock => lock::run(&mut self, &client).await,
                Kind::Owner => secrets::own(&mut self, &client).await,
                Kind::Queue => queue::run(&mut self, &client).await,
                Kind::Reader => secrets::read(&mut self, &client).await,
                Kind::Registers => registers::run(&mut self, &client).await,
                Kind::Sets => sets::run(&mut self, &client).await,
                Kind::Watching => watching::run(&mut self, &client).await,
            };
            self.core().record.abandoned.insert(client.session_id());
            if done.is_ok() && self.is_healing() {
                // Whether a session is closed or left to expire is another coin.
                if self.random.one_in(2) {
                    drop(client.close().await);
                }
                break;
            }
        }
        let mut core = self.core();
        core.finished += 1;
        let (now, id) = (core.now / 1000, self.id);
        core.record
            .trace(|| format!("{now} ms: client {id} has finished its {kind:?}"));
    }

    /// A session, however long it takes.
    async fn connect(&mut self, kind: Kind) -> Client {
        loop {
            let mut builder = Client::builder(self.servers.clone())
                .session_timeout(self.session_timeout)
                .connect_timeout(Duration::from_secs(5))
                .runtime(self.process.clone());
            if let Some(after) = self.call_timeout {
                builder = builder.call_timeout(after);
            }
            if kind == Kind::Owner {
                builder = builder.auth("digest", "owner:secret");
            }
            match builder.connect().await {
                Ok(client) => return client,
                Err(_) => self.think().await,
            }
        }
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.shared.core()
    }

    pub(crate) fn is_healing(&self) -> bool {
        self.core().healing
    }

    pub(crate) fn reach(&self, what: &'static str) {
        self.core().record.reach(what);
    }

    /// Waits a while.
    pub(crate) async fn think(&mut self) {
        let micros = self.random.around(self.think);
        sleep(&self.process, micros).await;
    }

    pub(crate) async fn sleep(&self, micros: u64) {
        sleep(&self.process, micros).await;
    }

    pub(crate) fn register(&mut self) -> String {
        format!("{REGISTERS}{}", self.random.below(REGISTER_COUNT))
    }

    /// Data that no other write has.
    pub(crate) fn unique(&mut self) -> String {
        format!("{}-{:08x}", self.id, self.random.next() as u32)
    }

    /// A znode that has to be there; gives up only with the session.
    pub(crate) async fn ensure(&mut self, client: &Client, path: &str, data: &str) -> Session {
        loop {
            let made = client
                .create(path, data.to_owned(), CreateMode::Persistent)
                .await;
            match made {
                Ok(_) => return Ok(()),
                Err(error) if error.code() == Some(ErrorCode::NODE_EXISTS) => return Ok(()),
                Err(error) if error.is_final() => return Err(error),
                Err(_) => self.think().await,
            }
        }
    }
}

/// How an attempt ended for its caller.
pub(crate) fn outcome<T>(result: &Result<T, Error>) -> Outcome {
    match result {
        Ok(_) => Outcome::Applied,
        Err(error) => match error.outcome() {
            lockkeeper::Outcome::NotApplied => Outcome::NotApplied,
            lockkeeper::Outcome::Unknown => Outcome::Unknown,
        },
    }
}

/// Goes on unless the session is over.
pub(crate) fn alive<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_final() => Err(error),
        Err(_) => Ok(None),
    }
}

/// The same for a recipe.
pub(crate) fn alive_in_recipe<T>(result: Result<T, LockError>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(LockError::Client(error)) if error.is_final() => Err(error),
        Err(_) => Ok(None),
    }
}
