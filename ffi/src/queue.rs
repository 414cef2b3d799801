//! Where the caller's functions wait for their turn: for the thread `lk-callback`, or for
//! `lk_dispatch` on a thread of the caller's.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::error::Fault;
use crate::status::{LK_EBUSY, LK_ECALLBACK};

/// What runs when its turn comes.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread runs the caller's functions now.
pub(crate) fn in_callback() -> bool {
    IN_CALLBACK.get()
}

/// An error in a callback: a wait there might be for itself.
pub(crate) fn may_block() -> Result<(), Fault> {
    if in_callback() {
        let text = "call would block in a callback: make it on another thread";
        return Err(Fault::new(LK_ECALLBACK, text));
    }
    Ok(())
}

/// A way to have jobs run, one after the other and in order.
#[derive(Clone)]
pub(crate) enum Queue {
    Thread(mpsc::Sender<Job>),
    Dispatched(Arc<Dispatched>),
}

impl Queue {
    pub(crate) fn send(&self, job: Job) {
        match self {
            // The thread lives as long as a sender. Were it gone, the job is dropped with what it
            // holds, here.
            Self::Thread(jobs) => drop(jobs.send(job)),
            Self::Dispatched(jobs) => jobs.push(job),
        }
    }
}

/// Runs the jobs of a thread's queue until nobody can send any more.
pub(crate) fn run_all(jobs: &mpsc::Receiver<Job>) {
    let _mark = Mark::set();
    while let Ok(job) = jobs.recv() {
        job();
    }
}

/// Jobs that wait for the caller, who is told by a descriptor that can be read.
pub(crate) struct Dispatched {
    /// None any more: whoever sends one drops it.
    jobs: Mutex<Option<Vec<Job>>>,
    turn: Mutex<()>,
    // A pair of sockets, since every system has them. A byte is in it if jobs wait; the caller may
    // have taken it out, so nothing relies on finding it.
    bell: UnixStream,
    ear: UnixStream,
}

impl Dispatched {
    pub(crate) fn new() -> io::Result<Self> {
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        Ok(Self {
            jobs: Mutex::new(Some(Vec::new())),
            turn: Mutex::default(),
            bell,
            ear,
        })
    }

    /// The descriptor; it lives as long as this.
    pub(crate) fn fd(&self) -> RawFd {
        self.ear.as_raw_fd()
    }

    /// Runs the jobs that wait now. Those that come meanwhile make the descriptor readable again.
    pub(crate) fn dispatch(&self) -> Result<(), Fault> {
        may_block()?;
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Fault::new(LK_EBUSY, "another thread dispatches"));
            }
        };
        let _mark = Mark::set();
        let jobs = self.lock().as_mut().map(|jobs| {
            let _ = (&self.ear).read(&mut [0; 8]);
            mem::take(jobs)
        });
        for job in jobs.unwrap_or_default() {
            job();
        }
        Ok(())
    }

    /// Drops the jobs that wait, and from now on those that come. A job may hold the way to its own
    /// queue, so without this neither would ever go.
    pub(crate) fn close(&self) {
        let _mark = Mark::set();
        let jobs = self.lock().take();
        drop(jobs);
    }

    fn push(&self, job: Job) {
        let mut jobs = self.lock();
        let Some(waiting) = jobs.as_mut() else {
            drop(jobs);
            let _mark = Mark::set();
            return drop(job);
        };
        if waiting.is_empty() {
            // It cannot be full: it holds a byte at most.
            let _ = (&self.bell).write(&[0]);
        }
        waiting.push(job);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, the thread runs the caller's functions.
struct Mark {
    before: bool,
}

impl Mark {
    fn set() -> Self {
        Self {
            before: IN_CALLBACK.replace(true),
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        IN_CALLBACK.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As poll(2) sees it.
    fn is_readable(queue: &Dispatched) -> bool {
        let mut fd = libc::pollfd {
            fd: queue.fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: it points to one entry, and the descriptor is open.
        unsafe { libc::poll(&raw mut fd, 1, 0) == 1 }
    }

    #[test]
    fn readable_while_jobs_wait() {
        let queue = Arc::new(Dispatched::new().unwrap());
        assert!(!is_readable(&queue));
        let again = Arc::clone(&queue);
        queue.push(Box::new(move || again.push(Box::new(|| ()))));
        queue.push(Box::new(|| ()));
        assert!(is_readable(&queue));
        queue.dispatch().unwrap();
        assert!(is_readable(&queue), "a job that came meanwhile waits");
        queue.dispatch().unwrap();
        assert!(!is_readable(&queue));
    }

    #[test]
    fn a_byte_that_was_taken_out_is_not_missed() {
        let queue = Dispatched::new().unwrap();
        queue.push(Box::new(|| ()));
        assert_eq!((&queue.ear).read(&mut [0; 8]).unwrap(), 1);
        queue.dispatch().unwrap();
        queue.push(Box::new(|| ()));
        assert!(is_readable(&queue));
    }

    #[test]
    fn a_job_cannot_dispatch() {
        let queue = Arc::new(Dispatched::new().unwrap());
        let again = Arc::clone(&queue);
        let (tell, told) = mpsc::channel();
        queue.push(Box::new(move || tell.send(again.dispatch()).unwrap()));
        queue.dispatch().unwrap();
        assert!(told.recv().unwrap().is_err());
        assert!(may_block().is_ok());
    }
}
