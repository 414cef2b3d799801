//! Folders and ports that a test may call its own.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// A folder removed on drop, unless the thread is panicking: then it stays for inspection.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes an empty folder below the system's temporary folder.
    pub fn new(name: &str) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("lockkeeper-{}-{number}-{name}", process::id());
        let path = std::env::temp_dir().join(folder);
        fs::create_dir_all(&path)?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("kept for inspection: {}", self.path.display());
        } else {
            // A leftover folder is no reason to fail a test that passed.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

// Below the range from which Linux and macOS take ports for outgoing connections, so that no
// client connection can take a port between its choice here and the start of the server.
const PORT_MIN: u32 = 15_000;
const PORT_COUNT: u32 = 15_000;

/// A loopback port nobody listens on, never given out twice by this process.
///
/// Processes begin their search at different places, so that two test runs side by side rarely
/// try the same port.
pub fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = process::id().wrapping_mul(101);
    for _ in 0..PORT_COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = start.wrapping_add(step) % PORT_COUNT;
        let port = u16::try_from(PORT_MIN + offset).expect("the range ends below 65536");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no free loopback port"))
}
