//! A file descriptor that turns readable when it is rung from any thread.
//!
//! An event counter on Linux: one descriptor and eight bytes. Elsewhere a pair of sockets.

#[cfg(not(target_os = "linux"))]
pub(crate) use pair::Bell;

#[cfg(target_os = "linux")]
pub(crate) use counter::Bell;

#[cfg(target_os = "linux")]
mod counter {
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};

    use rustix::event::{EventfdFlags, eventfd};

    pub(crate) struct Bell(OwnedFd);

    impl Bell {
        pub(crate) fn new() -> io::Result<Self> {
            let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
            Ok(Self(eventfd(0, flags)?))
        }

        pub(crate) fn fd(&self) -> i32 {
            self.0.as_raw_fd()
        }

        /// Fails only when it is ringing already.
        pub(crate) fn ring(&self) {
            let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
        }

        /// Fails only when it is silent already.
        pub(crate) fn silence(&self) {
            let _ = rustix::io::read(&self.0, &mut [0_u8; 8]);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod pair {
    use std::io::{self, Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    pub(crate) struct Bell {
        ear: UnixStream,
        hand: UnixStream,
    }

    impl Bell {
        pub(crate) fn new() -> io::Result<Self> {
            let (ear, hand) = UnixStream::pair()?;
            ear.set_nonblocking(true)?;
            hand.set_nonblocking(true)?;
            Ok(Self { ear, hand })
        }

        pub(crate) fn fd(&self) -> i32 {
            self.ear.as_raw_fd()
        }

        /// Fails only when it is ringing already.
        pub(crate) fn ring(&self) {
            let _ = (&self.hand).write(&[1]);
        }

        /// Fails only when it is silent already.
        pub(crate) fn silence(&self) {
            while matches!((&self.ear).read(&mut [0; 64]), Ok(64)) {}
        }
    }
}
