//! A holder's connection to the judge.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A connection on which one holder at a time reports. Every report waits for its answer, and a
/// violation is an error.
#[derive(Debug)]
pub struct OracleLink(BufReader<TcpStream>);

impl OracleLink {
    /// Connects.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The lock was granted.
    pub async fn enter(&mut self, who: &str, fence: i64, sequence: i32) -> io::Result<()> {
        self.ask(&format!("enter {who} {fence} {sequence}")).await
    }

    /// The lock was granted to one who shares it.
    pub async fn share(&mut self, who: &str) -> io::Result<()> {
        self.ask(&format!("share {who}")).await
    }

    /// The lock is about to be released.
    pub async fn exit(&mut self, who: &str) -> io::Result<()> {
        self.ask(&format!("exit {who}")).await
    }

    async fn ask(&mut self, line: &str) -> io::Result<()> {
        self.0.write_all(format!("{line}\n").as_bytes()).await?;
        let mut answer = String::new();
        self.0.read_line(&mut answer).await?;
        match answer.trim_end() {
            "ok" => Ok(()),
            other => Err(io::Error::other(format!("{line} answered with {other:?}"))),
        }
    }
}
