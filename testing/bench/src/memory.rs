//! Resident memory with many small znodes.

use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use lockkeeper_wire::{ErrorCode, Request};

use crate::load::create;
use crate::socket::Socket;
use crate::target::Target;

const PARENTS: usize = 100;
const CHILDREN: usize = 1000;
const DATA_LEN: usize = 100;
const IN_FLIGHT: usize = 256;

/// Time for a server to give back what it took for the load.
const SETTLE: Duration = Duration::from_secs(5);

/// Resident memory, bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resident {
    pub(crate) settled: u64,
    /// After a full collection, for a server in Java where `jcmd` can ask for one.
    pub(crate) collected: Option<u64>,
}

/// Fills fresh servers and looks at their memory.
pub(crate) fn run(target: &Target) -> io::Result<Resident> {
    let mut socket = Socket::open(target.addresses[0])?;
    let data = Bytes::from(vec![b'x'; DATA_LEN]);
    let parents = (0..PARENTS).map(|parent| create(&format!("/p-{parent:02}"), Bytes::new()));
    socket.run_all(parents, IN_FLIGHT, ErrorCode::OK)?;
    let children = (0..PARENTS * CHILDREN).map(|number| {
        let path = format!("/p-{:02}/z-{number:06}", number % PARENTS);
        create(&path, data.clone())
    });
    socket.run_all(children, IN_FLIGHT, ErrorCode::OK)?;
    socket.run_all([Request::CloseSession], 1, ErrorCode::OK)?;
    thread::sleep(SETTLE);
    Ok(Resident {
        settled: target.resident()?,
        collected: collect(target).then(|| target.resident()).transpose()?,
    })
}

/// Whether every process is a JVM that has done a full collection now.
fn collect(target: &Target) -> bool {
    let collected = target.pids.iter().all(|pid| {
        let mut command = Command::new("jcmd");
        command.arg(pid.to_string()).arg("GC.run");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    });
    if collected {
        thread::sleep(SETTLE);
    }
    collected
}
