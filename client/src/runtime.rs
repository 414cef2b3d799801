//! What the client needs from the world: links, time, tasks and one random number.
//!
//! Everything else in this crate is free of sockets and clocks, so a client runs unchanged under
//! tokio and inside a simulated world.

use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::BytesMut;
use futures::future::BoxFuture;
use lockkeeper_session::{HostPort, LinkLoss};

mod suspension;
mod tokio;

pub use self::tokio::TokioRuntime;

/// The world a client lives in.
pub trait Runtime: Send + Sync + 'static {
    /// Opens a link to a server.
    ///
    /// Called anew for each attempt, so that a name is resolved anew; a name with several addresses
    /// is tried on all of them. Dropping the future gives the attempt up.
    fn connect(&self, server: HostPort) -> BoxFuture<'static, Result<Box<dyn Link>, LinkLoss>>;

    /// Ends at the given time, or at once if it has passed. If timers stand still while the clock
    /// goes on, as on a suspended machine, it ends with the first poll after that.
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()>;

    /// Runs a task to its end; may be called from any thread.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Time as it passes for the servers: monotonic, and going on while this machine is suspended.
    fn now(&self) -> Instant;

    /// A number that differs from client to client.
    fn seed(&self) -> u64;
}

/// A byte stream in both directions. Dropping it closes it.
pub trait Link: Send {
    /// Appends what has come, at least one byte; 0 says that the other side has closed.
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<usize>>;

    /// Hands over some of the bytes, which are never empty, and says how many.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;
}
