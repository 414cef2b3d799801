//! One client, its two threads, and how they end.
//!
//! The runtime belongs to the client and never to the process, so a forked child can make a client
//! of its own. The last object that needs the session ends it: the client, a lock, or a guard.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use client::runtime::TokioRuntime;
use client::{Builder, Client};
use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::oneshot;

use crate::error::{Fault, LK_ECALLBACK, LK_ESYSTEM};
use crate::signals;
use crate::wait::wait;

/// What the callback thread does next.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// How long the end of a client waits for the look-up of a host name, which cannot be given up.
const LOOKUP_MAX: Duration = Duration::from_secs(1);

thread_local! {
    static IS_CALLBACK_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// An error on the thread that runs callbacks: a wait there might be for itself.
pub(crate) fn may_block() -> Result<(), Fault> {
    if IS_CALLBACK_THREAD.get() {
        let text = "call would block in a callback: make it on another thread";
        return Err(Fault::new(LK_ECALLBACK, text));
    }
    Ok(())
}

/// A client with its threads.
pub(crate) struct Session {
    pub(crate) client: Client,
    threads: Threads,
    is_closed: AtomicBool,
}

impl Session {
    /// Connects. Blocks for as long as the builder's connect timeout.
    pub(crate) fn open(builder: Builder) -> Result<Self, Fault> {
        may_block()?;
        let threads = Threads::start().map_err(|error| {
            let text = format!("a thread of the client could not be made: {error}");
            Fault::new(LK_ESYSTEM, text)
        })?;
        let runtime = TokioRuntime::new(threads.runtime.clone());
        let client = wait(builder.runtime(Arc::new(runtime)).connect())?;
        Ok(Self {
            client,
            threads,
            is_closed: AtomicBool::new(false),
        })
    }

    /// Notes that the client is being closed; false if it was before.
    pub(crate) fn begin_close(&self) -> bool {
        !self.is_closed.swap(true, Ordering::AcqRel)
    }

    /// Where tasks run that outlive the client's session.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.threads.runtime
    }

    /// A way to the callback thread.
    pub(crate) fn callbacks(&self) -> mpsc::Sender<Job> {
        let callbacks = self.threads.callbacks.as_ref();
        callbacks.expect("it is there until the drop").clone()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.threads.last_wish = Some(self.client.clone());
    }
}

/// The two threads of a client. Dropping it waits for their end, but not from one of them.
struct Threads {
    runtime: Handle,
    callbacks: Option<mpsc::Sender<Job>>,
    stop: Option<oneshot::Sender<Option<Client>>>,
    /// A client to close first; the thread that moves its bytes does so.
    last_wish: Option<Client>,
    io_thread: Option<JoinHandle<()>>,
    callback_thread: Option<JoinHandle<()>>,
}

impl Threads {
    fn start() -> io::Result<Self> {
        let _blocked = signals::block();
        // Looking up host names takes a thread of its own now and then, started by the first one.
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name("lk-lookup")
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let (callbacks, jobs) = mpsc::channel();
        // If the second one cannot be had, dropping `stop` ends the first.
        let io_thread = thread::Builder::new()
            .name("lk-io".into())
            .spawn(move || move_bytes(runtime, stopped))?;
        let callback_thread = thread::Builder::new()
            .name("lk-callback".into())
            .spawn(move || call_back(&jobs))?;
        Ok(Self {
            runtime: handle,
            callbacks: Some(callbacks),
            stop: Some(stop),
            last_wish: None,
            io_thread: Some(io_thread),
            callback_thread: Some(callback_thread),
        })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let stop = self.stop.take().expect("dropped once");
        // It cannot be gone: it waits for this.
        let _ = stop.send(self.last_wish.take());
        self.callbacks = None;
        if IS_CALLBACK_THREAD.get() {
            return;
        }
        // In this order: tasks of the first hold callbacks, which leave through the second.
        for thread in [self.io_thread.take(), self.callback_thread.take()] {
            // A panic there was reported when it happened.
            let _ = thread.map(JoinHandle::join);
        }
    }
}

fn move_bytes(runtime: Runtime, stopped: oneshot::Receiver<Option<Client>>) {
    runtime.block_on(async {
        if let Ok(Some(client)) = stopped.await {
            // The client bounds it by five seconds; how it ends was told by `lk_client_close`, or
            // nobody asked.
            let _ = client.close().await;
        }
    });
    runtime.shutdown_timeout(LOOKUP_MAX);
}

fn call_back(jobs: &mpsc::Receiver<Job>) {
    IS_CALLBACK_THREAD.set(true);
    while let Ok(job) = jobs.recv() {
        job();
    }
}
