//! What a holder holds.

use std::ffi::c_void;
use std::sync::Arc;

use lockkeeper_recipes::{GuardState, GuardStates, LossPolicy, LossReason};

use crate::call::{lk_call_t, lk_done_fn, start, start_done, wanted};
use crate::callback::{Handover, User, lk_drop_fn};
use crate::error::{Fault, entry, entry_or, lk_error_t, show};
use crate::handle::{Maker, Object, Out, borrow, give, put, put_if_wanted, take};
use crate::held::Held;
use crate::kept::{Kept, given_back};
use crate::queue::may_block;
use crate::session::Session;
use crate::status::{LK_CLOSING, lk_status_t};
use crate::text::{Text, lk_str_t};
use crate::wait::{deadline, wait_until, within};

/// Something that is held until it is released or freed, or lost: a lock, a term of leadership, a
/// place inside a double barrier, a meeting point. Any number of threads may use it.
///
/// A process that was paused, or whose packets were late, may act after its session expired and
/// the lock went to somebody else. The fence lets the resource itself refuse whoever comes late.
pub struct lk_guard_t {
    maker: Maker,
    // Before the session, whose end waits for handles of the client.
    pub(crate) held: Kept<Held>,
    fence: i64,
    path: Text,
    session: Arc<Session>,
}

/// What may be relied on.
pub type lk_guard_state_t = i32;

/// The lock is held.
pub const LK_GUARD_HELD: lk_guard_state_t = 1;
/// The link is down, but nobody else can hold the lock yet: finish or stop.
pub const LK_GUARD_SUSPENDED: lk_guard_state_t = 2;
/// Somebody else may hold the lock: stop. It may turn out to be held.
pub const LK_GUARD_POSSIBLY_LOST: lk_guard_state_t = 3;
/// The lock is not held any more. Final.
pub const LK_GUARD_LOST: lk_guard_state_t = 4;
/// It was given back. Final.
pub const LK_GUARD_RELEASED: lk_guard_state_t = 5;

/// Why a lock was lost.
pub type lk_loss_t = i32;

/// It was not.
pub const LK_LOSS_NONE: lk_loss_t = 0;
/// The client was closed.
pub const LK_LOSS_CLOSED: lk_loss_t = 1;
/// The session expired.
pub const LK_LOSS_EXPIRED: lk_loss_t = 2;
/// Somebody deleted the guard's znode.
pub const LK_LOSS_DELETED: lk_loss_t = 3;
/// It was given up through another handle, or its candidate was closed.
pub const LK_LOSS_RESIGNED: lk_loss_t = 4;
/// For a reason that this version of the library has no number for.
pub const LK_LOSS_OTHER: lk_loss_t = 5;

/// Told what may be relied on. Runs as every callback; see "Callbacks" above.
///
/// @param state  one of `LK_GUARD_*`
/// @param loss   why, for `LK_GUARD_LOST`
pub type lk_guard_state_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, state: lk_guard_state_t, loss: lk_loss_t)>;

impl Object for lk_guard_t {
    const NAME: &'static str = "guard";

    fn maker(&self) -> Option<Maker> {
        Some(self.maker)
    }
}

