//! When to try again: after a pause, on a good link, and never beyond the session.

use std::time::Duration;

use futures::future::BoxFuture;
use lockkeeper::{Client, Error, ErrorCode, Outcome, State};

const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// What a server refuses is tried again for as long as the session lives, but ever more rarely.
const REFUSED_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Pauses that double, each between half and all of its length so that contenders do not march in
/// step.
pub(crate) struct Backoff {
    pause: Duration,
    pause_max: Duration,
}

impl Backoff {
    fn new() -> Self {
        Self {
            pause: PAUSE_MIN,
            pause_max: PAUSE_MAX,
        }
    }

    /// With pauses that grow further, for what may be a refusal.
    pub(crate) fn slow() -> Self {
        Self {
            pause_max: REFUSED_PAUSE_MAX,
            ..Self::new()
        }
    }

    /// Ends after the next pause, and does not keep the client open until then.
    pub(crate) fn rest(&mut self, client: &Client) -> BoxFuture<'static, ()> {
        let half = self.pause / 2;
        let share = (client.random() % 1000) as u32;
        self.pause = (self.pause * 2).min(self.pause_max);
        client.sleep_until(client.now() + half + half * share / 1000)
    }
}

/// Pauses, and what makes them worth it: a good link.
pub(crate) struct Retry<'a> {
    client: &'a Client,
    backoff: Backoff,
}

impl<'a> Retry<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        Self {
            client,
            backoff: Backoff::new(),
        }
    }

    /// Lets the pauses grow further, for what may be a refusal.
    pub(crate) fn slow(self) -> Self {
        Self {
            backoff: Backoff::slow(),
            ..self
        }
    }

    /// Returns after a pause with the client connected, or with the error that ended the session.
    pub(crate) async fn pause(&mut self) -> Result<(), Error> {
        self.backoff.rest(self.client).await;
        connected(self.client).await
    }
}

/// Returns when the client has a link that takes writes, or with the error that ended the session.
pub(crate) async fn connected(client: &Client) -> Result<(), Error> {
    let mut states = client.states();
    loop {
        let state = states.next().await.state;
        match session_error(state) {
            Some(error) => return Err(error),
            None if state == State::Connected => return Ok(()),
            None => {}
        }
    }
}

/// The error of every call under a session that is over, or `None` while it goes on.
pub(crate) fn session_error(state: State) -> Option<Error> {
    let outcome = Outcome::NotApplied;
    match state {
        State::AuthFailed => Some(Error::AuthFailed { outcome }),
        State::Closed => Some(Error::Closed { outcome }),
        State::Expired => Some(Error::SessionExpired { outcome }),
        _ => None,
    }
}

/// The end of a session of a call that may have been carried out before it.
pub(crate) fn doubtful(ended: Error) -> Error {
    let outcome = Outcome::Unknown;
    match ended {
        Error::AuthFailed { .. } => Error::AuthFailed { outcome },
        Error::Closed { .. } => Error::Closed { outcome },
        Error::SessionExpired { .. } => Error::SessionExpired { outcome },
        other => other,
    }
}

/// Whether the same call may succeed later under the same session, or that session is found to be
/// over before it is made again.
pub(crate) fn is_transient(error: &Error) -> bool {
    match error {
        Error::ConnectionLoss { .. } | Error::QueueFull | Error::Timeout { .. } => true,
        Error::Op(error) => matches!(
            error.code,
            ErrorCode::CONNECTION_LOSS
                | ErrorCode::NOT_READ_ONLY
                | ErrorCode::OPERATION_TIMEOUT
                | ErrorCode::REQUEST_TIMEOUT
                | ErrorCode::SESSION_EXPIRED
                | ErrorCode::SESSION_MOVED
                | ErrorCode::THROTTLED_OP
        ),
        _ => false,
    }
}
