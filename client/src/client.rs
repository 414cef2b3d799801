//! The handle: what its clones share, what can be asked of the session, and how a call takes its
//! place in the session's order. The operations are in `operations`.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{self, BoxFuture};
use lockkeeper_session::{Error, Misuse, Outcome, SessionCredentials, State, Ticket};
use lockkeeper_wire::{Acl, Request, Response, SessionId, Zxid};
use tokio::sync::oneshot;

use crate::call::{Call, Finish};
use crate::driver::Shared;
use crate::inbox::Command;
use crate::slot::Slot;
use crate::states::States;
use crate::watch::{OneShotWatch, Watcher};

/// Bytes that a call holds besides its data, roughly.
const CALL_WEIGHT: usize = 256;

/// A session with an ensemble, shared by its clones.
///
/// Cheap to clone, and at home in any thread. Requests of all clones go out in the order of the
/// calls; a call's future only gives the result. Closes the session in the background when the
/// last clone is dropped; [`Client::close`] waits for it.
///
/// Every call ends exactly once. It may fail with the server's refusal ([`Error::Op`]) and with
/// the errors that tell of the session; [`Error::outcome`] says whether a write may have been
/// carried out. Paths are below the connect string's chroot and are checked before anything is
/// sent ([`Error::Misuse`]).
#[derive(Clone)]
pub struct Client {
    owner: Arc<Owner>,
}

/// A [`Client`] that may be gone: keeps nothing open.
#[derive(Clone)]
pub struct WeakClient {
    owner: Weak<Owner>,
}

impl WeakClient {
    /// A handle, while there is any other.
    pub fn upgrade(&self) -> Option<Client> {
        self.owner.upgrade().map(|owner| Client { owner })
    }
}

/// What all clones share; the loop holds only `Shared`, so the last handle can be seen to go.
struct Owner {
    shared: Arc<Shared>,
    default_acl: Vec<Acl>,
    call_timeout: Option<Duration>,
    random: AtomicU64,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.inbox.push(Command::Close);
        self.shared.shutdown.raise();
    }
}

impl Client {
    pub(crate) fn new(
        shared: Arc<Shared>,
        default_acl: Vec<Acl>,
        call_timeout: Option<Duration>,
    ) -> Self {
        let random = AtomicU64::new(shared.runtime.seed());
        Self {
            owner: Arc::new(Owner {
                shared,
                default_acl,
                call_timeout,
                random,
            }),
        }
    }

    /// The session's id.
    pub fn session_id(&self) -> SessionId {
        let status = &self.owner.shared.status;
        status.look(|view| view.credentials.id)
    }

    /// The session timeout that the server has set.
    pub fn negotiated_timeout(&self) -> Duration {
        self.owner.shared.status.look(|view| view.timeout)
    }

    /// What the session can be taken over with; a secret.
    pub fn credentials(&self) -> SessionCredentials {
        self.owner.shared.status.view().credentials
    }

    /// The highest zxid that a reply has shown.
    pub fn last_zxid(&self) -> Zxid {
        self.owner.shared.status.look(|view| view.zxid_seen)
    }

    /// Where the session stands now.
    pub fn state(&self) -> State {
        self.owner.shared.status.look(|view| view.change.state)
    }

    /// The session's states from now on, the present one first.
    pub fn states(&self) -> States {
        States::new(Arc::clone(&self.owner.shared.status))
    }

    /// Until when the ensemble cannot have ended the session, by what this client knows: 7/10 of
    /// the timeout after the newest answered request was sent. `None` once the session is over.
    ///
    /// Before this instant nobody else holds a lock that rests on this session's ephemerals. It
    /// says nothing about a process that is paused between the look and the act, nor about servers
    /// whose minimum timeout was set below two ticks: protect what matters by fencing. What a server
    /// without a quorum answers does not move it. Compare it with [`Client::now`].
    pub fn lease_deadline(&self) -> Option<Instant> {
        self.owner.shared.status.look(|view| view.lease)
    }

