//! What the leader is known to have heard of a session, whoever answered its client.
//!
//! A follower answers pings and reads by itself. The leader hears of the *touch* only with the
//! follower's next reply to the leader's own ping, sent each half tick, and a follower that was cut
//! off goes on answering (`Learner.java`, `LearnerHandler.java`). So no single answer says what the
//! leader knows, but three over one link do, each asked for after the one before was answered:
//!
//! 1. any answer: there is a touch, younger than the request;
//! 2. one that came by the leader, asked for half a tick later. A ping of the leader ran ahead of it
//!    in the same stream, so the touch was sent to the leader before this was handed on;
//! 3. a write. It ran behind the touch, so the leader had heard of that when the write was
//!    committed. And a quorum agreed to the write, so no later leader, which starts the clocks of
//!    all sessions anew, began before the first request was sent.
//!
//! From then on the ensemble cannot have ended the session before the timeout has passed since the
//! first request. A handshake is 1 and 2 in one: the leader itself touches the session for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Who stands behind an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum By {
    /// The server at the other end of the link, perhaps alone.
    Server,
    /// The leader; it may have been deposed without knowing.
    Leader,
    /// A quorum: a write was committed.
    Quorum,
}

/// Touches kept between step 2 and step 3.
const RELAYED_MAX: usize = 8;

/// The answers of one link that may become part of a proof.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contact {
    /// After step 1, oldest first: the newest that is old enough for step 2, and those behind it.
    touches: VecDeque<Step>,
    /// After step 2, oldest first.
    relayed: VecDeque<Step>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    /// When the touch's request was sent.
    touch: Instant,
    /// When the step's answer came.
    answered_at: Instant,
}

impl Contact {
    /// A handshake, sent at `asked_at`, was answered by a server with a leader.
    pub(crate) fn validated(asked_at: Instant, now: Instant) -> Self {
        let step = Step {
            touch: asked_at,
            answered_at: now,
        };
        Self {
            touches: VecDeque::new(),
            relayed: [step].into(),
        }
    }

    /// A request sent at `asked_at` has been answered; a touch is on its way to the leader after
    /// `relay_len` at most. Returns the send time of the newest touch that this has proved, if any.
    pub(crate) fn answered(
        &mut self,
        asked_at: Instant,
        by: By,
        relay_len: Duration,
        now: Instant,
    ) -> Option<Instant> {
        let mut proven = None;
        let is_before = |step: &mut Step| step.answered_at <= asked_at;
        while by == By::Quorum
            && let Some(step) = self.relayed.pop_front_if(is_before)
        {
            proven = Some(step.touch);
        }
        let is_due = |step: &Step| step.answered_at + relay_len <= asked_at;
        while self.touches.get(1).is_some_and(is_due) {
            self.touches.pop_front();
        }
        if by >= By::Leader
            && let Some(&Step { touch, .. }) = self.touches.front().filter(|step| is_due(step))
        {
            note(&mut self.relayed, touch, now, Duration::ZERO);
            let surplus = self.relayed.len().saturating_sub(RELAYED_MAX);
            self.relayed.drain(..surplus);
        }
        // A few are enough: they only say how fresh a proof can be.
        note(&mut self.touches, asked_at, now, relay_len / 8);
        proven
    }
}

/// Appends the touch if it is newer than the last one by more than `spacing`.
fn note(steps: &mut VecDeque<Step>, touch: Instant, now: Instant, spacing: Duration) {
    let last = steps.back();
    if last.is_none_or(|last| touch > last.touch + spacing) {
        steps.push_back(Step {
            touch,
            answered_at: now,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY: Duration = Duration::from_millis(800);

    /// A link on which each request is answered after 10 ms.
    struct Line {
        zero: Instant,
        contact: Contact,
    }

    impl Line {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        fn open() -> Self {
            let zero = Instant::now();
            let contact = Contact::default();
            Self { zero, contact }
        }

        /// Asks at a time in ms; gives the send time of the touch proved.
        fn ask(&mut self, at: u64, by: By) -> Option<u64> {
            let asked_at = self.zero + Duration::from_millis(at);
            let now = asked_at + Duration::from_millis(10);
            let proven = self.contact.answered(asked_at, by, RELAY, now)?;
            Some((proven - self.zero).as_millis() as u64)
        }
    }

    #[test]
    fn a_touch_a_leaders_answer_and_a_write_are_a_proof() {
        let mut line = Line::open();
        assert_eq!(line.ask(100, By::Server), None);
        assert_eq!(line.ask(1000, By::Leader), None);
        assert_eq!(line.ask(1010, By::Quorum), Some(100));
    }

    #[test]
    fn what_a_follower_answers_alone_proves_nothing() {
        let mut line = Line::open();
        for at in (0..100_000).step_by(100) {
            assert_eq!(line.ask(at, By::Server), None);
        }
        assert!(line.contact.touches.len() < 12);
    }

    #[test]
    fn what_a_leader_answers_without_a_quorum_proves_nothing() {
        let mut line = Line::open();
        for at in (0..100_000).step_by(100) {
            assert_eq!(line.ask(at, By::Leader), None);
        }
        assert_eq!(line.contact.relayed.len(), RELAYED_MAX);
        assert_eq!(line.ask(100_000, By::Quorum), Some(99_000));
    }

    #[test]
    fn a_leaders_answer_that_came_too_soon_or_under_way_does_not_count() {
        let mut line = Line::open();
        line.ask(100, By::Server);
        assert_eq!(line.ask(900, By::Leader), None);
        assert_eq!(
            line.ask(1000, By::Quorum),
            None,
            "now the touch is passed on"
        );
        assert_eq!(
            line.ask(1005, By::Quorum),
            None,
            "asked before that was known"
        );
        assert_eq!(line.ask(1010, By::Quorum), Some(100));
    }

    #[test]
    fn the_newest_touch_that_is_old_enough_is_proved() {
        let mut line = Line::open();
        for at in (0..=2000).step_by(200) {
            line.ask(at, By::Server);
        }
        line.ask(2050, By::Leader);
        assert_eq!(line.ask(2060, By::Quorum), Some(1200));
    }

    #[test]
    fn writes_alone_keep_proving() {
        let mut line = Line::open();
        let proven: Vec<_> = (0..20)
            .filter_map(|step| line.ask(step * 200, By::Quorum))
            .collect();
        assert!(proven.is_sorted_by(|a, b| a < b));
        assert!(
            proven.last().is_some_and(|&last| last >= 3800 - 1600),
            "{proven:?}"
        );
    }

    #[test]
    fn a_handshake_needs_a_write() {
        let mut line = Line::open();
        let asked_at = line.zero + Duration::from_millis(5);
        line.contact = Contact::validated(asked_at, asked_at + Duration::from_millis(20));
        assert_eq!(line.ask(20, By::Quorum), None, "asked before the answer");
        assert_eq!(line.ask(30, By::Leader), None);
        assert_eq!(line.ask(40, By::Quorum), Some(5));
    }
}
