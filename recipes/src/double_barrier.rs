//! A double barrier: so many parties go in together and come out together.
//!
//! A party is an ephemeral znode; `ready` beside them says that all are there. Whoever's arrival
//! completes the number writes `ready`, in one transaction with a check of every party it counts, so
//! that nobody goes in on the strength of somebody who has gone. The names counted stand in `ready`:
//! who is not among them came too late, and who leaves waits for them only.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{Either, select};
use lockkeeper::path::{join, name};
use lockkeeper::{Client, CreateMode, Error, ErrorCode, EventType, Op, Outcome, Znode};

use crate::error::{LossReason, RecipeError};
use crate::guard::{Guard, GuardStates};
use crate::layout::Guid;
use crate::look::{Sight, checked, client_gone, insist, until, watch_ended};
use crate::presence::{Place, appear};
use crate::retry::{Retry, is_transient};
use crate::state::GuardState;

const READY: &str = "ready";
/// One transaction checks every party.
const PARTIES_MAX: usize = 5_000;

/// A place where so many parties wait for each other, at the start of their work and at its end.
///
/// The znodes are those of Curator's `DistributedDoubleBarrier`, so parties of both may meet on one
/// path. Curator's parties do not read who is counted in; where they take part, let no more arrive
/// than the barrier is for. kazoo's `DoubleBarrier` counts `ready` as a party and removes it first:
/// not on one path.
///
/// A path is good for one meeting. For the next one take [`DoubleBarrier::round`] with the next
/// number. The last to [leave](Party::leave) takes `ready` away, and the server the rest of the
/// round; if nobody gets that far, because all crash or are dropped, `ready` stays.
///
/// # Not guaranteed
///
/// * That everybody who went in is still there a moment later: watch [`Party::lost`].
/// * That a party whose `enter` timed out just when the barrier opened held the others back: for
///   them it has been there and has left.
#[derive(Clone, Debug)]
pub struct DoubleBarrier {
    client: Client,
    path: Arc<str>,
    parties: usize,
}

/// One who has gone in. Dropping it leaves without waiting for the others.
#[derive(Debug)]
pub struct Party {
    client: Client,
    path: Arc<str>,
    guard: Guard,
    members: Option<Vec<String>>,
}

impl DoubleBarrier {
    /// A barrier at `path` for `parties`, the same number for all. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`] with a misuse if `path` is no znode path, [`RecipeError::Conflict`]
    /// if `parties` is 0 or more than 5,000.
    pub fn new(client: &Client, path: &str, parties: usize) -> Result<Self, RecipeError> {
        if !(1..=PARTIES_MAX).contains(&parties) {
            let what = format!("a double barrier is for 1 to {PARTIES_MAX} parties");
            return Err(RecipeError::conflict(path, what));
        }
        Ok(Self {
            client: client.clone(),
            path: checked(path)?,
            parties,
        })
    }

    /// The meeting with this number: the same barrier below a path of its own.
    pub fn round(&self, number: u64) -> Self {
        Self {
            path: join(&self.path, &number.to_string()).into(),
            ..self.clone()
        }
    }

    /// Returns when all parties are there. For as long as it takes; dropping the future leaves.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Conflict`] if the meeting has begun without this party,
    /// [`RecipeError::Lost`] if its znode was deleted by somebody else, [`RecipeError::Client`].
    pub async fn enter(&self) -> Result<Party, RecipeError> {
        let mut ready = Sight::new(&self.client, &join(&self.path, READY).into()).synced();
        // Nobody joins a meeting that lists its parties already.
        let mut opened = ready.next().await?;
        if let Some(members) = opened.as_ref().and_then(frozen) {
            return Err(self.began_without_us(members.len()));
        }
        let own = Guid::of(&self.client).hyphenated();
        let place = Place {
            path: join(&self.path, &own).into(),
            data: Bytes::new(),
            waits: false,
        };
        let guard = appear(&self.client, place).await?;
        // Whether this party stood there before there was a `ready`.
        let mut is_early = false;
        loop {
            if let Some(znode) = opened {
                let members = frozen(&znode);
                return match &members {
                    Some(members) if !members.contains(&own) => {
                        Err(self.began_without_us(members.len()))
                    }
                    _ => Ok(self.party(guard, members)),
                };
            }
            // It has come and gone: the last Curator party but one takes it away when it leaves,
            // and that was quicker than we. Whoever stood there before was counted.
            if ready.event() == Some(EventType::NodeCreated) {
                return match is_early {
                    true => Ok(self.party(guard, None)),
                    false => Err(self.began_without_us(self.parties)),
                };
            }
            let opening = self.try_open().await?;
            is_early |= opening != Opening::WasOpen;
            if opening == Opening::Opened {
                opened = ready.next().await?;
                continue;
            }
            let lost = pin!(guard.lost_for_good());
            opened = match select(pin!(ready.next()), lost).await {
                Either::Left((seen, _)) => seen?,
                // The session's end comes by both ways, and is told in one.
                Either::Right((LossReason::Closed | LossReason::Expired, _)) => {
                    return Err(client_gone(&self.client).into());
                }
                Either::Right((reason, _)) => return Err(RecipeError::Lost(reason)),
            };
        }
    }