impl lk_guard_t {
    pub(crate) fn new(held: Held, session: &Arc<Session>) -> Self {
        Self {
            maker: Maker::this(),
            fence: held.fence().get(),
            path: held.path().into(),
            held: Kept::new(held),
            session: Arc::clone(session),
        }
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

/// Told how waiting for something to hold ended. Runs as every callback; see "Callbacks" above.
///
/// @param error  never NULL, valid until the function returns; its code is `LK_OK` for a grant
/// @param guard  what is held, to be freed with `lk_guard_free`; NULL after an error
pub type lk_acquired_fn = Option<
    unsafe extern "C" fn(user: *mut c_void, error: *const lk_error_t, guard: *mut lk_guard_t),
>;

/// Starts to wait for something to hold.
pub(crate) fn start_held(
    session: &Arc<Session>,
    user: User,
    acquired: lk_acquired_fn,
    held: impl Future<Output = Result<Held, Fault>> + Send + 'static,
    call: Option<Out<lk_call_t>>,
) -> Result<(), Fault> {
    let acquired = wanted(acquired)?;
    // A task must not own the session, whose end waits for it.
    let weak = Arc::downgrade(session);
    start(session, user, held, call, move |user, end| {
        let end = end.and_then(|held| match weak.upgrade() {
            Some(session) => Ok(lk_guard_t::new(held, &session)),
            None => Err(Fault::new(LK_CLOSING, "client was freed")),
        });
        show(end, |error, guard| {
            let guard = guard.map_or(std::ptr::null_mut(), give);
            // SAFETY: the function is the caller's, made for this pointer, and the header says
            // where it runs.
            unsafe { acquired(user.ptr, error, guard) };
        });
    });
    Ok(())
}

pub(crate) fn numbers(state: GuardState) -> (lk_guard_state_t, lk_loss_t) {
    match state {
        GuardState::Held => (LK_GUARD_HELD, LK_LOSS_NONE),
        GuardState::Suspended => (LK_GUARD_SUSPENDED, LK_LOSS_NONE),
        GuardState::Lost(LossReason::Closed) => (LK_GUARD_LOST, LK_LOSS_CLOSED),
        GuardState::Lost(LossReason::Expired) => (LK_GUARD_LOST, LK_LOSS_EXPIRED),
        GuardState::Lost(LossReason::NodeDeleted) => (LK_GUARD_LOST, LK_LOSS_DELETED),
        GuardState::Lost(LossReason::Resigned) => (LK_GUARD_LOST, LK_LOSS_RESIGNED),
        GuardState::Lost(_) => (LK_GUARD_LOST, LK_LOSS_OTHER),
        // What is not known to be safe is not.
        _ => (LK_GUARD_POSSIBLY_LOST, LK_LOSS_NONE),
    }
}

/// The number to hand to the resource with every write: larger for every later holder. It stays
/// after the release. Never blocks. Fails with `LK_EINVAL`, `LK_EFORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_guard_fence(guard: *const lk_guard_t, out: *mut i64) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a guard.
        let guard = unsafe { borrow(guard)? };
        // SAFETY: the header asks for room for the result.
        unsafe { put(out, guard.fence) }
    })
}

/// Path of the znode that stands for this hold; it stays after the release. Belongs to the guard.
/// Never blocks. Fails with `LK_EINVAL`, `LK_EFORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_guard_path(
    guard: *const lk_guard_t,
    out: *mut lk_str_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a guard.
        let guard = unsafe { borrow(guard)? };
        // SAFETY: the header asks for room for the result.
        unsafe { put(out, guard.path.view()) }
    })
}

/// What may be relied on now, one of `LK_GUARD_*`. Never blocks. Fails with `LK_EINVAL`,
/// `LK_EFORKED`.
///
/// @param loss  where the reason of a loss goes, one of `LK_LOSS_*`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_guard_state(
    guard: *const lk_guard_t,
    state: *mut lk_guard_state_t,
    loss: *mut lk_loss_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a guard.
        let guard = unsafe { borrow(guard)? };
        let now = guard.held.look(|held| numbers(held.state()));
        let (now, why) = now.unwrap_or((LK_GUARD_RELEASED, LK_LOSS_NONE));
        // SAFETY: the header asks for room for the result.
        unsafe { put(state, now)? };
        // SAFETY: the header asks for NULL or room for the reason.
        unsafe { put_if_wanted(loss, why) };
        Ok(())
    })
}

/// How long the lock is certain to stay held if the link broke now, ms; 0 if it is not certain
/// now. Never blocks. Fails with `LK_EINVAL`, `LK_EFORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_guard_remaining(
    guard: *const lk_guard_t,
    out_ms: *mut i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a guard.
        let guard = unsafe { borrow(guard)? };
        let left = guard.held.look(|held| held.remaining()).unwrap_or_default();
        let left_ms = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        // SAFETY: the header asks for room for the result.
        unsafe { put(out_ms, left_ms) }
    })
}

