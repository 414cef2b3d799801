//! Waiting for a condition with a deadline: the only place of this crate that sleeps.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// How long a server or a peer may take for anything before a test gives up on it.
///
/// Generous on purpose: it is reached only when something is broken, and a loaded machine should
/// not look broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(20);

/// Polls until `condition` gives a value, which is returned.
///
/// The condition is evaluated at least once. After `patience` the result is an error of kind
/// [`io::ErrorKind::TimedOut`] that names `what` was waited for.
pub fn until<T>(
    what: &str,
    patience: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> io::Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            let text = format!("{what}: not within {patience:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        thread::sleep(PAUSE);
    }
}
