//! One server of any make, behind one face.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::member::{Member, Role};
use crate::process::Process;
use crate::scratch::{Scratch, free_port};
use crate::{apache, four_letter, ours, wait};

/// Which server to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Apache ZooKeeper 3.8.
    Apache38,
    /// Apache ZooKeeper 3.9.
    Apache39,
    /// `lockkeeper-server`, found by [`ours::BINARY_VARIABLE`].
    Ours,
}

impl Peer {
    /// Apache 3.9, and ours if its binary was named: what most tests run against.
    pub fn under_test() -> Vec<Self> {
        let mut peers = vec![Self::Apache39];
        if ours::binary().is_some() {
            peers.push(Self::Ours);
        }
        peers
    }

    /// Those under test and Apache 3.8, for tests where the release may matter.
    pub fn every() -> Vec<Self> {
        let mut peers = vec![Self::Apache38];
        peers.extend(Self::under_test());
        peers
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apache38 => "apache-3.8",
            Self::Apache39 => "apache-3.9",
            Self::Ours => "ours",
        })
    }
}

/// The role that `srvr` reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Leads an ensemble.
    Leader,
    /// Votes and follows.
    Follower,
    /// Follows without a vote.
    Observer,
    /// Serves reads without a quorum.
    ReadOnly,
    /// Serves alone.
    Standalone,
}

/// What goes into the configuration besides ports and folders.
///
/// The defaults suit tests: a tick of 500 ms, session timeouts between two ticks and a minute.
#[derive(Clone, Debug)]
pub struct Settings {
    config: BTreeMap<String, String>,
    properties: BTreeMap<String, String>,
    as_shipped: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let settings = Self {
            config: BTreeMap::new(),
            properties: BTreeMap::new(),
            as_shipped: false,
        };
        settings
            .config("tickTime", "500")
            .config("initLimit", "20")
            .config("syncLimit", "10")
            .config("maxSessionTimeout", "60000")
            .config("maxClientCnxns", "0")
    }
}

impl Settings {
    /// Sets a line of `zoo.cfg`.
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Sets what Apache's server takes as a Java system property, by its full name.
    #[must_use]
    pub fn property(mut self, key: &str, value: &str) -> Self {
        self.properties.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Gives Apache's server the Java options of its own start script, in place of those that suit
    /// tests: for whoever measures.
    #[must_use]
    pub fn as_shipped(mut self) -> Self {
        self.as_shipped = true;
        self
    }

    pub(crate) fn is_as_shipped(&self) -> bool {
        self.as_shipped
    }

    pub(crate) fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// A server with its data folder, running or not. Dropping it kills it and removes the data.
#[derive(Debug)]
pub struct Server {
    peer: Peer,
    name: String,
    settings: Settings,
    client_port: u16,
    /// Empty for a standalone server.
    members: Vec<Member>,
    // Before the folder, so that the process is dead when its data goes.
    process: Option<Process>,
    folder: Scratch,
}

impl Server {
    /// Starts a standalone server with default settings and waits until it serves.
    pub fn standalone(peer: Peer) -> io::Result<Self> {
        Self::standalone_with(peer, Settings::default())
    }

    /// Starts a standalone server and waits until it serves.
    pub fn standalone_with(peer: Peer, settings: Settings) -> io::Result<Self> {
        let mut server = Self {
            peer,
            name: peer.to_string(),
            settings,
            client_port: free_port()?,
            members: Vec::new(),
            process: None,
            folder: Scratch::new(&peer.to_string())?,
        };
        server.start()?;
        server.await_serving()?;
        Ok(server)
    }

    /// A member of an ensemble, not yet started, with the ports of all as it is to see them.
    pub(crate) fn member(
        peer: Peer,
        own: Member,
        members: Vec<Member>,
        settings: Settings,
    ) -> io::Result<Self> {
        let name = format!("{peer}-member-{}", own.id);
        let folder = Scratch::new(&name)?;
        fs::create_dir_all(folder.path().join("data"))?;
        fs::write(folder.path().join("data/myid"), format!("{}\n", own.id))?;
        let client_port = own.client_port;
        Ok(Self {
            peer,
            name,
            settings,
            client_port,
            members,
            process: None,
            folder,
        })
    }

    /// Which make it is.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Has another make continue on the same folder and port when it is started the next time.
    pub fn change_peer(&mut self, peer: Peer) {
        assert!(self.process.is_none(), "{} is still running", self.name);
        self.name = self.name.replace(&self.peer.to_string(), &peer.to_string());
        self.peer = peer;
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.client_port))
    }

    /// [`Server::address`] as clients write it.
    pub fn connect_string(&self) -> String {
        self.address().to_string()
    }

