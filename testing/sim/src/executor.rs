//! The tasks of all clients, polled one after the other, and the runtime they are given.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use futures::future::BoxFuture;
use lockkeeper::runtime::Link;
use lockkeeper::{HostPort, LinkLoss, Runtime};

use crate::core::{Event, ProcessId, Shared, Timer, lock};
use crate::net;
use crate::random::Random;

/// All tasks.
#[derive(Default)]
pub(crate) struct Executor {
    tasks: BTreeMap<u64, Task>,
    next: u64,
    paused: BTreeSet<ProcessId>,
    /// Woken tasks of processes that stand still.
    asleep: Vec<u64>,
}

struct Task {
    process: ProcessId,
    future: BoxFuture<'static, ()>,
    wake: Arc<TaskWake>,
}

struct TaskWake {
    id: u64,
    queued: AtomicBool,
    shared: Arc<Shared>,
}

impl Wake for TaskWake {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            lock(&self.shared.ready).push_back(self.id);
        }
    }
}

impl Executor {
    /// Polls until nobody can go on.
    pub(crate) fn run(&mut self, shared: &Arc<Shared>) {
        loop {
            let spawned = std::mem::take(&mut shared.core().spawned);
            for (process, future) in spawned {
                let id = self.next;
                self.next += 1;
                let wake = Arc::new(TaskWake {
                    id,
                    queued: AtomicBool::new(false),
                    shared: shared.clone(),
                });
                wake.clone().wake();
                let task = Task {
                    process,
                    future,
                    wake,
                };
                self.tasks.insert(id, task);
            }
            let Some(id) = lock(&shared.ready).pop_front() else {
                return;
            };
            let Some(task) = self.tasks.get_mut(&id) else {
                continue;
            };
            if self.paused.contains(&task.process) {
                self.asleep.push(id);
                continue;
            }
            task.wake.queued.store(false, Ordering::Relaxed);
            let waker = Waker::from(task.wake.clone());
            if task
                .future
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                self.tasks.remove(&id);
            }
        }
    }

    pub(crate) fn pause(&mut self, process: ProcessId) {
        self.paused.insert(process);
    }

    pub(crate) fn resume(&mut self, process: ProcessId, shared: &Shared) {
        self.paused.remove(&process);
        lock(&shared.ready).extend(self.asleep.drain(..));
    }

    /// Ends everything a process does, at once and without a word.
    pub(crate) fn kill(&mut self, process: ProcessId) {
        let of_it = |_: &u64, task: &mut Task| task.process == process;
        drop(self.tasks.extract_if(.., of_it).collect::<Vec<_>>());
    }

    /// Drops all tasks: the world ends.
    pub(crate) fn clear(&mut self) {
        self.tasks.clear();
    }
}

/// The world of one client process.
pub(crate) struct Process {
    shared: Arc<Shared>,
    id: ProcessId,
    random: Mutex<Random>,
}

impl Process {
    pub(crate) fn new(shared: Arc<Shared>, id: ProcessId, random: Random) -> Arc<Self> {
        Arc::new(Self {
            shared,
            id,
            random: Mutex::new(random),
        })
    }
}

impl Runtime for Process {
    fn connect(&self, server: HostPort) -> BoxFuture<'static, Result<Box<dyn Link>, LinkLoss>> {
        net::dial(self.shared.clone(), self.id, usize::from(server.port) - 1)
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        let shared = self.shared.clone();
        let at = shared.micros(at);
        let mut timer: Option<Arc<Timer>> = None;
        Box::pin(poll_fn(move |cx| {
            let timer = timer.get_or_insert_with(|| {
                let timer = Arc::new(Timer::default());
                let mut core = shared.core();
                let at = at.max(core.now);
                core.at(at, Event::Timer(timer.clone()));
                timer
            });
            match timer.poll(cx.waker()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.shared.core().spawned.push((self.id, task));
    }

    fn now(&self) -> Instant {
        let now = self.shared.core().now;
        self.shared.instant(now)
    }

    fn seed(&self) -> u64 {
        lock(&self.random).next()
    }
}

/// Sleeps for so many microseconds.
pub(crate) async fn sleep(process: &Process, micros: u64) {
    let until = process.now() + std::time::Duration::from_micros(micros);
    process.sleep_until(until).await;
}
