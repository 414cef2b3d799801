//! Requests as fast as a server answers them: some connections, each with a window of requests.
//!
//! Every connection has a thread. It sends one new request for each reply and writes once for all
//! replies that came in one read, as a pipelining client does.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lockkeeper_wire::request::{CreateRequest, PathWatch, SetDataRequest};
use lockkeeper_wire::{Acl, ErrorCode, Request};

use crate::socket::Socket;
use crate::table::percentile;
use crate::target::Target;

/// Length of the data read and written, bytes.
const DATA_LEN: usize = 1024;

/// What every request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Set,
}

/// A shape of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) operation: Operation,
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
}

/// What one interval showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) operations: f64,
    pub(crate) wall: Duration,
    /// Of the servers' processes.
    pub(crate) cpu: Duration,
}

impl Sample {
    pub(crate) fn per_second(&self) -> f64 {
        self.operations / self.wall.as_secs_f64()
    }

    pub(crate) fn per_cpu_second(&self) -> f64 {
        self.operations / self.cpu.as_secs_f64()
    }

    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.operations
    }
}

/// A create for anybody to read and write.
pub(crate) fn create(path: &str, data: Bytes) -> Request {
    Request::Create(CreateRequest {
        path: path.into(),
        data: Some(data),
        acl: Some(Acl::open()),
        flags: 0,
    })
}

/// Measures what `done` counts and what the servers use, for `wall` after `warm_up`.
pub(crate) fn sample(
    target: &Target,
    warm_up: Duration,
    wall: Duration,
    done: &AtomicU64,
) -> io::Result<Sample> {
    thread::sleep(warm_up);
    let (start, cpu, count) = (Instant::now(), target.cpu()?, done.load(Ordering::Relaxed));
    thread::sleep(wall);
    Ok(Sample {
        operations: (done.load(Ordering::Relaxed) - count) as f64,
        cpu: target.cpu()? - cpu,
        wall: start.elapsed(),
    })
}

impl Load {
    /// Runs the load, spread over all addresses, and measures for `wall` after `warm_up`.
    pub(crate) fn run(
        self,
        target: &Target,
        warm_up: Duration,
        wall: Duration,
    ) -> io::Result<Sample> {
        let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let threads: Vec<_> = (0..self.connections)
                .map(|index| {
                    let (done, stop) = (&done, &stop);
                    let address = target.addresses[index % target.addresses.len()];
                    scope.spawn(move || self.drive(address, index, done, stop))
                })
                .collect();
            let sampled = sample(target, warm_up, wall, &done);
            stop.store(true, Ordering::Relaxed);
            for thread in threads {
                let outcome = thread.join();
                outcome.map_err(|_| io::Error::other("a connection's thread panicked"))??;
            }
            sampled
        })
    }

    /// How long one operation takes when nothing else is under way, on each address in turn: the
    /// median of all.
    pub(crate) fn alone(
        operation: Operation,
        target: &Target,
        warm_up: Duration,
        wall: Duration,
    ) -> io::Result<Duration> {
        let load = Self {
            operation,
            connections: 1,
            in_flight: 1,
        };
        let share = u32::try_from(target.addresses.len()).map_err(io::Error::other)?;
        let mut took = Vec::new();
        for &address in &target.addresses {
            let mut socket = Socket::open(address)?;
            let request = load.prepare(&mut socket, 0)?;
            let begin = Instant::now() + warm_up / share;
            let end = begin + wall / share;
            while Instant::now() < end {
                let start = Instant::now();
                socket.run_all([request.clone()], 1, ErrorCode::OK)?;
                if start >= begin {
                    took.push(start.elapsed());
                }
            }
            socket.run_all([Request::CloseSession], 1, ErrorCode::OK)?;
        }
        took.sort_unstable();
        let none = || io::Error::other("no operation in the whole interval");
        percentile(&took, 50).ok_or_else(none)
    }

    /// Makes the znode of a connection and gives what is asked of it.
    fn prepare(self, socket: &mut Socket, index: usize) -> io::Result<Request> {
        let path = format!("/bench-{index}");
        let data = Bytes::from(vec![b'x'; DATA_LEN]);
        socket.run_all([create(&path, data.clone())], 1, ErrorCode::NODE_EXISTS)?;
        Ok(self.request(&path, data))
    }

    fn drive(
        self,
        address: SocketAddr,
        index: usize,
        done: &AtomicU64,
        stop: &AtomicBool,
    ) -> io::Result<()> {
        let mut socket = Socket::open(address)?;
        let request = self.prepare(&mut socket, index)?;
        while !stop.load(Ordering::Relaxed) {
            while socket.in_flight() < self.in_flight {
                socket.push(&request);
            }
            socket.flush()?;
            let count = socket.receive(ErrorCode::OK)?;
            done.fetch_add(count as u64, Ordering::Relaxed);
        }
        while socket.in_flight() > 0 {
            socket.receive(ErrorCode::OK)?;
        }
        socket.run_all([Request::CloseSession], 1, ErrorCode::OK)
    }

    fn request(self, path: &str, data: Bytes) -> Request {
        match self.operation {
            Operation::Get => Request::GetData(PathWatch {
                path: path.into(),
                watch: false,
            }),
            Operation::Set => Request::SetData(SetDataRequest {
                path: path.into(),
                data: Some(data),
                version: -1,
            }),
        }
    }
}
