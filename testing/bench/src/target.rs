//! What is measured as one: a server, or the members of an ensemble together.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lockkeeper_e2e::{Ensemble, Server};

use crate::proc;

/// Where it is reached, and the processes that it is.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) pids: Vec<u32>,
}

impl Target {
    pub(crate) fn new(address: SocketAddr, pid: u32) -> Self {
        Self {
            addresses: vec![address],
            pids: vec![pid],
        }
    }

    /// Every address, as clients write them.
    pub(crate) fn connect_string(&self) -> String {
        let each: Vec<String> = self.addresses.iter().map(SocketAddr::to_string).collect();
        each.join(",")
    }

    /// CPU time that all of it has used so far.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        self.pids.iter().map(|&pid| proc::cpu(pid)).sum()
    }

    /// Resident memory of all of it, bytes.
    pub(crate) fn resident(&self) -> io::Result<u64> {
        self.pids.iter().map(|&pid| proc::resident(pid)).sum()
    }
}

impl From<&Server> for Target {
    fn from(server: &Server) -> Self {
        let process = server.process().expect("it is stopped only when dropped");
        Self::new(server.address(), process.pid())
    }
}

impl From<&Ensemble> for Target {
    fn from(ensemble: &Ensemble) -> Self {
        let each = ensemble.members().iter().map(Self::from);
        let (addresses, pids) = each
            .map(|each| (each.addresses, each.pids))
            .unzip::<_, _, Vec<_>, Vec<_>>();
        Self {
            addresses: addresses.concat(),
            pids: pids.concat(),
        }
    }
}
