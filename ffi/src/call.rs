//! Operations that go on without their caller and end by calling a function.

use std::ffi::c_void;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::AbortHandle;

use crate::callback::{Handover, User};
use crate::error::{entry_or, lk_error_t};
use crate::handle::{Maker, Object, take};
use crate::session::Session;

/// An operation that was started and ends by calling a function. Only needed to give it up.
pub struct lk_call_t {
    maker: Maker,
    is_given_up: Arc<AtomicBool>,
    task: AbortHandle,
}

/// Told how an operation ended that gives nothing else. Runs as every callback; see "Callbacks"
/// above.
///
/// @param error  never NULL, valid until the function returns; its code is `LK_OK` if it was done
pub type lk_done_fn = Option<unsafe extern "C" fn(user: *mut c_void, error: *const lk_error_t)>;

impl Object for lk_call_t {
    const NAME: &'static str = "call";

    fn maker(&self) -> Option<Maker> {
        Some(self.maker)
    }
}

/// Starts an operation whose end is told where callbacks run, unless it is given up before. What it
/// gave is dropped then, as if its caller had gone while it waited.
pub(crate) fn start<T: Send + 'static>(
    session: &Session,
    user: User,
    operation: impl Future<Output = T> + Send + 'static,
    tell: impl FnOnce(&User, T) + Send + 'static,
) -> lk_call_t {
    let is_given_up = Arc::new(AtomicBool::new(false));
    let user = Handover::new(user, session.queue());
    let told = {
        let is_given_up = Arc::clone(&is_given_up);
        async move {
            let end = operation.await;
            user.run(move |user| {
                if !is_given_up.load(Ordering::Acquire) {
                    tell(&user, end);
                }
            });
        }
    };
    lk_call_t {
        maker: Maker::this(),
        is_given_up,
        task: session.runtime().spawn(told).abort_handle(),
    }
}

/// Gives an operation up if it is not over, and frees the call; NULL is allowed.
///
/// Never blocks. The operation's function is not called any more; on the thread `lk-callback` it
/// may be running, until its `drop` is called. In a forked child it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_call_free(call: *mut lk_call_t) {
    entry_or((), || {
        // SAFETY: the header asks for NULL or a call that nobody uses any more.
        if let Some(call) = unsafe { take(call) } {
            call.is_given_up.store(true, Ordering::Release);
            call.task.abort();
        }
    });
}
