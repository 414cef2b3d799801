//! By which deadline a hold is judged, and what keeps that deadline ahead.
//!
//! The client's lease moves on with every answer. A follower that was cut off from its leader, or a
//! leader from its quorum, answers for as long as it does not notice, and the lease is then too
//! long. A strict hold counts only what a quorum must have heard
//! ([`Client::confirmed_deadline`]), and has it hear by two requests in a row, a `sync` and a check
//! of its znode.
//!
//! The pause between two of these rounds follows from the session's timeout alone, since servers do
//! not tell their tick: about a third of it, so that the deadline is never nearer than a quarter of
//! the timeout while the ensemble answers.

use std::time::{Duration, Instant};

use lockkeeper::{Client, Error, ErrorCode, Op};

use crate::own::OwnEnd;
use crate::retry::Retry;

/// Which of the client's deadlines a hold trusts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Bound {
    /// What a quorum must have heard.
    Confirmed,
    /// Whatever any server has answered.
    #[default]
    Lease,
}

impl Bound {
    pub(crate) fn deadline(self, client: &Client) -> Option<Instant> {
        match self {
            Self::Confirmed => client.confirmed_deadline(),
            Self::Lease => client.lease_deadline(),
        }
    }

    /// How much time is left; zero when the deadline has passed or there is none.
    pub(crate) fn left(self, client: &Client) -> Duration {
        self.deadline(client).map_or(Duration::ZERO, |deadline| {
            deadline.saturating_duration_since(client.now())
        })
    }
}

/// Keeps the confirmed deadline ahead for as long as it is polled; ends with the znode.
///
/// Holds of one client share the deadline, and mostly one of them works for all: each has its own
/// moment to begin, and looks then whether it is still needed.
pub(crate) async fn keep_confirmed(client: &Client, path: &str) -> OwnEnd {
    let share = client.random();
    let mut retry = Retry::new(client);
    loop {
        let (now, timeout) = (client.now(), client.negotiated_timeout());
        let due = client
            .confirmed_deadline()
            .map_or(now, |deadline| due(deadline, timeout, share));
        if now < due {
            client.sleep_until(due).await;
            retry = Retry::new(client);
            continue;
        }
        let ended = match prove(client, path).await {
            Ok(false) => return OwnEnd::Deleted,
            Err(error) if error.is_final() => Some(error),
            _ => retry.pause().await.err(),
        };
        if let Some(error) = ended {
            return OwnEnd::Session(error);
        }
    }
}

/// When a hold works for the deadline: between 6/20 and 5/20 of the timeout before it.
fn due(deadline: Instant, timeout: Duration, share: u64) -> Instant {
    let before = timeout * (250 + (share % 50) as u32) / 1000;
    deadline.checked_sub(before).unwrap_or(deadline)
}

/// Whether a quorum finds the znode there. Makes the client's deadlines what they can be now.
pub(crate) async fn prove(client: &Client, path: &str) -> Result<bool, Error> {
    client.sync(path).await?;
    match client.multi(vec![Op::check(path, None)]).await {
        Err(error) if error.code() == Some(ErrorCode::NO_NODE) => Ok(false),
        result => result.map(|_| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_of_one_client_begin_one_after_the_other() {
        let timeout = Duration::from_secs(10);
        let deadline = Instant::now() + timeout;
        let left = |share| deadline - due(deadline, timeout, share);
        assert_eq!(left(0), Duration::from_millis(2500));
        assert_eq!(left(50), left(0));
        assert!((1..50).all(|share| left(share) > left(share - 1)));
        assert!(left(49) < Duration::from_secs(3));
    }
}
