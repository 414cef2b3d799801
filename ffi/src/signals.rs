//! Keeps the program's signal handlers off the library's threads.

use std::mem::MaybeUninit;

/// While it lives, the calling thread takes no signals, and neither do threads that it starts for
/// all of their lives. A thread inherits its mask, so there is no moment in which a new one could
/// be interrupted, and SIGPIPE, which is sent to the thread that writes, stays out as well.
pub(crate) struct Blocked {
    before: libc::sigset_t,
}

pub(crate) fn block() -> Blocked {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both point to room for a set; sigfillset fills the one that is read. The only
    // failure, an unknown `how`, cannot be, so `before` is written.
    let before = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::sigemptyset(before.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    };
    Blocked { before }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set is the one that the thread had; the old one is not asked for.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut());
        }
    }
}