    /// As [`DoubleBarrier::enter`], for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Those of [`DoubleBarrier::enter`], and [`RecipeError::TimedOut`].
    pub async fn enter_timeout(&self, timeout: Duration) -> Result<Party, RecipeError> {
        match self.client.now().checked_add(timeout) {
            Some(deadline) => self.enter_until(deadline).await,
            None => self.enter().await,
        }
    }

    /// As [`DoubleBarrier::enter`], until an instant of the client's clock.
    ///
    /// # Errors
    ///
    /// Those of [`DoubleBarrier::enter`], and [`RecipeError::TimedOut`].
    pub async fn enter_until(&self, deadline: Instant) -> Result<Party, RecipeError> {
        until(&self.client, deadline, self.enter()).await
    }

    /// Writes `ready` if enough parties are there.
    ///
    /// Whoever came last sees all others: its listing is behind its own create.
    async fn try_open(&self) -> Result<Opening, RecipeError> {
        let ready = join(&self.path, READY);
        let mut retry = Retry::new(&self.client);
        loop {
            let (mut members, is_ready) = listing(&self.client, &self.path).await?;
            if is_ready {
                return Ok(Opening::WasOpen);
            }
            if members.len() < self.parties {
                return Ok(Opening::NotYet);
            }
            members.truncate(self.parties);
            let paths = members.iter().map(|member| join(&self.path, member));
            let mut ops: Vec<Op> = paths.map(|path| Op::check(&path, None)).collect();
            ops.push(Op::create(
                &ready,
                members.join("\n"),
                CreateMode::Persistent,
            ));
            match self.client.multi(ops).await {
                Ok(_) => return Ok(Opening::Opened),
                Err(error) if error.code() == Some(ErrorCode::NODE_EXISTS) => {
                    return Ok(Opening::Opened);
                }
                // Somebody left since the listing.
                Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {}
                Err(error) if is_transient(&error) || error.outcome() == Outcome::Unknown => {
                    retry.pause().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn party(&self, guard: Guard, members: Option<Vec<String>>) -> Party {
        Party {
            client: self.client.clone(),
            path: Arc::clone(&self.path),
            guard,
            members,
        }
    }

    fn began_without_us(&self, members: usize) -> RecipeError {
        let what = format!(
            "the meeting has begun with {members} parties and without this one: take the next round"
        );
        RecipeError::conflict(&self.path, what)
    }
}

impl Party {
    /// Names of the znodes that were counted in, in text order; `None` if a Curator party opened
    /// the barrier, which does not write them down, or took `ready` away before it could be read.
    pub fn members(&self) -> Option<&[String]> {
        self.members.as_deref()
    }

    /// The guard of its znode, for writes that go through only while this party is inside.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Path of this party's znode.
    pub fn path(&self) -> &str {
        self.guard.path()
    }

    /// What may be relied on now.
    pub fn state(&self) -> GuardState {
        self.guard.state()
    }

    /// The changes of [`Party::state`], the present state first: see [`Guard::states`].
    pub fn states(&self) -> GuardStates {
        self.guard.states()
    }

    /// Resolves when the others may go on without this party: see [`Guard::lost`].
    pub fn lost(&self) -> impl Future<Output = GuardState> + Send + use<> {
        self.guard.lost()
    }

    /// Leaves, and returns when all who went in have left or are gone. Dropping the future leaves
    /// without waiting.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`].
    pub async fn leave(self) -> Result<(), RecipeError> {
        let (client, path) = (&self.client, &self.path);
        let own = name(self.guard.path()).to_owned();
        let mut guard = Some(self.guard);
        loop {
            let mut inside = parties_of(client, path).await?;
            if let Some(members) = &self.members {
                inside.retain(|party| members.contains(party));
            }
            let (Some(lowest), Some(highest)) = (inside.first(), inside.last()) else {
                break;
            };
            // The lowest waits for the others from above and goes last; they wait for it alone.
            let is_last = *lowest == own && *highest == own;
            if (*lowest != own || is_last)
                && let Some(guard) = guard.take()
            {
                match guard.release().await.map_err(RecipeError::from) {
                    // Gone is gone.
                    Ok(()) | Err(RecipeError::Lost(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            if is_last {
                break;
            }
            let awaited = if *lowest == own { highest } else { lowest };
            gone(client, &join(path, awaited)).await?;
        }
        let ready = join(path, READY);
        match insist(client, || client.delete(&ready, None)).await {
            Ok(()) => Ok(()),
            Err(error) if error.code() == Some(ErrorCode::NO_NODE) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`Party::leave`], for at most `timeout`. After it this party has left all the same.
    ///
    /// # Errors
    ///
    /// Those of [`Party::leave`], and [`RecipeError::TimedOut`].
    pub async fn leave_timeout(self, timeout: Duration) -> Result<(), RecipeError> {
        let client = self.client.clone();
        match client.now().checked_add(timeout) {
            Some(deadline) => until(&client, deadline, self.leave()).await,
            None => self.leave().await,
        }
    }
}

/// The parties listed in `ready`; `None` if it was written by another library.
fn frozen(ready: &Znode) -> Option<Vec<String>> {
    let text = std::str::from_utf8(ready.bytes()).ok()?;
    let names: Vec<&str> = text.lines().collect();
    (!names.is_empty() && names.iter().all(|name| is_party(name)))
        .then(|| names.into_iter().map(str::to_owned).collect())
}

/// Whether a child stands for a party: a random id, as every library writes it. Others, `ready`
/// among them, do not count.
fn is_party(name: &str) -> bool {
    let digits = name.bytes().filter(u8::is_ascii_hexdigit).count();
    match name.len() {
        32 => digits == 32,
        36 => {
            digits == 32
                && [8, 13, 18, 23]
                    .iter()
                    .all(|&at| name.as_bytes()[at] == b'-')
        }
        _ => false,
    }
}

/// What a look at the parties led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    NotYet,
    /// There was no `ready`, and then there was.
    Opened,
    /// There was a `ready` when we looked.
    WasOpen,
}

/// Names of the parties that are there, in text order.
async fn parties_of(client: &Client, path: &str) -> Result<Vec<String>, Error> {
    Ok(listing(client, path).await?.0)
}

/// The same, and whether there is a `ready`.
async fn listing(client: &Client, path: &str) -> Result<(Vec<String>, bool), Error> {
    let mut children = match insist(client, || client.children(path)).await {
        Err(error) if error.code() == Some(ErrorCode::NO_NODE) => Vec::new(),
        children => children?,
    };
    let is_ready = children.iter().any(|name| name == READY);
    children.retain(|name| is_party(name));
    children.sort_unstable();
    Ok((children, is_ready))
}

/// Returns when the znode is not there.
async fn gone(client: &Client, path: &str) -> Result<(), Error> {
    let mut retry = Retry::new(client);
    loop {
        match client.get_watched(path).await {
            Ok((_, watch)) => watch_ended(client, watch.await.err())?,
            Err(error) if error.code() == Some(ErrorCode::NO_NODE) => return Ok(()),
            Err(error) if is_transient(&error) => retry.pause().await?,
            Err(error) => return Err(error),
        }
    }
}

impl Guard {
    /// Resolves when the znode is known to be gone, and not before.
    pub(crate) async fn lost_for_good(&self) -> LossReason {
        let mut states = self.states();
        loop {
            match states.next().await {
                Some(GuardState::Lost(reason)) => return reason,
                Some(_) => {}
                None => return LossReason::Closed,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t51_only_random_ids_are_parties() {
        let guid = Guid::new(1, 2);
        assert!(is_party(&guid.hyphenated()));
        assert!(is_party(&guid.plain()));
        for name in [
            "",
            "ready",
            "foo",
            "0123456789ab4def8123456789abcde",
            "0123456789ab-def8123456789abcdefg",
            "ключ0123456789ab4def8123456789ab",
            "_c_01234567-89ab-4def-8123-456789abcdef-lock-0000000001",
        ] {
            assert!(!is_party(name), "{name}");
        }
    }

    #[test]
    fn a_ready_of_another_library_lists_nobody() {
        let ready = |data: &str| Znode {
            data: Some(Bytes::copy_from_slice(data.as_bytes())),
            stat: lockkeeper::Stat::default(),
        };
        assert_eq!(frozen(&ready("")), None);
        assert_eq!(frozen(&ready("192.0.2.1")), None);
        let (a, b) = (Guid::new(1, 2).hyphenated(), Guid::new(3, 4).hyphenated());
        let members = frozen(&ready(&format!("{a}\n{b}"))).unwrap();
        assert_eq!(members, [a, b]);
    }
}