    /// The folder named as `dataDir`.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The process, if started and not killed.
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// Starts it on its data folder without waiting for it to serve.
    pub fn start(&mut self) -> io::Result<()> {
        assert!(self.process.is_none(), "{} is already running", self.name);
        fs::create_dir_all(self.data_dir())?;
        let config = self.folder.path().join("zoo.cfg");
        fs::write(&config, self.config_text())?;
        let mut command = match self.peer {
            Peer::Apache38 => apache::command(apache::RELEASE_38, &config, &self.settings)?,
            Peer::Apache39 => apache::command(apache::RELEASE_39, &config, &self.settings)?,
            Peer::Ours => ours::command(&config, &self.settings)?,
        };
        self.process = Some(Process::spawn_logged(
            &self.name,
            &mut command,
            &self.log_path(),
        )?);
        Ok(())
    }

    /// Waits until it serves, in whatever role.
    pub fn await_serving(&mut self) -> io::Result<Mode> {
        let address = self.address();
        let process = running(&mut self.process, &self.name)?;
        let mut ended = None;
        let mode = wait::until("serving", wait::PATIENCE, || {
            ended = process.exit_status().ok().flatten();
            if ended.is_some() {
                Some(None)
            } else {
                mode_of(address).ok().map(Some)
            }
        });
        match (mode, ended) {
            (Ok(Some(mode)), _) => Ok(mode),
            (_, Some(status)) => Err(process.blame(&format!("ended during its start, {status}"))),
            (Err(error), None) => Err(process.blame(&error.to_string())),
            (Ok(None), None) => unreachable!("a mode is missing only if the process has ended"),
        }
    }

    /// Starts it again after a kill and waits until it serves.
    pub fn restart(&mut self) -> io::Result<Mode> {
        self.start()?;
        self.await_serving()
    }

    /// SIGKILL; returns once the process is gone.
    pub fn kill(&mut self) -> io::Result<()> {
        running(&mut self.process, &self.name)?.kill()?;
        self.process = None;
        Ok(())
    }

    /// SIGTERM; returns once the process is gone.
    pub fn terminate(&mut self, patience: Duration) -> io::Result<()> {
        running(&mut self.process, &self.name)?.terminate(patience)?;
        self.process = None;
        Ok(())
    }

    /// SIGSTOP: to others it looks like a machine that hangs.
    pub fn pause(&mut self) -> io::Result<()> {
        running(&mut self.process, &self.name)?.pause()
    }

    /// SIGCONT after [`Server::pause`].
    pub fn resume(&mut self) -> io::Result<()> {
        running(&mut self.process, &self.name)?.resume()
    }

    /// Asks a four-letter word.
    pub fn four_letter(&self, word: &str) -> io::Result<String> {
        four_letter::ask(self.address(), word)
    }

    /// Its role now; an error if it is not serving.
    pub fn mode(&self) -> io::Result<Mode> {
        mode_of(self.address())
    }

    /// The end of its log, for messages.
    pub fn log_tail(&self) -> String {
        self.process
            .as_ref()
            .map(Process::log_tail)
            .unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn config_text(&self) -> String {
        let mut lines = vec![format!("dataDir={}", self.data_dir().display())];
        for (key, value) in &self.settings.config {
            lines.push(format!("{key}={value}"));
        }
        if self.members.is_empty() {
            lines.push(format!("clientPort={}", self.client_port));
            lines.push("clientPortAddress=127.0.0.1".to_owned());
        }
        for member in &self.members {
            let Member {
                id,
                quorum_port,
                election_port,
                client_port,
                role,
            } = member;
            let role = match role {
                Role::Participant => "participant",
                Role::Observer => "observer",
            };
            lines.push(format!(
                "server.{id}=127.0.0.1:{quorum_port}:{election_port}:{role};127.0.0.1:{client_port}"
            ));
        }
        lines.join("\n") + "\n"
    }
}

fn running<'a>(process: &'a mut Option<Process>, name: &str) -> io::Result<&'a mut Process> {
    process
        .as_mut()
        .ok_or_else(|| io::Error::other(format!("{name} is not running")))
}

fn mode_of(address: SocketAddr) -> io::Result<Mode> {
    let answer = four_letter::ask(address, "srvr")?;
    match four_letter::value(&answer, "Mode") {
        Some("leader") => Ok(Mode::Leader),
        Some("follower") => Ok(Mode::Follower),
        Some("observer") => Ok(Mode::Observer),
        Some("read-only") => Ok(Mode::ReadOnly),
        Some("standalone") => Ok(Mode::Standalone),
        _ => Err(io::Error::other(format!("srvr answered {answer:?}"))),
    }
}
