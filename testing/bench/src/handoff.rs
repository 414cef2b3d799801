//! A lock that a crowd of sessions wants all the time, taken with our client.
//!
//! A hand-off begins when the holder starts to release and ends when the next one has the lock.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use lockkeeper::Client;
use lockkeeper_recipes::{LockError, Mutex};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

use crate::load::Sample;
use crate::table::percentile;
use crate::target::Target;

pub(crate) const CONTENDERS: usize = 100;

/// So long that no pause on a loaded machine ends a session.
const SESSION_TIMEOUT: Duration = Duration::from_secs(30);

/// What one interval showed.
#[derive(Clone, Debug)]
pub(crate) struct HandOffs {
    pub(crate) sample: Sample,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// Contenders, each with a session of its own, all on one thread.
#[derive(Debug)]
pub(crate) struct Crowd {
    course: Rc<Course>,
    contenders: Vec<JoinHandle<Result<(), String>>>,
}

/// What the contenders tell each other.
#[derive(Debug, Default)]
struct Course {
    released: Cell<Option<Instant>>,
    took: RefCell<Vec<Duration>>,
    over: Cell<bool>,
}

impl Crowd {
    /// Opens the sessions, and then lets all of them compete for the lock on `path`.
    pub(crate) async fn gather(
        address: &str,
        path: &str,
        count: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(session(address).await?);
        }
        let course = Rc::new(Course::default());
        let contenders = clients.into_iter().map(|client| {
            let (course, path) = (Rc::clone(&course), path.to_owned());
            spawn_local(async move {
                let ended = contend(&client, &path, &course).await;
                ended.map_err(|error| error.to_string())?;
                client.close().await.map_err(|error| error.to_string())
            })
        });
        Ok(Self {
            contenders: contenders.collect(),
            course,
        })
    }

    /// The hand-offs of an interval that begins now, in no order.
    pub(crate) async fn watch(&self, wall: Duration) -> Vec<Duration> {
        self.course.took.borrow_mut().clear();
        sleep(wall).await;
        self.course.took.take()
    }

    /// Lets everybody have the lock once more and leave.
    pub(crate) async fn disband(self) -> Result<(), Box<dyn Error>> {
        self.course.over.set(true);
        for contender in self.contenders {
            contender.await??;
        }
        Ok(())
    }
}

/// A session for work that is measured.
pub(crate) async fn session(address: &str) -> Result<Client, lockkeeper::Error> {
    Client::builder(address)
        .session_timeout(SESSION_TIMEOUT)
        .connect()
        .await
}

/// Lets a crowd compete and measures for `wall` after `warm_up`.
pub(crate) fn run(target: &Target, warm_up: Duration, wall: Duration) -> io::Result<HandOffs> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local
        .block_on(&runtime, compete(target, warm_up, wall))
        .map_err(|error| io::Error::other(error.to_string()))
}

async fn compete(
    target: &Target,
    warm_up: Duration,
    wall: Duration,
) -> Result<HandOffs, Box<dyn Error>> {
    let crowd = Crowd::gather(&target.connect_string(), "/bench-lock", CONTENDERS).await?;
    sleep(warm_up).await;
    let (start, cpu) = (Instant::now(), target.cpu()?);
    let mut took = crowd.watch(wall).await;
    let (cpu, wall) = (target.cpu()? - cpu, start.elapsed());
    crowd.disband().await?;
    took.sort_unstable();
    let at = |percent| percentile(&took, percent).ok_or("no hand-off in the whole interval");
    Ok(HandOffs {
        sample: Sample {
            operations: took.len() as f64,
            wall,
            cpu,
        },
        p50: at(50)?,
        p99: at(99)?,
    })
}

async fn contend(client: &Client, path: &str, course: &Course) -> Result<(), LockError> {
    let mutex = Mutex::new(client, path)?;
    while !course.over.get() {
        let guard = mutex.lock().await?;
        if let Some(released) = course.released.take() {
            course.took.borrow_mut().push(released.elapsed());
        }
        course.released.set(Some(Instant::now()));
        guard.release().await?;
    }
    Ok(())
}
