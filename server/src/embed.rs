//! A server inside another program: for examples, tests, and Rust programs that bring their own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::config::{Config, Listen};
use crate::error::StartError;
use crate::server::Server;

/// How to embed a server; by default on a free port of the loopback interface, with a directory of
/// its own that goes when the server goes.
#[derive(Clone, Debug)]
pub struct Builder {
    data_dir: Option<PathBuf>,
    config: Config,
}

/// A builder with the defaults.
pub fn embed() -> Builder {
    let mut config = Config::new("");
    config.listen = vec![Listen::loopback(0)];
    config.words = crate::words::Whitelist::parse("*");
    // Everybody is at the same address here, tests with a thousand clients included.
    config.limits.connections_per_address_max = None;
    Builder {
        data_dir: None,
        config,
    }
}

impl Builder {
    /// Keeps the data in this directory, which stays when the server goes.
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// The port; 0 for a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.config.listen = vec![Listen::loopback(port)];
        self
    }

    /// The unit of session expiry, ms; session timeouts are granted from 2 to 20 of them.
    pub fn tick_time_ms(mut self, tick_time_ms: u32) -> Self {
        self.config.tick_time_ms = tick_time_ms;
        self
    }

    /// Changes any other setting.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts the server and returns when it serves. Blocks; a program that runs tasks calls it
    /// where blocking is allowed.
    ///
    /// # Errors
    /// As [`Server::start`]; or when no temporary directory can be made.
    pub fn start(mut self) -> Result<Embedded, StartError> {
        let temporary = match self.data_dir.take() {
            Some(dir) => {
                self.config.data_dir = dir;
                None
            }
            None => {
                let dir = TempDir::with_prefix("lockkeeper-").map_err(|source| {
                    let path = std::env::temp_dir();
                    StartError::DataDirectory {
                        setting: "TMPDIR",
                        path,
                        source,
                    }
                })?;
                self.config.data_dir = dir.path().to_owned();
                Some(dir)
            }
        };
        self.config.data_log_dir = self.config.data_dir.clone();
        let server = Server::start(&self.config)?;
        Ok(Embedded {
            server,
            data_dir: self.config.data_dir,
            _temporary: temporary,
        })
    }
}

/// A running embedded server; dropping it stops it.
#[derive(Debug)]
pub struct Embedded {
    server: Server,
    data_dir: PathBuf,
    _temporary: Option<TempDir>,
}

impl Embedded {
    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.server.addresses()[0]
    }

    /// What clients give as their connect string.
    pub fn connect_string(&self) -> String {
        self.address().to_string()
    }

    /// Where the data lies.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Stops the server and waits until it has ended.
    pub fn stop(self) {
        self.server.stop();
    }
}