/// Asks to be told when it must not be relied on any more; may be called for any number of functions.
/// If that is so already, it is the turn of `lost` at once; it is called once. A leader of a strict
/// election is told when its link is down, too.
///
/// Never blocks. `drop` runs exactly once, whether or not `lost` ever does: behind it, or when the
/// guard is released or freed; and if this call fails, before it returns. Fails with `LK_EINVAL`,
/// `LK_ERELEASED`, `LK_EFORKED`.
///
/// @param user  handed to both functions
/// @param drop  frees `user`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_guard_on_lost(
    guard: *const lk_guard_t,
    lost: lk_guard_state_fn,
    user: *mut c_void,
    drop: lk_drop_fn,
) -> lk_status_t {
    let user = User::new(user, drop);
    entry(|| {
        // SAFETY: the header asks for a guard.
        let guard = unsafe { borrow(guard)? };
        let lost = wanted(lost)?;
        let states = guard.held.look(|held| (held.states(), held.policy()));
        let (states, policy) = states.ok_or_else(given_back)?;
        let user = Handover::new(user, guard.session.queue());
        let told = async move {
            if let Some((state, loss)) = first_unsafe(states, policy).await {
                user.run(move |user| {
                    // SAFETY: the function is the caller's, made for this pointer, and the header
                    // says where it runs.
                    unsafe { lost(user.ptr, state, loss) };
                });
            }
        };
        guard.session.runtime().spawn(told);
        Ok(())
    })
}

/// The first state that is not safe; `None` if the guard is released before.
async fn first_unsafe(
    mut states: GuardStates,
    policy: LossPolicy,
) -> Option<(lk_guard_state_t, lk_loss_t)> {
    loop {
        let state = states.next().await?;
        if !policy.leads(state) {
            return Some(numbers(state));
        }
    }
}

/// Proves that the lock is held now, by a write that a quorum agrees to.
///
/// Blocks for at most `timeout_ms`. What it proves may be over when it returns. Fails with
/// `LK_ELOST`, `LK_ERELEASED`, `LK_OPERATIONTIMEOUT`, and as every call of a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_guard_confirm(
    guard: *const lk_guard_t,
    timeout_ms: i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a guard.
        let guard = unsafe { borrow(guard)? };
        may_block()?;
        let proof = guard
            .held
            .look(|held| held.confirm())
            .ok_or_else(given_back)?;
        match wait_until(proof, deadline(timeout_ms)) {
            Some(result) => Ok(result?),
            None => Err(Fault::late("no proof before the deadline")),
        }
    })
}

/// Gives the lock back and waits until its znode is gone.
///
/// Blocks for at most `timeout_ms`; after `LK_OPERATIONTIMEOUT` the release goes on in the
/// background. Fails with `LK_ELOST` if the lock had been lost before, `LK_ERELEASED` if it was
/// called before, and as every call of a client. The guard is still to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_guard_release(guard: *mut lk_guard_t, timeout_ms: i64) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a guard.
        let guard = unsafe { borrow(guard)? };
        may_block()?;
        match wait_until(guard.held.take()?.release(), deadline(timeout_ms)) {
            Some(result) => result,
            None => Err(late_release()),
        }
    })
}

fn late_release() -> Fault {
    Fault::late("was not given back before the deadline; that goes on")
}

/// As `lk_guard_release`, without waiting: `done` is told the end.
///
/// Never blocks; the lock is being given back when this returns, and giving the call up does not
/// stop it. Fails with `LK_ERELEASED`, `LK_EINVAL`, `LK_EFORKED`; then `done` is not called.
///
/// @param user  handed to both functions
/// @param drop  frees `user`; or NULL
/// @param call  where the call goes, to be freed with `lk_call_free`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_guard_release_async(
    guard: *mut lk_guard_t,
    timeout_ms: i64,
    done: lk_done_fn,
    user: *mut c_void,
    drop: lk_drop_fn,
    call: *mut *mut lk_call_t,
) -> lk_status_t {
    let user = User::new(user, drop);
    entry(|| {
        // SAFETY: the header asks for NULL or room for the call, and for a guard.
        let (out, guard) = unsafe { (Out::wanted(call), borrow(guard)?) };
        wanted(done)?;
        let release = guard.held.take()?.release();
        let end = async move {
            match within(timeout_ms, release).await {
                Some(result) => result,
                None => Err(late_release()),
            }
        };
        start_done(&guard.session, user, done, end, out)
    })
}

/// Frees a guard; NULL is allowed. A lock that is still held is released in the background. No
/// call of it may be under way. Blocks only as `lk_client_free` says. In a forked child it does
/// nothing: the parent still holds the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_guard_free(guard: *mut lk_guard_t) {
    entry_or((), || {
        // SAFETY: the header asks for NULL or a guard that nobody uses any more.
        drop(unsafe { take(guard) });
    });
}
