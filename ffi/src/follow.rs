//! Configurations: what was published last and passed the check.
//!
//! The check is the caller's function and so runs where callbacks run, not where the client looks.

use std::ffi::{CStr, c_char, c_void};
use std::sync::Arc;

use futures::future::ready;
use futures::stream::{self, Stream, StreamExt};
use lockkeeper_recipes::{Config, ConfigBuilder, ConfigStatus, Revision, Snapshot};
use tokio::sync::watch;

use crate::at::At;
use crate::call::{Started, start_each};
use crate::callback::{User, lk_drop_fn};
use crate::connection::lk_client_t;
use crate::error::{Fault, entry, entry_or};
use crate::handle::{Maker, Object, Out, borrow, take};
use crate::publish::{keys_at, lk_keys_layout_t};
use crate::queue::may_block;
use crate::result::{lk_result_fn, lk_result_t, tell_result};
use crate::session::Session;
use crate::status::{LK_EREJECTED, LK_ETIMEDOUT, LK_NONODE, lk_status_t};
use crate::wait::{deadline, wait_until};

/// A configuration that is being followed until this is freed: the last good value is at hand
/// without a request. Any number of threads may use it.
pub struct lk_follow_t {
    maker: Maker,
    known: Arc<watch::Sender<Known>>,
    following: Started,
    // Last, since its end waits for the task.
    _session: Arc<Session>,
}

/// What is known of a configuration.
struct Known {
    good: Option<lk_result_t>,
    /// How the latest look went.
    status: Result<(), Fault>,
    is_over: bool,
}

/// Looks whether a configuration is good. Runs as every callback; see "Callbacks" above.
///
/// @param found   what is published, valid until the function returns
/// @param reason  room for a sentence that says why not, with a NUL at its end
/// @param size    how much room there is
/// @return  whether it is good
pub type lk_check_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        found: *const lk_result_t,
        reason: *mut c_char,
        size: usize,
    ) -> bool,
>;

/// Room for what a check says, and the NUL behind it.
const REASON_SIZE: usize = 256;

impl Object for lk_follow_t {
    const NAME: &'static str = "follow";

    fn maker(&self) -> Option<Maker> {
        Some(self.maker)
    }
}

/// Follows the data of the znode at a path.
///
/// Never blocks; the first look is on its way. Fails with `LK_BADARGUMENTS`, `LK_EINVAL`,
/// `LK_EFORKED`.
///
/// @param check    asked of each value, those in between left out; NULL if every one is good
/// @param changed  told how each look went, and the last good value; or NULL. The error is `LK_OK`
///                 if what is published is that value, `LK_NONODE` if nothing is, `LK_EREJECTED`
///                 with the reason if it is refused, or what the server or the session says
/// @param user     handed to all three functions
/// @param drop     frees `user` when this is freed or the last call was made; or NULL
/// @param out      where it goes; the caller frees it with `lk_follow_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_follow_value(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    check: lk_check_fn,
    changed: lk_result_fn,
    user: *mut c_void,
    drop: lk_drop_fn,
    out: *mut *mut lk_follow_t,
) -> lk_status_t {
    let user = User::new(user, drop);
    entry(|| {
        // SAFETY: the header asks for a client, a string, and room for the result.
        let (out, at) = unsafe {
            (
                Out::new(out)?,
                At::new(client, path, path_len, Config::of_value)?,
            )
        };
        out.give(follow(at, check, changed, user));
        Ok(())
    })
}

/// Follows a configuration of several keys, which is seen whole or not at all: its keys are children
/// of the results, ordered by name. As `lk_follow_value`.
///
/// @param layout  one of `LK_KEYS_*`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_follow_keys(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    layout: lk_keys_layout_t,
    check: lk_check_fn,
    changed: lk_result_fn,
    user: *mut c_void,
    drop: lk_drop_fn,
    out: *mut *mut lk_follow_t,
) -> lk_status_t {
    let user = User::new(user, drop);
    entry(|| {
        // SAFETY: the header asks for a client, a string, and room for the result.
        let (out, at) = unsafe {
            (
                Out::new(out)?,
                At::new(client, path, path_len, |client, path| {
                    Ok::<_, Fault>(keys_at(client, path, layout)?.follow())
                })?,
            )
        };
        out.give(follow(at, check, changed, user));
        Ok(())
    })
}

/// The last good value. With a timeout, waits for the first one.
///
/// Blocks for at most `timeout_ms`; with 0 never, and may then be called in a callback. With
/// `lk_config_dispatch` nothing is known before callbacks have run. While there is no good value it
/// fails as `lk_follow_status`.
///
/// @param out  where data or keys and the revision go, to be freed with `lk_result_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_follow_get(
    follow: *const lk_follow_t,
    timeout_ms: i64,
    out: *mut *mut lk_result_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a configuration and for room for the result.
        let (out, follow) = unsafe { (Out::new(out)?, borrow(follow)?) };
        if timeout_ms != 0 {
            may_block()?;
        }
        let mut known = follow.known.subscribe();
        let settled = known.wait_for(|known| known.good.is_some() || known.is_over);
        drop(wait_until(settled, deadline(timeout_ms)));
        let known = follow.known.borrow();
        match (&known.good, &known.status) {
            (Some(good), _) => out.give(good.clone()),
            (None, Err(fault)) => return Err(fault.clone()),
            (None, Ok(())) => return Err(not_seen()),
        }
        Ok(())
    })
}

