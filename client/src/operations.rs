//! One method per operation, each of which takes its place in the session's order when it is
//! called.

use bytes::Bytes;
use lockkeeper_session::{CONFIG_PATH, Credential, Error, OpError, Outcome};
use lockkeeper_wire::multi::{MultiReadRequest, MultiRequest};
use lockkeeper_wire::reply::ClientInfo;
use lockkeeper_wire::request::{
    AddWatchRequest, GetEphemeralsRequest, PathOnly, ReconfigRequest, SetAclRequest, SyncPath,
};
use lockkeeper_wire::{
    ANY_VERSION, Acl, AddWatchMode, ByteStr, ErrorCode, OpCode, Request, Response, Stat,
};

use crate::call::Call;
use crate::client::Client;
use crate::inbox::Command;
use crate::options::{
    CreateOptions, Created, Op, OpResult, ReadOp, ReadResult, ReconfigOptions, Znode,
    create_request, path_version, path_watch, set_request, texts, wrong_kind, znode_path,
};
use crate::watch::{OneShotWatch, PersistentWatch};

impl Client {
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
        let acl = self.default_acl();
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

    /// [`Client::children`] without a copy of each name: they share the reply's buffer, all of which
    /// stays in memory as long as one of them does.
    pub fn children_shared(&self, path: &str) -> Call<Vec<ByteStr>> {
        let request = path_watch(path, false).map(Request::GetChildren);
        self.call(request, shared_names)
    }

    /// [`Client::children`] with the parent's metadata, of one moment.
    pub fn children_with_stat(&self, path: &str) -> Call<(Vec<String>, Stat)> {
        let request = path_watch(path, false).map(Request::GetChildren2);
        self.call(request, names_and_stat)
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

    /// [`Client::children_with_stat`] with the watch of [`Client::children_watched`].
    pub fn children_with_stat_watched(
        &self,
        path: &str,
    ) -> Call<((Vec<String>, Stat), OneShotWatch)> {
        let request = path_watch(path, true).map(Request::GetChildren2);
        self.call_watched(request, names_and_stat, OneShotWatch::new)
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
        let acl = self.default_acl();
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
    /// [`State::AuthFailed`](crate::State::AuthFailed).
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

fn names_and_stat(result: Result<Response, Error>) -> Result<(Vec<String>, Stat), Error> {
    match result? {
        Response::GetChildren2(body) => Ok((texts(body.children), body.stat)),
        other => wrong_kind(other),
    }
}

fn names(result: Result<Response, Error>) -> Result<Vec<String>, Error> {
    shared_names(result).map(texts)
}

fn shared_names(result: Result<Response, Error>) -> Result<Vec<ByteStr>, Error> {
    match result? {
        Response::GetChildren(body) => Ok(body.children),
        other => wrong_kind(other),
    }
}
