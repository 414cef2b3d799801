//! A server of any make for tests in other programs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::interop::{self, SERVER_VARIABLE};
use crate::run::{Result, cargo};

/// A server of `lockkeeper-peers`, which stops it when its input ends: at the latest with this
/// process.
pub(crate) struct Server {
    pub(crate) connect: String,
    process: Child,
}

impl Server {
    pub(crate) fn start(peer: &str) -> Result<Self> {
        let words = [
            "run",
            "--locked",
            "--quiet",
            "--package",
            "lockkeeper-e2e",
            "--",
            "serve",
        ];
        let mut command = cargo(&words);
        command
            .arg(peer)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if std::env::var_os(SERVER_VARIABLE).is_none()
            && let Some(binary) = interop::build_server()?
        {
            command.env(SERVER_VARIABLE, binary);
        }
        let mut process = command.spawn()?;
        let output = process.stdout.take().expect("standard output was piped");
        let mut connect = String::new();
        BufReader::new(output).read_line(&mut connect)?;
        let connect = connect.trim().to_owned();
        let server = Self { connect, process };
        match server.connect.is_empty() {
            true => Err(format!("the server {peer} does not start").into()),
            false => Ok(server),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // Nothing is left to be done if it cannot be waited for.
        let _ = self.process.wait();
    }
}