/// How the latest look went: `LK_OK` if what is published is the last good value.
///
/// Never blocks. Fails with `LK_NONODE` if nothing is published, `LK_EREJECTED` if what is published
/// is not good or not whole, `LK_NOAUTH` if the server does not show it, `LK_ETIMEDOUT` before the
/// first look, `LK_EINVAL`, `LK_EFORKED`, and for good as every call of a client whose session is
/// over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_follow_status(follow: *const lk_follow_t) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a configuration.
        let follow = unsafe { borrow(follow)? };
        follow.known.borrow().status.clone()
    })
}

/// Ends following; NULL is allowed. No call of it may be under way. Blocks only as `lk_client_free`
/// says. On the thread `lk-callback` one of its functions may be running until `drop` is called. In
/// a forked child it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_follow_free(follow: *mut lk_follow_t) {
    entry_or((), || {
        // SAFETY: the header asks for NULL or a configuration that nobody uses any more.
        drop(unsafe { take(follow) });
    });
}

impl Drop for lk_follow_t {
    fn drop(&mut self) {
        self.following.give_up();
    }
}

fn follow<R>(
    at: At<'_, ConfigBuilder<R, R>>,
    check: lk_check_fn,
    changed: lk_result_fn,
    user: User,
) -> lk_follow_t
where
    R: Clone + Send + Sync + 'static,
    lk_result_t: for<'a> From<&'a Revision<R>>,
{
    let known = Arc::new(watch::Sender::new(Known {
        good: None,
        status: Err(not_seen().at(at.path)),
        is_over: false,
    }));
    let writer = Arc::clone(&known);
    let path = at.path.to_owned();
    let looks = looks(at.recipe);
    let following = start_each(at.session, user, looks, move |user, look| {
        let (good, status) = match look.found.and_then(|found| judged(user, check, found)) {
            Ok(good) => (Some(good), Ok(())),
            Err(fault) => (None, Err(fault.at(&path))),
        };
        writer.send_modify(|known| {
            known.good = good.or_else(|| known.good.take());
            known.is_over = look.is_last;
            known.status = status;
        });
        if let Some(changed) = changed {
            let known = writer.borrow();
            let (good, status) = (known.good.clone(), known.status.clone());
            drop(known);
            tell_result(user, changed, status.as_ref().err(), good.as_ref());
        }
    });
    lk_follow_t {
        maker: Maker::this(),
        known,
        following,
        _session: Arc::clone(at.session),
    }
}

/// One look at what is published.
struct Look {
    found: Result<lk_result_t, Fault>,
    is_last: bool,
}

fn looks<R>(builder: ConfigBuilder<R, R>) -> impl Stream<Item = Look> + Send + use<R>
where
    R: Clone + Send + Sync + 'static,
    lk_result_t: for<'a> From<&'a Revision<R>>,
{
    stream::once(builder.open()).flat_map(|opened| match opened {
        Ok(config) => stream::unfold(config.changes(), async |mut changes| {
            Some((look(changes.next().await?), changes))
        })
        .left_stream(),
        Err(error) => {
            let look = Look {
                found: Err(error.into()),
                is_last: true,
            };
            stream::once(ready(look)).right_stream()
        }
    })
}

fn look<R: Clone>(snapshot: Snapshot<R>) -> Look
where
    lk_result_t: for<'a> From<&'a Revision<R>>,
{
    let is_last = matches!(snapshot.status, ConfigStatus::Ended(_));
    let found = match (snapshot.status, snapshot.good) {
        (ConfigStatus::Good, Some(good)) => Ok(lk_result_t::from(&*good)),
        (ConfigStatus::Ended(error) | ConfigStatus::Unreadable(error), _) => Err(error.into()),
        (ConfigStatus::Rejected { reason, .. }, _) => Err(Fault::new(LK_EREJECTED, reason)),
        _ => Err(Fault::new(LK_NONODE, "nothing is published")),
    };
    Look { found, is_last }
}

/// Asks the caller whether what is published is good.
fn judged(user: &User, check: lk_check_fn, found: lk_result_t) -> Result<lk_result_t, Fault> {
    let Some(check) = check else {
        return Ok(found);
    };
    let mut reason = [0; REASON_SIZE];
    let room = reason.as_mut_ptr().cast();
    // SAFETY: the function is the caller's, made for this pointer, and the header says where it
    // runs and how much room there is.
    if unsafe { check(user.ptr, &raw const found, room, REASON_SIZE) } {
        return Ok(found);
    }
    let reason = CStr::from_bytes_until_nul(&reason).unwrap_or_default();
    Err(match reason.to_string_lossy() {
        reason if reason.is_empty() => Fault::new(LK_EREJECTED, "refused by the check"),
        reason => Fault::new(LK_EREJECTED, reason),
    })
}

fn not_seen() -> Fault {
    Fault::new(LK_ETIMEDOUT, "nothing was seen yet")
}
