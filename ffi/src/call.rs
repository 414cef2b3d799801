//! Operations that go on without their caller and end by calling a function.

use std::ffi::c_void;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt};
use tokio::task::AbortHandle;

use crate::callback::{Handover, User};
use crate::error::{Fault, entry_or, lk_error_t, show};
use crate::handle::{Maker, Object, Out, take};
use crate::session::Session;
use crate::status::LK_ECONFLICT;

/// Something that was started and calls a function. Only needed to give it up.
pub struct lk_call_t {
    maker: Maker,
    started: Started,
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

/// A task that calls a function of the caller's.
pub(crate) struct Started {
    is_given_up: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Started {
    /// Ends it; the function is not called any more. What it is about to be told is dropped, as if
    /// its caller had gone while it waited.
    pub(crate) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Release);
        self.task.abort();
    }

    pub(crate) fn hand_to(self, call: Option<Out<lk_call_t>>) {
        if let Some(call) = call {
            call.give(lk_call_t {
                maker: Maker::this(),
                started: self,
            });
        }
    }
}

/// Starts an operation whose end is told where callbacks run, unless it is given up before.
pub(crate) fn start<T: Send + 'static>(
    session: &Session,
    user: User,
    operation: impl Future<Output = T> + Send + 'static,
    call: Option<Out<lk_call_t>>,
    tell: impl FnOnce(&User, T) + Send + 'static,
) {
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
    let task = session.runtime().spawn(told).abort_handle();
    Started { is_given_up, task }.hand_to(call);
}

/// Starts to tell what comes, one after the other: the next is taken when the last was seen, so that
/// a slow program makes no queue grow.
pub(crate) fn start_each<T: Send + 'static>(
    session: &Session,
    user: User,
    items: impl Stream<Item = T> + Send + 'static,
    tell: impl Fn(&User, T) + Clone + Send + 'static,
) -> Started {
    let is_given_up = Arc::new(AtomicBool::new(false));
    let mut user = Handover::new(user, session.queue());
    let told = {
        let is_given_up = Arc::clone(&is_given_up);
        async move {
            let mut items = pin!(items);
            while let Some(item) = items.next().await {
                let (is_given_up, tell) = (Arc::clone(&is_given_up), tell.clone());
                let lent = user.lend(move |user| {
                    if !is_given_up.load(Ordering::Acquire) {
                        tell(user, item);
                    }
                });
                match lent.await {
                    Some(returned) => user = returned,
                    None => return,
                }
            }
        }
    };
    let task = session.runtime().spawn(told).abort_handle();
    Started { is_given_up, task }
}

/// What a recipe shows, up to the error behind which nothing comes: all but a conflict, which
/// somebody may set right.
pub(crate) fn looks<S, T, E>(
    source: S,
    next: fn(&mut S) -> BoxFuture<'_, Result<T, E>>,
) -> impl Stream<Item = Result<T, Fault>> + Send + 'static
where
    S: Send + 'static,
    T: Send + 'static,
    E: Into<Fault> + 'static,
{
    stream::unfold(Some(source), move |source| async move {
        let mut source = source?;
        let item = next(&mut source).await.map_err(Into::into);
        let is_over = matches!(&item, Err(fault) if fault.code() != LK_ECONFLICT);
        Some((item, (!is_over).then_some(source)))
    })
}

/// Starts an operation that gives nothing.
pub(crate) fn start_done(
    session: &Session,
    user: User,
    done: lk_done_fn,
    operation: impl Future<Output = Result<(), Fault>> + Send + 'static,
    call: Option<Out<lk_call_t>>,
) -> Result<(), Fault> {
    let done = wanted(done)?;
    start(session, user, operation, call, move |user, end| {
        // SAFETY: the function is the caller's, made for this pointer, and the header says where
        // it runs.
        show(end, |error, _| unsafe { done(user.ptr, error) });
    });
    Ok(())
}

/// A function that must be there.
pub(crate) fn wanted<F>(function: Option<F>) -> Result<F, Fault> {
    function.ok_or_else(|| Fault::invalid("function is NULL"))
}

/// Gives a call up if it is not over, and frees it; NULL is allowed.
///
/// Never blocks. The call's function is not called any more; on the thread `lk-callback` it
/// may be running, until its `drop` is called. In a forked child it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_call_free(call: *mut lk_call_t) {
    entry_or((), || {
        // SAFETY: the header asks for NULL or a call that nobody uses any more.
        if let Some(call) = unsafe { take(call) } {
            call.started.give_up();
        }
    });
}
