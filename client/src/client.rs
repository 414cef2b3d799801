//! The handle: one method per operation, each of which takes its place in the session's order when
//! it is called.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{self, BoxFuture};
use lockkeeper_session::{
    CONFIG_PATH, Credential, Error, Misuse, OpError, Outcome, SessionCredentials, State, Ticket,
};
use lockkeeper_wire::multi::{MultiReadRequest, MultiRequest};
use lockkeeper_wire::reply::ClientInfo;
use lockkeeper_wire::request::{
    AddWatchRequest, GetEphemeralsRequest, PathOnly, ReconfigRequest, SetAclRequest, SyncPath,
};
use lockkeeper_wire::{
    ANY_VERSION, Acl, AddWatchMode, ErrorCode, OpCode, Request, Response, SessionId, Stat, Zxid,
};
use tokio::sync::oneshot;

use crate::call::{Call, Finish};
use crate::driver::Shared;
use crate::inbox::Command;
use crate::options::{
    CreateOptions, Created, Op, OpResult, ReadOp, ReadResult, ReconfigOptions, Znode,
    create_request, path_version, path_watch, set_request, texts, wrong_kind, znode_path,
};
use crate::slot::Slot;
use crate::states::States;
use crate::watch::{OneShotWatch, PersistentWatch, Watcher};

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

    /// Creates a znode.
    ///
    /// For sequential modes the server appends a number of ten digits to the path, which may then
    /// end with a slash. Refused with `NoNode` (no parent), `NodeExists`,
    /// `NoChildrenForEphemerals`, `NoAuth`, `InvalidACL`, `QuotaExceeded`.
    pub fn create(
        &self,
        path: &str,
        data: impl Into<Bytes>,
        options: impl Into<CreateOptions>,
    ) -> Call<Created> {
        let acl = &self.owner.default_acl;
        let request = create_request(path, data.into(), options.into(), acl);
        self.call(request, |result| match result? {
            Response::Create2(body) => Ok(Created {
                path: body.path.to_string(),
                stat: body.stat,
            }),
            other => wrong_kind(other),
        })
    }

    /// Deletes a znode that has no children; `version` is the data version it must have.
    ///
    /// Refused with `NoNode`, `BadVersion`, `NotEmpty`, `NoAuth`.
    pub fn delete(&self, path: &str, version: Option<i32>) -> Call<()> {
        let request = path_version(path, version).map(Request::Delete);
        self.call(request, |result| result.map(drop))
    }

    /// A znode's metadata, or `None` if there is none at the path.
    pub fn exists(&self, path: &str) -> Call<Option<Stat>> {
        let request = path_watch(path, false).map(Request::Exists);
        self.call(request, stat_or_none)
    }

    /// A znode's data and metadata. Refused with `NoNode`, `NoAuth`.
    pub fn get(&self, path: &str) -> Call<Znode> {
        let request = path_watch(path, false).map(Request::GetData);
        self.call(request, znode)
    }

    /// Sets a znode's data; `version` is the data version it must have.
    ///
    /// Refused with `NoNode`, `BadVersion`, `NoAuth`, `QuotaExceeded`.
    pub fn set(&self, path: &str, data: impl Into<Bytes>, version: Option<i32>) -> Call<Stat> {
        let request = set_request(path, data.into(), version).map(Request::SetData);
        self.call(request, stat)
    }

    /// Names of a znode's children, without slashes, in no order. Refused with `NoNode`, `NoAuth`.
    pub fn children(&self, path: &str) -> Call<Vec<String>> {
        let request = path_watch(path, false).map(Request::GetChildren);
        self.call(request, names)
    }

    /// The same with the parent's metadata, of one moment.
    pub fn children_with_stat(&self, path: &str) -> Call<(Vec<String>, Stat)> {
        let request = path_watch(path, false).map(Request::GetChildren2);
        self.call(request, |result| match result? {
            Response::GetChildren2(body) => Ok((texts(body.children), body.stat)),
            other => wrong_kind(other),
        })
    }

    /// [`Client::exists`] with a watch for the znode's creation, deletion or next data.
    pub fn exists_watched(&self, path: &str) -> Call<(Option<Stat>, OneShotWatch)> {
        let request = path_watch(path, true).map(Request::Exists);
        self.call_watched(request, stat_or_none, OneShotWatch::new)
    }

    /// [`Client::get`] with a watch for the znode's next data or deletion. A refusal leaves no
    /// watch.
    pub fn get_watched(&self, path: &str) -> Call<(Znode, OneShotWatch)> {
        let request = path_watch(path, true).map(Request::GetData);
        self.call_watched(request, znode, OneShotWatch::new)
    }

    /// [`Client::children`] with a watch for the next child that comes or goes, or the znode's
    /// deletion. A refusal leaves no watch.
    pub fn children_watched(&self, path: &str) -> Call<(Vec<String>, OneShotWatch)> {
        let request = path_watch(path, true).map(Request::GetChildren);
        self.call_watched(request, names, OneShotWatch::new)
    }

    /// Watches a znode, or it and all below it, until the watch is dropped. The znode need not be
    /// there. Servers from 3.6; older ones refuse with `Unimplemented`.
    ///
    /// Servers up to 3.8 keep one mode per path and client: a one-shot watch set on the same path
    /// later takes the place of the persistent one, which then ends with that event and without a
    /// word. Use one kind per path where such servers must be served.
    pub fn watch(&self, path: &str, mode: AddWatchMode) -> Call<PersistentWatch> {
        let request = znode_path(path).map(|path| {
            Request::AddWatch(AddWatchRequest {
                path: Some(path),
                mode: mode.into(),
            })
        });
        let finish = |result: Result<Response, Error>| match result {
            Err(error) if error.code() == Some(ErrorCode::NO_NODE) => Ok(()),
            result => result.map(drop),
        };
        self.call_with_slot(request, finish, |(), watcher| PersistentWatch::new(watcher))
    }

    /// A znode's access list and metadata. Refused with `NoNode`, `NoAuth`.
    pub fn acl(&self, path: &str) -> Call<(Vec<Acl>, Stat)> {
        let request = znode_path(path).map(|path| Request::GetAcl(PathOnly { path }));
        self.call(request, |result| match result? {
            Response::GetAcl(body) => Ok((body.acl, body.stat)),
            other => wrong_kind(other),
        })
    }

    /// Sets a znode's access list; `version` is the ACL version it must have.
    ///
    /// Refused with `NoNode`, `BadVersion`, `InvalidACL`, `NoAuth`.
    pub fn set_acl(&self, path: &str, acl: Vec<Acl>, version: Option<i32>) -> Call<Stat> {
        let request = znode_path(path).map(|path| {
            Request::SetAcl(SetAclRequest {
                path,
                acl: Some(acl),
                version: version.unwrap_or(ANY_VERSION),
            })
        });
        self.call(request, stat)
    }

    /// Brings the server up to what the leader had committed: a read submitted after this call
    /// sees it. The path need not exist.
    pub fn sync(&self, path: &str) -> Call<()> {
        let request = znode_path(path).map(|path| Request::Sync(SyncPath { path: Some(path) }));
        self.call(request, |result| result.map(drop))
    }

    /// Carries out all writes or none, at one zxid.
    ///
    /// Results are in the order of the parts. Fails with [`Error::Multi`] when a part is refused;
    /// then nothing has been applied.
    pub fn multi(&self, ops: Vec<Op>) -> Call<Vec<OpResult>> {
        let acl = &self.owner.default_acl;
        let asked = ops.len();
        let request = ops
            .into_iter()
            .map(|op| op.into_wire(acl))
            .collect::<Result<_, _>>()
            .map(|ops| Request::Multi(MultiRequest { ops }));
        self.call(request, move |result| match result? {
            Response::Multi(body) => match body.failure() {
                Some((index, code)) => Err(Error::Multi { index, code }),
                None if body.results.len() != asked => wrong_kind(Response::Multi(body)),
                None => body
                    .results
                    .into_iter()
                    .map(|result| {
                        OpResult::from_wire(result).map_err(|what| Error::Protocol {
                            what,
                            outcome: Outcome::Unknown,
                        })
                    })
                    .collect(),
            },
            other => wrong_kind(other),
        })
    }

    /// Reads several znodes in one request; parts fail alone. Not one moment's view: writes may
    /// fall between the parts. Servers from 3.6.
    pub fn multi_read(&self, ops: Vec<ReadOp>) -> Call<Vec<ReadResult>> {
        let asked = ops.len();
        let request = ops
            .into_iter()
            .map(ReadOp::into_wire)
            .collect::<Result<_, _>>()
            .map(|ops| Request::MultiRead(MultiReadRequest { ops }));
        self.call(request, move |result| match result? {
            Response::MultiRead(body) if body.results.len() == asked => Ok(body
                .results
                .into_iter()
                .map(ReadResult::from_wire)
                .collect()),
            other => wrong_kind(other),
        })
    }

    /// Paths of this session's ephemerals that start with `prefix`, in no order. Servers from 3.6.
    pub fn ephemerals(&self, prefix: Option<&str>) -> Call<Vec<String>> {
        let prefix = prefix.map(Into::into);
        let request = Request::GetEphemerals(GetEphemeralsRequest { prefix });
        self.call(Ok(request), |result| match result? {
            Response::GetEphemerals(body) => Ok(texts(body.ephemerals)),
            other => wrong_kind(other),
        })
    }

    /// The number of znodes below a path. Servers from 3.6.
    pub fn count_descendants(&self, path: &str) -> Call<i32> {
        let request = znode_path(path).map(|path| Request::GetAllChildrenNumber(PathOnly { path }));
        self.call(request, |result| match result? {
            Response::GetAllChildrenNumber(body) => Ok(body.total),
            other => wrong_kind(other),
        })
    }

    /// The identities of this client's connection. Servers from 3.7.
    pub fn who_am_i(&self) -> Call<Vec<ClientInfo>> {
        self.call(Ok(Request::WhoAmI), |result| match result? {
            Response::WhoAmI(body) => Ok(body.identities),
            other => wrong_kind(other),
        })
    }

    /// Changes the ensemble's membership and gives the configuration that is then active.
    ///
    /// Refused with `ReconfigDisabled`, `NoAuth`, `BadVersion`, `BadArguments`,
    /// `ReconfigInProgress`, `NewConfigNoQuorum`.
    pub fn reconfig(&self, options: ReconfigOptions) -> Call<Znode> {
        let request = Request::Reconfig(ReconfigRequest {
            joining_servers: options.joining.map(Into::into),
            leaving_servers: options.leaving.map(Into::into),
            new_members: options.members.map(Into::into),
            cur_config_id: options.from_version.unwrap_or(-1),
        });
        self.call(Ok(request), znode)
    }

    /// The ensemble's configuration: `/zookeeper/config`, whatever the chroot.
    pub fn config(&self) -> Call<Znode> {
        let request = path_watch(CONFIG_PATH, false).map(Request::GetData);
        self.call(request, znode)
    }

    /// Shows a credential to this server and to all that follow. A refusal ends the client with
    /// [`State::AuthFailed`].
    pub fn add_auth(&self, scheme: &str, credential: impl Into<Bytes>) -> Call<()> {
        let credential = Credential {
            scheme: scheme.into(),
            auth: credential.into(),
        };
        let submitted = self.submit(0, |ticket, answer| Command::AddAuth {
            ticket,
            credential,
            answer,
        });
        self.wait(submitted, Box::new(|result| result.map(drop)))
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
    /// says nothing about a process that is paused between the look and the act, nor about a
    /// machine that was suspended, whose monotonic clock on Linux stands still meanwhile, nor about
    /// servers whose minimum timeout was set below two ticks: protect what matters by fencing. What
    /// a server without a quorum answers does not move it.
    pub fn lease_deadline(&self) -> Option<Instant> {
        self.owner.shared.status.look(|view| view.lease)
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

    /// Now, by the client's clock.
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

    /// The error that every call gets once the session is over.
    pub(crate) fn end_error(&self) -> Error {
        let outcome = Outcome::NotApplied;
        let end = self.owner.shared.status.look(|view| view.end.clone());
        end.unwrap_or(Error::Closed { outcome })
    }

    fn call<T>(
        &self,
        request: Result<Request, Misuse>,
        finish: impl FnOnce(Result<Response, Error>) -> Result<T, Error> + Send + 'static,
    ) -> Call<T> {
        match request {
            Ok(request) => self.wait(self.submit_request(request, None), Box::new(finish)),
            Err(misuse) => Call::failed(misuse),
        }
    }

    fn call_watched<T: 'static>(
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
    fn call_with_slot<T: 'static, W>(
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

    fn submit(
        &self,
        weight: usize,
        command: impl FnOnce(Ticket, crate::inbox::Answer) -> Command,
    ) -> Result<Submitted, Error> {
        let (answer, reply) = oneshot::channel();
        let inbox = &self.owner.shared.inbox;
        let ticket = inbox.submit(weight, |ticket| command(ticket, answer))?;
        Ok((ticket, reply))
    }

    fn wait<T>(&self, submitted: Result<Submitted, Error>, finish: Finish<T>) -> Call<T> {
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

type Submitted = (Ticket, oneshot::Receiver<Result<Response, Error>>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("session", &self.session_id())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

fn stat(result: Result<Response, Error>) -> Result<Stat, Error> {
    match result? {
        Response::Stat(body) => Ok(body.stat),
        other => wrong_kind(other),
    }
}

fn stat_or_none(result: Result<Response, Error>) -> Result<Option<Stat>, Error> {
    match result {
        Err(Error::Op(OpError {
            code: ErrorCode::NO_NODE,
            op: OpCode::Exists,
            ..
        })) => Ok(None),
        result => stat(result).map(Some),
    }
}

fn znode(result: Result<Response, Error>) -> Result<Znode, Error> {
    match result? {
        Response::GetData(body) => Ok(Znode::new(body.data, body.stat)),
        other => wrong_kind(other),
    }
}

fn names(result: Result<Response, Error>) -> Result<Vec<String>, Error> {
    match result? {
        Response::GetChildren(body) => Ok(texts(body.children)),
        other => wrong_kind(other),
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