    /// As [`Client::lease_deadline`], by what the leader is known to have heard: 19/20 of the
    /// timeout after it. `None` while nothing is known.
    ///
    /// The lease can be too long behind a follower that was cut off from its leader, or a leader
    /// from its quorum: they answer pings until they notice. This is moved on by three answers over
    /// one link: any; then a [`Client::sync`] or a write that was asked for 3/10 of the timeout
    /// later; then a write that was asked for when that was answered. Pings serve as the first, and
    /// a new link as the first two. Nothing is sent for it by itself.
    pub fn confirmed_deadline(&self) -> Option<Instant> {
        self.owner.shared.status.look(|view| view.confirmed)
    }

    /// A handle that does not count as one, for tasks that are not to keep the client open.
    pub fn downgrade(&self) -> WeakClient {
        WeakClient {
            owner: Arc::downgrade(&self.owner),
        }
    }

    /// Waits until the bounds of [`Builder::queue_limits`](crate::Builder::queue_limits) leave room for another call. Others may
    /// take it first.
    pub async fn capacity(&self) {
        self.owner.shared.inbox.room().await;
    }

    /// Ends the session: its ephemerals are deleted, its watches end.
    ///
    /// Calls made before are carried out first; all that is left after a third of the session
    /// timeout, at most five seconds, ends with [`Error::Closed`], and so do later calls. May be
    /// called again. Fails only if the session had ended in another way before.
    pub async fn close(&self) -> Result<(), Error> {
        self.owner.shared.inbox.push(Command::Close);
        let mut states = self.states();
        while !states.next().await.state.is_final() {}
        match self.end_error() {
            Error::Closed { .. } => Ok(()),
            error => Err(error),
        }
    }

    /// Now, by the client's clock: as [`Instant::now`], and on Linux ahead of it by the time for
    /// which the machine was suspended since the process began to look.
    pub fn now(&self) -> Instant {
        self.owner.shared.runtime.now()
    }

