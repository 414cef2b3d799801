//! A lock that a hundred sessions want all the time, taken with our client from either server.
//!
//! A hand-off begins when the holder starts to release and ends when the next one has the lock.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use lockkeeper::Client;
use lockkeeper_recipes::Mutex;

use crate::load::Sample;
use crate::proc;

pub(crate) const CONTENDERS: usize = 100;

/// What one interval showed.
#[derive(Clone, Debug)]
pub(crate) struct HandOffs {
    pub(crate) sample: Sample,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// What the contenders, all on one thread, tell each other.
#[derive(Debug, Default)]
struct Course {
    released: Cell<Option<Instant>>,
    took: RefCell<Vec<Duration>>,
    over: Cell<bool>,
}

/// Lets the contenders compete and measures for `wall` after `warm_up`.
pub(crate) fn run(
    address: SocketAddr,
    pid: u32,
    warm_up: Duration,
    wall: Duration,
) -> io::Result<HandOffs> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local
        .block_on(&runtime, compete(address, pid, warm_up, wall))
        .map_err(|error| io::Error::other(error.to_string()))
}

async fn compete(
    address: SocketAddr,
    pid: u32,
    warm_up: Duration,
    wall: Duration,
) -> Result<HandOffs, Box<dyn Error>> {
    let course = Rc::new(Course::default());
    let mut contenders = Vec::new();
    for _ in 0..CONTENDERS {
        let client = Client::builder(address.to_string())
            .session_timeout(Duration::from_secs(30))
            .connect()
            .await?;
        let mutex = Mutex::new(&client, "/bench-lock")?;
        let course = course.clone();
        contenders.push(tokio::task::spawn_local(async move {
            contend(&mutex, &course)
                .await
                .map_err(|error| error.to_string())?;
            client.close().await.map_err(|error| error.to_string())
        }));
    }
    tokio::time::sleep(warm_up).await;
    course.took.borrow_mut().clear();
    let (start, cpu) = (Instant::now(), proc::cpu(pid)?);
    tokio::time::sleep(wall).await;
    let (cpu, wall) = (proc::cpu(pid)? - cpu, start.elapsed());
    let mut took = course.took.take();
    course.over.set(true);
    for contender in contenders {
        contender.await??;
    }
    took.sort_unstable();
    let at = |percent: usize| took.get(took.len() * percent / 100).copied();
    Ok(HandOffs {
        sample: Sample {
            operations: took.len() as f64,
            wall,
            cpu,
        },
        p50: at(50).ok_or("no hand-off in the whole interval")?,
        p99: at(99).ok_or("no hand-off in the whole interval")?,
    })
}

async fn contend(mutex: &Mutex, course: &Course) -> Result<(), lockkeeper_recipes::LockError> {
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
