//! The server's program as a child process.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use socket2::{Domain, Socket, Type};

use super::until;

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Binary {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

/// Runs the program to its end, which must come by itself.
pub fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockkeeper-server"));
    command.args(arguments).stdin(Stdio::null());
    command.output().expect("the program starts")
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A port that nobody else is given while this lives, and that one server can listen on, again and
/// again.
#[derive(Debug)]
pub struct Reserved(Socket);

/// Reserves a port. The socket is bound and never listens, and lets another be bound like it.
pub fn reserve() -> Reserved {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("an option");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a port");
    Reserved(socket)
}

impl Reserved {
    pub fn port(&self) -> u16 {
        let address = self.0.local_addr().expect("an address");
        address.as_socket().expect("an IP address").port()
    }
}

impl Binary {
    /// Serves the directory on a free port; returns when it serves.
    pub fn serve(dir: &Path) -> Self {
        let port = free_port();
        let data_dir = dir.as_os_str();
        let listen = format!("127.0.0.1:{port}");
        let arguments = [
            "--data-dir".as_ref(),
            data_dir,
            "--listen".as_ref(),
            listen.as_ref(),
        ];
        Self::start(arguments, port, &dir.with_extension("log"))
    }

    /// Starts the program; returns when clients can connect to the port.
    pub fn start<A: AsRef<OsStr>>(
        arguments: impl IntoIterator<Item = A>,
        port: u16,
        log: &Path,
    ) -> Self {
        let file = std::fs::File::create(log).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockkeeper-server"));
        command.args(arguments);
        let child = command.stdin(Stdio::null()).stderr(file).spawn();
        let mut server = Self {
            child: child.expect("the program starts"),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            log: log.to_owned(),
        };
        until("serving", || {
            let ended = server.child.try_wait().expect("a child");
            assert!(ended.is_none(), "{ended:?}: {}", server.log());
            server.log().contains("serving clients")
        });
        server
    }

    /// SIGKILL; returns when it has ended.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("an end");
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(kill.expect("kill runs").success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("the end of the program", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        status.expect("just seen")
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}
