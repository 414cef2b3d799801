//! Settings of a client; the connect string comes first because nothing goes without it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lockkeeper_session::{
    Config, ConnectString, Credential, Error, Limits, Session, SessionCredentials,
};
use lockkeeper_wire::Acl;

use crate::client::Client;
use crate::driver::{self, Shared, Shutdown};
use crate::inbox::{Inbox, QueueLimits};
use crate::retry::Delays;
use crate::runtime::{Runtime, TokioRuntime};
use crate::states::Status;

/// Settings of a client, from [`Client::builder`].
#[must_use]
pub struct Builder {
    connect_string: String,
    session_timeout: Duration,
    connect_timeout: Duration,
    call_timeout: Option<Duration>,
    read_only: bool,
    resume: Option<SessionCredentials>,
    auth: Vec<Credential>,
    default_acl: Vec<Acl>,
    limits: Limits,
    queue: QueueLimits,
    runtime: Option<Arc<dyn Runtime>>,
}

impl Client {
    /// Settings for a client of `host:port[,host:port]*[/chroot]`.
    pub fn builder(connect_string: impl Into<String>) -> Builder {
        Builder::new(connect_string.into())
    }

    /// Connects with the default settings; see [`Builder::connect`].
    pub async fn connect(connect_string: &str) -> Result<Client, Error> {
        Self::builder(connect_string).connect().await
    }
}

impl Builder {
    fn new(connect_string: String) -> Self {
        Self {
            connect_string,
            session_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(30),
            call_timeout: None,
            read_only: false,
            resume: None,
            auth: Vec::new(),
            default_acl: Acl::open(),
            limits: Limits::default(),
            queue: QueueLimits {
                calls_max: 100_000,
                bytes_max: 64 * 1024 * 1024,
            },
            runtime: None,
        }
    }

    /// The session timeout asked for, 1 ms to 2^31 - 1 ms; 10 s by default. Servers bring it into
    /// their own limits, 2 to 20 ticks by default.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = timeout;
        self
    }

    /// How long [`Builder::connect`] may take before it fails with [`Error::Unreachable`]; 30 s by
    /// default, [`Duration::MAX`] for as long as it takes. Later reconnects are not bounded by it.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The deadline of calls that set none with [`Call::timeout`](crate::Call::timeout); none by
    /// default.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = Some(timeout);
        self
    }

    /// A credential to show to every server, such as `digest` and `user:password`.
    pub fn auth(mut self, scheme: impl Into<String>, credential: impl Into<Bytes>) -> Self {
        self.auth.push(Credential {
            scheme: scheme.into().into(),
            auth: credential.into(),
        });
        self
    }

    /// Whether a server that has lost its quorum will do, for reads; off by default. The client
    /// stays with such a server until the link ends.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Takes over a session instead of making a new one. Its watches do not come with it; it ends
    /// with [`Error::SessionExpired`] if the ensemble has it no more.
    pub fn resume(mut self, credentials: SessionCredentials) -> Self {
        self.resume = Some(credentials);
        self
    }

    /// The access list of znodes created without one; open to the world by default.
    pub fn default_acl(mut self, acl: Vec<Acl>) -> Self {
        self.default_acl = acl;
        self
    }

    /// Bounds of what waits for replies: calls and, roughly, their bytes; 100 000 and 64 MiB by
    /// default. Above either a call fails at once with [`Error::QueueFull`].
    pub fn queue_limits(mut self, calls_max: usize, bytes_max: usize) -> Self {
        self.queue = QueueLimits {
            calls_max,
            bytes_max,
        };
        self
    }

    /// The longest request sent and the longest reply accepted, bytes; 1 048 575 (the default of
    /// `jute.maxbuffer`) and 64 MiB by default.
    pub fn frame_limits(mut self, request_len_max: usize, reply_len_max: usize) -> Self {
        self.limits.request_len_max = request_len_max;
        self.limits.reply_len_max = reply_len_max;
        self
    }

    /// Runs the client in another world than the tokio runtime that `connect` is awaited in.
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Connects and waits until requests flow.
    ///
    /// Fails with [`Error::Misuse`] for settings that cannot be, [`Error::Unreachable`] when no
    /// server took the session in time, [`Error::AuthFailed`] and [`Error::SessionExpired`].
    /// Dropping the future gives the connect up.
    pub async fn connect(self) -> Result<Client, Error> {
        let client = self.start()?;
        let mut states = client.states();
        loop {
            let state = states.next().await.state;
            if state.is_connected() {
                return Ok(client);
            }
            if state.is_final() {
                return Err(client.end_error());
            }
        }
    }

    fn start(self) -> Result<Client, Error> {
        let connect: ConnectString = self
            .connect_string
            .parse()
            .map_err(lockkeeper_session::Misuse::from)?;
        let runtime = match self.runtime {
            Some(runtime) => runtime,
            None => Arc::new(TokioRuntime::current()?),
        };
        let now = runtime.now();
        let session = Session::new(
            Config {
                connect,
                session_timeout: self.session_timeout,
                read_only: self.read_only,
                resume: self.resume,
                auth: self.auth,
                first_connect_max: Some(self.connect_timeout),
                backoff: Box::new(Delays::new(now)),
                seed: runtime.seed(),
                limits: self.limits,
            },
            now,
        )?;
        let shared = Arc::new(Shared {
            inbox: Arc::new(Inbox::new(self.queue)),
            status: Arc::new(Status::new(&session)),
            runtime,
            shutdown: Shutdown::default(),
        });
        driver::spawn(session, Arc::clone(&shared));
        Ok(Client::new(shared, self.default_acl, self.call_timeout))
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("connect_string", &self.connect_string)
            .finish_non_exhaustive()
    }
}
