//! A connected client: operations that return at once with a [`Pending`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryFutureExt;
use lockkeeper::runtime::TokioRuntime;
use lockkeeper::{
    Client, CreateMode, CreateOptions, Created, Error, ErrorCode, SessionCredentials, SessionId,
    Stat, State, Znode,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::{AclTuples, acl, create_options, data, maybe_seconds, seconds};
use crate::failure::{Context, Failure};
use crate::pending::Pending;
use crate::process::{self, Tied};
use crate::stat;
use crate::value::nothing;

/// A session with an ensemble.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Session {
    client: Tied<Client>,
}

impl Session {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client: Tied::new(client),
        }
    }

    pub(crate) fn client(&self) -> Result<&Client, Failure> {
        self.client.get()
    }
}

#[pymethods]
impl Session {
    /// Connects; the pending value is the session.
    #[staticmethod]
    #[allow(clippy::too_many_arguments)]
    fn open(
        hosts: &str,
        timeout: f64,
        connect_timeout: Option<f64>,
        call_timeout: Option<f64>,
        read_only: bool,
        auth: Vec<(String, Vec<u8>)>,
        default_acl: Option<AclTuples>,
        resume: Option<(i64, Vec<u8>)>,
    ) -> Result<Pending, Failure> {
        let runtime = TokioRuntime::new(process::runtime()?);
        let connect_timeout = maybe_seconds("connect_timeout", connect_timeout)?;
        let mut builder = Client::builder(hosts)
            .runtime(Arc::new(runtime))
            .session_timeout(seconds("timeout", timeout)?)
            .connect_timeout(connect_timeout.unwrap_or(Duration::MAX))
            .read_only(read_only);
        if let Some(timeout) = maybe_seconds("call_timeout", call_timeout)? {
            builder = builder.call_timeout(timeout);
        }
        for (scheme, credential) in auth {
            builder = builder.auth(scheme, credential);
        }
        if let Some(entries) = default_acl {
            builder = builder.default_acl(acl(entries));
        }
        if let Some((id, password)) = resume {
            builder = builder.resume(SessionCredentials {
                id: SessionId(id),
                password: password.into(),
            });
        }
        let context = Context::new("connect", None);
        Ok(Pending::new(context, builder.connect().map_ok(Self::new)))
    }

    /// The pending value is the path of the znode.
    fn create(
        &self,
        path: &str,
        bytes: &[u8],
        mode: i32,
        acl: Option<AclTuples>,
        ttl: Option<f64>,
        makepath: bool,
    ) -> Result<Pending, Failure> {
        let client = self.client()?;
        let context = Context::new("create", Some(path));
        let options = create_options(mode, acl, ttl)?;
        let path_of = |created: Created| created.path;
        Ok(if makepath {
            let call = create_below(client, path, data(bytes), options);
            Pending::new(context, call.map_ok(path_of))
        } else {
            let call = client.create(path, data(bytes), options);
            Pending::new(context, call.map_ok(path_of))
        })
    }

    fn delete(&self, path: &str, version: Option<i32>) -> Result<Pending, Failure> {
        let context = Context::new("delete", Some(path));
        let call = self.client()?.delete(path, version);
        Ok(Pending::new(context, call.map_ok(nothing)))
    }

    fn exists(&self, path: &str) -> Result<Pending, Failure> {
        let context = Context::new("exists", Some(path));
        let call = self.client()?.exists(path);
        let stat = |stat: Option<Stat>| stat.map(stat::Stat::from);
        Ok(Pending::new(context, call.map_ok(stat)))
    }

    fn get(&self, path: &str) -> Result<Pending, Failure> {
        let context = Context::new("get", Some(path));
        let call = self.client()?.get(path);
        let value = |znode: Znode| (znode.data.unwrap_or_default(), stat::Stat::from(znode.stat));
        Ok(Pending::new(context, call.map_ok(value)))
    }

    fn set(&self, path: &str, bytes: &[u8], version: Option<i32>) -> Result<Pending, Failure> {
        let context = Context::new("set", Some(path));
        let call = self.client()?.set(path, data(bytes), version);
        Ok(Pending::new(context, call.map_ok(stat::Stat::from)))
    }

    fn children(&self, path: &str) -> Result<Pending, Failure> {
        let context = Context::new("children", Some(path));
        Ok(Pending::new(context, self.client()?.children(path)))
    }

    fn sync(&self, path: &str) -> Result<Pending, Failure> {
        let context = Context::new("sync", Some(path));
        let call = self.client()?.sync(path);
        Ok(Pending::new(context, call.map_ok(nothing)))
    }

    fn add_auth(&self, scheme: &str, credential: &[u8]) -> Result<Pending, Failure> {
        let call = self.client()?.add_auth(scheme, data(credential));
        let context = Context::new("add_auth", None);
        Ok(Pending::new(context, call.map_ok(nothing)))
    }

    /// Succeeds however the session ended: it is closed then.
    fn close(&self) -> Result<Pending, Failure> {
        let client = self.client()?.clone();
        let call = async move {
            match client.close().await {
                Err(error) if !error.is_final() => Err(error),
                _ => Ok(()),
            }
        };
        let context = Context::new("close", None);
        Ok(Pending::new(context, call.map_ok(nothing)))
    }

    #[getter]
    fn session_id(&self) -> Result<i64, Failure> {
        Ok(self.client()?.session_id().0)
    }

    /// The session's id and its password.
    #[getter]
    fn credentials<'py>(&self, py: Python<'py>) -> Result<(i64, Bound<'py, PyBytes>), Failure> {
        let credentials = self.client()?.credentials();
        Ok((
            credentials.id.0,
            PyBytes::new(py, credentials.password.as_ref()),
        ))
    }

    /// The session timeout that the server has set, seconds.
    #[getter]
    fn timeout(&self) -> Result<f64, Failure> {
        Ok(self.client()?.negotiated_timeout().as_secs_f64())
    }

    #[getter]
    fn state(&self) -> Result<&'static str, Failure> {
        Ok(match self.client()?.state() {
            State::AuthFailed => "auth_failed",
            State::Closed => "closed",
            State::Connected => "connected",
            State::ConnectedReadOnly => "connected_read_only",
            State::Expired => "expired",
            _ => "suspended",
        })
    }
}

/// Creates a znode, and its missing ancestors as persistent znodes without data.
///
/// The first attempt is made at the call, because ancestors are rarely missing.
fn create_below(
    client: &Client,
    path: &str,
    data: Bytes,
    options: CreateOptions,
) -> impl Future<Output = Result<Created, Error>> + Send + use<> {
    let first = client.create(path, data.clone(), options.clone());
    let (client, path) = (client.clone(), path.to_owned());
    async move {
        match first.await {
            Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {}
            result => return result,
        }
        for (end, _) in path.match_indices('/').skip(1) {
            let ancestor = &path[..end];
            match client.create(ancestor, "", CreateMode::Persistent).await {
                Err(error) if error.code() != Some(ErrorCode::NODE_EXISTS) => return Err(error),
                _ => {}
            }
        }
        client.create(&path, data, options).await
    }
}
