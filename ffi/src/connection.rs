//! The client: one session with an ensemble.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use client::{Call, Client, State};
use futures::stream;

use crate::call::{start_each, wanted};
use crate::callback::{User, lk_drop_fn};
use crate::config::lk_config_t;
use crate::error::{Fault, entry, entry_or};
use crate::handle::{Maker, Object, Out, borrow, put, take};
use crate::queue::{Dispatched, Queue, may_block};
use crate::session::Session;
use crate::status::{LK_CLOSING, lk_status_t};
use crate::wait::{deadline, timeout, wait, wait_until};

/// As a timeout: for as long as it takes.
pub const LK_FOREVER: i64 = -1;

/// A session with an ensemble. Any number of threads may use it at once.
pub struct lk_client_t {
    maker: Maker,
    pub(crate) session: Arc<Session>,
}

/// Where a session stands.
pub type lk_client_state_t = i32;

/// No session yet.
pub const LK_CLIENT_CONNECTING: lk_client_state_t = 1;
/// In touch with a server that takes writes.
pub const LK_CLIENT_CONNECTED: lk_client_state_t = 2;
/// In touch with a server that has lost its quorum and only reads.
pub const LK_CLIENT_CONNECTED_READ_ONLY: lk_client_state_t = 3;
/// Out of touch; the session may live or not, and calls wait.
pub const LK_CLIENT_SUSPENDED: lk_client_state_t = 4;
/// The session has ended. Final.
pub const LK_CLIENT_EXPIRED: lk_client_state_t = 5;
/// A credential was refused. Final.
pub const LK_CLIENT_AUTH_FAILED: lk_client_state_t = 6;
/// Closed by its owner. Final.
pub const LK_CLIENT_CLOSED: lk_client_state_t = 7;

impl Object for lk_client_t {
    const NAME: &'static str = "client";

    fn maker(&self) -> Option<Maker> {
        Some(self.maker)
    }
}

impl lk_client_t {
    /// Makes a call and waits for its end.
    pub(crate) fn call<T>(
        &self,
        path: &str,
        timeout_ms: i64,
        start: impl FnOnce(&Client) -> Call<T>,
    ) -> Result<T, Fault> {
        may_block()?;
        let mut call = start(&self.session.client);
        if let Some(timeout) = timeout(timeout_ms) {
            call = call.timeout(timeout);
        }
        wait(call).map_err(|error| Fault::from(error).at(path))
    }
}

/// Connects and waits until requests flow.
///
/// Blocks for at most the config's connect timeout. Starts two threads, or one with
/// `lk_config_dispatch`, which take no signals. The config stays the caller's. Fails with
/// `LK_EUNREACHABLE`, `LK_AUTHFAILED`, `LK_BADARGUMENTS` for a connect string that cannot be read,
/// `LK_ESYSTEM`, `LK_EINVAL`, `LK_ECALLBACK`.
///
/// @param out  where the client goes; the caller frees it with `lk_client_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_client_connect(
    config: *const lk_config_t,
    out: *mut *mut lk_client_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a config and for room for the result.
        let (out, config) = unsafe { (Out::new(out)?, borrow(config)?) };
        let session = Session::open(config.builder(), config.is_dispatched)?;
        out.give(lk_client_t {
            maker: Maker::this(),
            session: Arc::new(session),
        });
        Ok(())
    })
}

/// Ends the session: its ephemerals are deleted and its locks are lost.
///
/// Blocks until the server has confirmed it, for at most `timeout_ms` and never much longer than
/// five seconds; other calls of this client end with `LK_CLOSING`. Fails with `LK_OPERATIONTIMEOUT`
/// (closing goes on in the background), `LK_SESSIONEXPIRED` if the session had ended before,
/// `LK_CLOSING` if it was called before, `LK_EINVAL`, `LK_EFORKED`, `LK_ECALLBACK`. The client is
/// still to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_client_close(client: *mut lk_client_t, timeout_ms: i64) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client.
        let client = unsafe { borrow(client)? };
        may_block()?;
        if !client.session.begin_close() {
            return Err(Fault::new(LK_CLOSING, "client was closed before"));
        }
        match wait_until(client.session.client.close(), deadline(timeout_ms)) {
            Some(result) => Ok(result?),
            None => Err(Fault::late(
                "session was not closed before the deadline; closing goes on",
            )),
        }
    })
}

/// Gives a client up; NULL is allowed. No call of it may be under way.
///
/// The session is closed, and the client's threads end, when its locks and guards have been freed
/// too; the last of these calls blocks until then, for a little more than five seconds at most and
/// for as long as a callback runs. With `lk_config_dispatch` it drops the callbacks that wait. In a
/// callback it does not block, and what it drops may be dropped on a thread of the library. In a
/// forked child it does nothing: the parent's session goes on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_client_free(client: *mut lk_client_t) {
    entry_or((), || {
        // SAFETY: the header asks for NULL or a client that nobody uses any more.
        drop(unsafe { take(client) });
    });
}

