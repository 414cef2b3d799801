//! A double barrier: so many parties go in together and come out together.

use std::ffi::{c_char, c_void};

use lockkeeper_recipes::DoubleBarrier;

use crate::at::At;
use crate::call::lk_call_t;
use crate::callback::{User, lk_drop_fn};
use crate::connection::lk_client_t;
use crate::error::{Fault, entry};
use crate::guard::{lk_acquired_fn, lk_guard_t, start_held};
use crate::handle::{Out, borrow};
use crate::held::Held;
use crate::kept::given_back;
use crate::result::lk_result_t;
use crate::status::lk_status_t;
use crate::wait::{await_for, wait_for};

/// As a round: the only one, at the path itself.
pub const LK_NO_ROUND: i64 = -1;

/// Waits until all parties are at the double barrier at a path, and goes in with them. Its znodes are
/// those of Curator's `DistributedDoubleBarrier`.
///
/// `lk_guard_release` leaves, and waits until all who went in have left or are gone;
/// `lk_guard_free` leaves without waiting. A meeting is held once: for the next one take the next
/// round.
///
/// Blocks for at most `timeout_ms`; after an error nothing is left behind. Fails with
/// `LK_ETIMEDOUT`, `LK_ECONFLICT` if the meeting has begun without this party or for a number of
/// parties that cannot be, `LK_ELOST` if its znode was deleted by somebody else, and as every call
/// of a client.
///
/// @param parties  how many meet, 1 to 5,000; the same for all
/// @param round    a number below the path, 0 or more, or `LK_NO_ROUND`
/// @param out      where the guard goes; the caller frees it with `lk_guard_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_double_barrier_enter(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    parties: usize,
    round: i64,
    timeout_ms: i64,
    out: *mut *mut lk_guard_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, a string, and room for the result.
        let (out, at) = unsafe {
            (
                Out::new(out)?,
                meeting(client, path, path_len, parties, round)?,
            )
        };
        let party = wait_for(at.path, timeout_ms, at.recipe.enter())?;
        out.give(lk_guard_t::new(Held::Party(party), at.session));
        Ok(())
    })
}

/// As `lk_double_barrier_enter`, without waiting: `entered` is told the end.
///
/// Never blocks. Who is given a place after the call was given up leaves. Fails with
/// `LK_ECONFLICT` for a number of parties that cannot be, `LK_BADARGUMENTS`, `LK_EINVAL`,
/// `LK_EFORKED`; then `entered` is not called.
///
/// @param user  handed to both functions
/// @param drop  frees `user`; or NULL
/// @param call  where the call goes, to be freed with `lk_call_free`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_double_barrier_enter_async(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    parties: usize,
    round: i64,
    timeout_ms: i64,
    entered: lk_acquired_fn,
    user: *mut c_void,
    drop: lk_drop_fn,
    call: *mut *mut lk_call_t,
) -> lk_status_t {
    let user = User::new(user, drop);
    entry(|| {
        // SAFETY: the header asks for NULL or room for the call, for a client and a string.
        let (call, at) = unsafe {
            (
                Out::wanted(call),
                meeting(client, path, path_len, parties, round)?,
            )
        };
        let barrier = at.recipe;
        let party = async move { barrier.enter().await.map(Held::Party) };
        let party = await_for(at.path, timeout_ms, party);
        start_held(at.session, user, entered, party, call)
    })
}

/// Names of the znodes that were counted in with a party of a double barrier, as children of a
/// result; none if a Curator party opened the barrier, which does not write them down.
///
/// Never blocks. Fails with `LK_EINVAL`, also for other guards, `LK_ERELEASED`, `LK_EFORKED`.
///
/// @param out  where the names go, to be freed with `lk_result_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_double_barrier_members(
    guard: *const lk_guard_t,
    out: *mut *mut lk_result_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a guard and for room for the result.
        let (out, guard) = unsafe { (Out::new(out)?, borrow(guard)?) };
        let members = guard.held.look(|held| match held {
            Held::Party(party) => Ok(party.members().unwrap_or_default().to_vec()),
            _ => Err(Fault::invalid("guard is not of a double barrier")),
        });
        out.give(members.ok_or_else(given_back)??.into());
        Ok(())
    })
}

/// # Safety
///
/// That of [`At::new`].
unsafe fn meeting<'a>(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    parties: usize,
    round: i64,
) -> Result<At<'a, DoubleBarrier>, Fault> {
    // SAFETY: the caller vouches for both.
    let at = unsafe {
        At::new(client, path, path_len, |client, path| {
            DoubleBarrier::new(client, path, parties)
        })?
    };
    let recipe = match (u64::try_from(round), round) {
        (Ok(round), _) => at.recipe.round(round),
        (Err(_), LK_NO_ROUND) => at.recipe,
        (Err(_), _) => return Err(Fault::invalid(format!("no round has the number {round}"))),
    };
    Ok(At { recipe, ..at })
}
