//! When to try again: after a pause, on a good link, and never beyond the session.

use std::time::Duration;

use lockkeeper::{Client, Error, ErrorCode, Outcome, State};

const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// What a server refuses is tried again for as long as the session lives, but ever more rarely.
const REFUSED_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Pauses that double, each between half and all of its length so that contenders do not march in
/// step.
pub(crate) struct Retry<'a> {
    client: &'a Client,
    pause: Duration,
    pause_max: Duration,
}

impl<'a> Retry<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        Self {
            client,
            pause: PAUSE_MIN,
            pause_max: PAUSE_MAX,
        }
    }

    /// Lets the pauses grow further, for what may be a refusal.
    pub(crate) fn slow(mut self) -> Self {
        self.pause_max = REFUSED_PAUSE_MAX;
        self
    }

    /// Returns after a pause with the client connected, or with the error that ended the session.
    pub(crate) async fn pause(&mut self) -> Result<(), Error> {
        let half = self.pause / 2;
        let share = (self.client.random() % 1000) as u32;
        let until = self.client.now() + half + half * share / 1000;
        self.pause = (self.pause * 2).min(self.pause_max);
        self.client.sleep_until(until).await;
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

/// Whether the same call may succeed later under the same session.
pub(crate) fn is_transient(error: &Error) -> bool {
    match error {
        Error::ConnectionLoss { .. } | Error::QueueFull | Error::Timeout { .. } => true,
        Error::Op(error) => matches!(
            error.code,
            ErrorCode::CONNECTION_LOSS
                | ErrorCode::NOT_READ_ONLY
                | ErrorCode::OPERATION_TIMEOUT
                | ErrorCode::REQUEST_TIMEOUT
                | ErrorCode::SESSION_MOVED
                | ErrorCode::THROTTLED_OP
        ),
        _ => false,
    }
}