    /// Ends at the given time, by the client's clock.
    pub fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        self.owner.shared.runtime.sleep_until(at)
    }

    /// Runs a task on the client's runtime, from any thread.
    ///
    /// The task is dropped when the client is closed or its last handle goes, so a task that holds
    /// a handle keeps the client open. After an expiry tasks go on.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let shared = Arc::clone(&self.owner.shared);
        self.owner.shared.runtime.spawn(Box::pin(async move {
            let over = pin!(shared.shutdown.wait());
            future::select(over, pin!(task)).await;
        }));
    }

    /// A number from a seeded sequence, as unpredictable as [`Runtime::seed`](crate::Runtime::seed).
    pub fn random(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15;
        let state = self.owner.random.fetch_add(step, Ordering::Relaxed);
        let mut z = state.wrapping_add(step);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 32 hexadecimal digits to mark a znode as one's own: the session's id and a random number.
    pub fn guid(&self) -> String {
        format!("{:016x}{:016x}", self.session_id().0, self.random())
    }

    /// The access list of znodes created without one.
    pub(crate) fn default_acl(&self) -> &[Acl] {
        &self.owner.default_acl
    }

    /// The error that every call gets once the session is over.
    pub(crate) fn end_error(&self) -> Error {
        let outcome = Outcome::NotApplied;
        let end = self.owner.shared.status.look(|view| view.end.clone());
        end.unwrap_or(Error::Closed { outcome })
    }

    pub(crate) fn call<T>(
        &self,
        request: Result<Request, Misuse>,
        finish: impl FnOnce(Result<Response, Error>) -> Result<T, Error> + Send + 'static,
    ) -> Call<T> {
        match request {
            Ok(request) => self.wait(self.submit_request(request, None), Box::new(finish)),
            Err(misuse) => Call::failed(misuse),
        }
    }

    pub(crate) fn call_watched<T: 'static>(
        &self,
        request: Result<Request, Misuse>,
        finish: impl FnOnce(Result<Response, Error>) -> Result<T, Error> + Send + 'static,
        watch: fn(Watcher) -> OneShotWatch,
    ) -> Call<(T, OneShotWatch)> {
        self.call_with_slot(request, finish, move |value, watcher| {
            (value, watch(watcher))
        })
    }

    /// The watch is made with the call, so that dropping the call takes it back.
    pub(crate) fn call_with_slot<T: 'static, W>(
        &self,
        request: Result<Request, Misuse>,
        finish: impl FnOnce(Result<Response, Error>) -> Result<T, Error> + Send + 'static,
        watch: impl FnOnce(T, Watcher) -> W + Send + 'static,
    ) -> Call<W> {
        let request = match request {
            Ok(request) => request,
            Err(misuse) => return Call::failed(misuse),
        };
        let slot = Arc::new(Slot::default());
        let submitted = match self.submit_request(request, Some(Arc::clone(&slot))) {
            Ok(submitted) => submitted,
            Err(error) => return Call::failed(error),
        };
        let watcher = Watcher::new(slot, Arc::clone(&self.owner.shared.inbox), submitted.0);
        let finish = Box::new(move |result| match finish(result) {
            Ok(value) => Ok(watch(value, watcher)),
            Err(error) => {
                watcher.void();
                Err(error)
            }
        });
        self.wait(Ok(submitted), finish)
    }

    fn submit_request(
        &self,
        request: Request,
        slot: Option<Arc<Slot>>,
    ) -> Result<Submitted, Error> {
        let weight = CALL_WEIGHT + data_len(&request);
        let runtime = &self.owner.shared.runtime;
        let deadline = self
            .owner
            .call_timeout
            .and_then(|after| runtime.now().checked_add(after));
        self.submit(weight, |ticket, answer| Command::Submit {
            ticket,
            request,
            weight,
            answer,
            slot,
            deadline,
        })
    }

    pub(crate) fn submit(
        &self,
        weight: usize,
        command: impl FnOnce(Ticket, crate::inbox::Answer) -> Command,
    ) -> Result<Submitted, Error> {
        let (answer, reply) = oneshot::channel();
        let inbox = &self.owner.shared.inbox;
        let ticket = inbox.submit(weight, |ticket| command(ticket, answer))?;
        Ok((ticket, reply))
    }

    pub(crate) fn wait<T>(
        &self,
        submitted: Result<Submitted, Error>,
        finish: Finish<T>,
    ) -> Call<T> {
        match submitted {
            Ok((ticket, reply)) => {
                let shared = &self.owner.shared;
                let (inbox, runtime) = (Arc::clone(&shared.inbox), Arc::clone(&shared.runtime));
                Call::waiting(reply, ticket, inbox, runtime, finish)
            }
            Err(error) => Call::failed(error),
        }
    }
}

pub(crate) type Submitted = (Ticket, oneshot::Receiver<Result<Response, Error>>);

impl std::fmt::Debug for WeakClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WeakClient")
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("session", &self.session_id())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// Bytes of data in a request, for the bound on what waits.
fn data_len(request: &Request) -> usize {
    use lockkeeper_wire::multi::MultiOp;
    let len = |data: &Option<Bytes>| data.as_ref().map_or(0, Bytes::len);
    match request {
        Request::Create2(body) | Request::CreateContainer(body) => len(&body.data),
        Request::CreateTtl(body) => len(&body.data),
        Request::SetData(body) => len(&body.data),
        Request::Multi(body) => body
            .ops
            .iter()
            .map(|op| match op {
                MultiOp::Create(part) | MultiOp::Create2(part) | MultiOp::CreateContainer(part) => {
                    CALL_WEIGHT + len(&part.data)
                }
                MultiOp::CreateTtl(part) => CALL_WEIGHT + len(&part.data),
                MultiOp::SetData(part) => CALL_WEIGHT + len(&part.data),
                MultiOp::Delete(_) | MultiOp::Check(_) => CALL_WEIGHT,
            })
            .sum(),
        _ => 0,
    }
}
