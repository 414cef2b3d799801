//! The runtime of production: tokio's sockets, timers and tasks.

use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures::future::BoxFuture;
use lockkeeper_session::{HostPort, LinkLoss, Misuse};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::runtime::Handle;

use super::suspension::suspended;
use super::{Link, Runtime};

/// A tokio runtime, held by its handle.
#[derive(Clone, Debug)]
pub struct TokioRuntime {
    handle: Handle,
    /// What tokio's time lags behind.
    suspended: fn() -> Duration,
}

impl TokioRuntime {
    /// Uses the given runtime, whose I/O and time must be enabled.
    pub fn new(handle: Handle) -> Self {
        Self { handle, suspended }
    }

    /// Uses the runtime this is called in; outside of one it fails with [`Misuse::NoRuntime`].
    pub fn current() -> Result<Self, Misuse> {
        Handle::try_current()
            .map(Self::new)
            .map_err(|_| Misuse::NoRuntime)
    }
}

impl Runtime for TokioRuntime {
    /// A name's addresses are tried from a place that differs with each attempt: one that swallows
    /// packets uses its attempt up, and must not use up all.
    fn connect(&self, server: HostPort) -> BoxFuture<'static, Result<Box<dyn Link>, LinkLoss>> {
        let start = self.seed();
        Box::pin(async move {
            let addresses = lookup_host((server.host.as_str(), server.port))
                .await
                .map_err(|_| LinkLoss::Name)?;
            let mut last = LinkLoss::Name;
            for address in from_anywhere(addresses.collect(), start) {
                match open(address).await {
                    Ok(stream) => return Ok(Box::new(TcpLink { stream }) as Box<dyn Link>),
                    Err(error) => last = LinkLoss::Io(error.kind()),
                }
            }
            Err(last)
        })
    }

    /// tokio's timers stand still while the machine is suspended, so the time is looked at anew with
    /// every poll.
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        // A timer finds its runtime when it is made, and this thread may have none.
        let _guard = self.handle.enter();
        let timer_at = at.checked_sub((self.suspended)()).unwrap_or(at);
        let mut timer = Box::pin(tokio::time::sleep_until(timer_at.into()));
        let runtime = self.clone();
        Box::pin(poll_fn(move |cx| match timer.as_mut().poll(cx) {
            Poll::Pending if runtime.now() < at => Poll::Pending,
            _ => Poll::Ready(()),
        }))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.handle.spawn(task);
    }

    /// tokio's time, and what the machine has missed of it.
    fn now(&self) -> Instant {
        let _guard = self.handle.enter();
        tokio::time::Instant::now().into_std() + (self.suspended)()
    }

    /// The standard library's hasher keys: operating system entropy without a dependency.
    fn seed(&self) -> u64 {
        std::hash::RandomState::new().build_hasher().finish()
    }
}

/// The same in a circle, from another one on.
fn from_anywhere<T>(mut all: Vec<T>, start: u64) -> Vec<T> {
    if let Some(start) = start.checked_rem(all.len() as u64) {
        all.rotate_left(start as usize);
    }
    all
}

async fn open(address: std::net::SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Requests are gathered before they are written; waiting for more would only add delay.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Room made for a read, and the least that is left before more is made.
const READ_ROOM: usize = 32 * 1024;
const READ_ROOM_MIN: usize = 4 * 1024;

struct TcpLink {
    stream: TcpStream,
}

impl Link for TcpLink {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<usize>> {
        if into.capacity() - into.len() < READ_ROOM_MIN {
            into.reserve(READ_ROOM);
        }
        // The future holds no state between polls, so making it anew each time loses nothing.
        pin!(self.stream.read_buf(into)).poll(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        pin!(&mut self.stream).poll_write(cx, bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn t37_a_timer_ends_with_the_first_poll_behind_a_suspension() {
        static SLEPT_SECS: AtomicU64 = AtomicU64::new(0);
        let runtime = TokioRuntime {
            suspended: || Duration::from_secs(SLEPT_SECS.load(Ordering::Relaxed)),
            ..TokioRuntime::current().unwrap()
        };
        let hour = Duration::from_secs(3600);
        let start = runtime.now();
        let mut sleep = runtime.sleep_until(start + hour);
        assert_eq!(poll!(&mut sleep), Poll::Pending);
        SLEPT_SECS.store(3000, Ordering::Relaxed);
        assert_eq!(poll!(&mut sleep), Poll::Pending);
        let mut later = runtime.sleep_until(start + hour);
        assert_eq!(poll!(&mut later), Poll::Pending);
        SLEPT_SECS.store(3600, Ordering::Relaxed);
        assert_eq!(poll!(&mut sleep), Poll::Ready(()));
        assert_eq!(poll!(&mut later), Poll::Ready(()));
        assert!(runtime.now() >= start + hour);
        runtime
            .sleep_until(runtime.now() + Duration::from_millis(1))
            .await;
    }

    #[test]
    fn every_address_comes_first_now_and_then() {
        let firsts: Vec<_> = (u64::MAX - 2..=u64::MAX)
            .map(|start| from_anywhere(vec!['a', 'b', 'c'], start)[0])
            .collect();
        assert_eq!(firsts, ['b', 'c', 'a']);
        assert!(from_anywhere::<()>(vec![], 1).is_empty());
    }
}
