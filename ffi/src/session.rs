//! One client, its threads, and how they end.
//!
//! The runtime belongs to the client and never to the process, so a forked child can make a client
//! of its own. The last object that needs the session ends it: the client, a lock, or a guard.

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

use crate::error::Fault;
use crate::queue::{self, Dispatched, Queue, in_callback, may_block};
use crate::signals;
use crate::status::LK_ESYSTEM;
use crate::wait::wait;

/// How long the end of a client waits for the look-up of a host name, which cannot be given up.
const LOOKUP_MAX: Duration = Duration::from_secs(1);

/// A client with its threads.
pub(crate) struct Session {
    pub(crate) client: Client,
    threads: Threads,
    is_closed: AtomicBool,
}

impl Session {
    /// Connects. Blocks for as long as the builder's connect timeout.
    pub(crate) fn open(builder: Builder, is_dispatched: bool) -> Result<Self, Fault> {
        may_block()?;
        let threads = Threads::start(is_dispatched).map_err(|error| {
            let text = format!("a thread or descriptor of the client could not be made: {error}");
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

    /// Where the caller's functions wait for their turn.
    pub(crate) fn queue(&self) -> Queue {
        let queue = self.threads.queue.as_ref();
        queue.expect("it is there until the drop").clone()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.threads.last_wish = Some(self.client.clone());
    }
}

/// The threads of a client: two, or one if the caller dispatches. Dropping it waits for their end,
/// but not in a callback.
struct Threads {
    runtime: Handle,
    queue: Option<Queue>,
    stop: Option<oneshot::Sender<Option<Client>>>,
    /// A client to close first; the thread that moves its bytes does so.
    last_wish: Option<Client>,
    io_thread: Option<JoinHandle<()>>,
    callback_thread: Option<JoinHandle<()>>,
}

impl Threads {
    fn start(is_dispatched: bool) -> io::Result<Self> {
        let _blocked = signals::block();
        // Looking up host names takes a thread of its own now and then, started by the first one.
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name("lk-lookup")
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        // If the second one cannot be had, dropping `stop` ends the first.
        let io_thread = thread::Builder::new()
            .name("lk-io".into())
            .spawn(move || move_bytes(runtime, stopped))?;
        let (queue, callback_thread) = if is_dispatched {
            (Queue::Dispatched(Arc::new(Dispatched::new()?)), None)
        } else {
            let (sender, jobs) = mpsc::channel();
            let thread = thread::Builder::new()
                .name("lk-callback".into())
                .spawn(move || queue::run_all(&jobs))?;
            (Queue::Thread(sender), Some(thread))
        };
        Ok(Self {
            runtime: handle,
            queue: Some(queue),
            stop: Some(stop),
            last_wish: None,
            io_thread: Some(io_thread),
            callback_thread,
        })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let stop = self.stop.take().expect("dropped once");
        // It cannot be gone: it waits for this.
        let _ = stop.send(self.last_wish.take());
        // The thread of the other kind of queue ends when the last sender has gone.
        let dispatched = match self.queue.take() {
            Some(Queue::Dispatched(jobs)) => Some(jobs),
            _ => None,
        };
        // In this order: tasks of the first thread hold callbacks, which leave through the queue. A
        // panic in either thread was reported when it happened.
        let may_wait = !in_callback();
        if may_wait {
            let _ = self.io_thread.take().map(JoinHandle::join);
        }
        if let Some(jobs) = dispatched {
            jobs.close();
        }
        if may_wait {
            let _ = self.callback_thread.take().map(JoinHandle::join);
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