/// Where the session stands now, one of `LK_CLIENT_*`. Never blocks. Fails with `LK_EINVAL`,
/// `LK_EFORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_client_state(
    client: *const lk_client_t,
    out: *mut lk_client_state_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client.
        let client = unsafe { borrow(client)? };
        // SAFETY: the header asks for room for the result.
        unsafe { put(out, number(client.session.client.state())) }
    })
}

fn number(state: State) -> lk_client_state_t {
    match state {
        State::AuthFailed => LK_CLIENT_AUTH_FAILED,
        State::Closed => LK_CLIENT_CLOSED,
        State::Connected => LK_CLIENT_CONNECTED,
        State::ConnectedReadOnly => LK_CLIENT_CONNECTED_READ_ONLY,
        State::Connecting => LK_CLIENT_CONNECTING,
        State::Expired => LK_CLIENT_EXPIRED,
        // A state that this version does not know is none in which it could do anything.
        _ => LK_CLIENT_SUSPENDED,
    }
}

/// Told where a session stands. Runs as every callback; see "Callbacks" above.
///
/// @param state  one of `LK_CLIENT_*`
pub type lk_client_state_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, state: lk_client_state_t)>;

/// Asks to be told of the session's state: of the present one, and then of each new one until the
/// final one. A state that was over before its turn came is left out; the latest one never is. May
/// be called for any number of functions.
///
/// Never blocks. `drop` runs exactly once: behind the final state, or when the client's last object
/// is freed; and if this call fails, before it returns. Fails with `LK_EINVAL`, `LK_EFORKED`.
///
/// @param user  handed to both functions
/// @param drop  frees `user`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_client_on_state(
    client: *const lk_client_t,
    changed: lk_client_state_fn,
    user: *mut c_void,
    drop: lk_drop_fn,
) -> lk_status_t {
    let user = User::new(user, drop);
    entry(|| {
        // SAFETY: the header asks for a client.
        let client = unsafe { borrow(client)? };
        let changed = wanted(changed)?;
        let states = stream::unfold(Some(client.session.client.states()), async |states| {
            let mut states = states?;
            let state = states.next().await.state;
            Some((state, (!state.is_final()).then_some(states)))
        });
        start_each(&client.session, user, states, move |user, state| {
            // SAFETY: the function is the caller's, made for this pointer, and the header says
            // where it runs.
            unsafe { changed(user.ptr, number(state)) };
        });
        Ok(())
    })
}

/// A descriptor that can be read while callbacks wait for `lk_dispatch`: for poll, epoll, libuv and
/// the like. It belongs to the client, to be neither read nor closed, and is gone with the client's
/// last object. Never blocks. Fails with `LK_EINVAL`, also without `lk_config_dispatch`, and
/// `LK_EFORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_dispatch_fd(
    client: *const lk_client_t,
    out: *mut c_int,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client.
        let client = unsafe { borrow(client)? };
        let fd = dispatched(&client.session.queue())?.fd();
        // SAFETY: the header asks for room for the result.
        unsafe { put(out, fd) }
    })
}

/// Runs the callbacks that wait now on this thread, in order; returns at once if there are none.
///
/// Does not block, unless one of them does. Those that come meanwhile wait for the next call. The
/// client may be freed in a callback. Fails with `LK_EINVAL`, also without `lk_config_dispatch`,
/// `LK_EBUSY` if another thread dispatches, `LK_ECALLBACK`, `LK_EFORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_dispatch(client: *const lk_client_t) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client.
        let client = unsafe { borrow(client)? };
        // A callback may free the client's last object.
        let session = Arc::clone(&client.session);
        dispatched(&session.queue())?.dispatch()
    })
}

fn dispatched(queue: &Queue) -> Result<&Dispatched, Fault> {
    match queue {
        Queue::Dispatched(jobs) => Ok(jobs),
        Queue::Thread(_) => Err(Fault::invalid(
            "client has a thread for callbacks: connect with lk_config_dispatch",
        )),
    }
}

/// The session's id, as `ephemeral_owner` shows it. Never blocks. Fails with `LK_EINVAL`,
/// `LK_EFORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_client_session_id(
    client: *const lk_client_t,
    out: *mut i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client.
        let client = unsafe { borrow(client)? };
        // SAFETY: the header asks for room for the result.
        unsafe { put(out, client.session.client.session_id().0) }
    })
}

/// The session timeout that the server has set, ms. Never blocks. Fails with `LK_EINVAL`,
/// `LK_EFORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_client_session_timeout(
    client: *const lk_client_t,
    out: *mut i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client.
        let client = unsafe { borrow(client)? };
        let timeout = client.session.client.negotiated_timeout();
        let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        // SAFETY: the header asks for room for the result.
        unsafe { put(out, timeout_ms) }
    })
}
