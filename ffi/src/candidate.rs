//! A candidate that stands term after term.

use std::ffi::c_void;
use std::sync::Arc;

use futures::stream;
use lockkeeper_recipes::{Candidate, CandidateState, LossPolicy};

use crate::call::start_each;
use crate::callback::{User, lk_drop_fn};
use crate::election::lk_election_t;
use crate::error::{Fault, entry, entry_or, lk_error_t, show_error};
use crate::guard::lk_guard_t;
use crate::handle::{Maker, Object, Out, borrow, put, put_if_wanted, take};
use crate::held::Held;
use crate::kept::{Kept, given_back};
use crate::queue::may_block;
use crate::session::Session;
use crate::status::{LK_ETIMEDOUT, lk_status_t};
use crate::wait::{carry_out, deadline, wait_until};

/// A candidate that stands for leadership, term after term, until it is closed or freed or its
/// session ends. Any number of threads may use it.
pub struct lk_candidate_t {
    maker: Maker,
    // Before the session, whose end waits for handles of the client.
    candidate: Kept<Candidate>,
    policy: LossPolicy,
    session: Arc<Session>,
}

/// How a candidate fares.
pub type lk_candidate_state_t = i32;

/// It stands in the queue.
pub const LK_CANDIDATE_WAITING: lk_candidate_state_t = 1;
/// It leads.
pub const LK_CANDIDATE_LEADING: lk_candidate_state_t = 2;
/// The link is down, but nobody else can lead yet.
pub const LK_CANDIDATE_SUSPENDED: lk_candidate_state_t = 3;
/// Somebody else may lead: stop.
pub const LK_CANDIDATE_POSSIBLY_LOST: lk_candidate_state_t = 4;
/// It left because it was closed. Final.
pub const LK_CANDIDATE_CLOSED: lk_candidate_state_t = 5;
/// It stands no more: its session is over, or the server refused. Final.
pub const LK_CANDIDATE_ENDED: lk_candidate_state_t = 6;

/// Told how a candidate fares. Runs as every callback; see "Callbacks" above.
///
/// @param error  never NULL, valid until the function returns; its code is `LK_OK` unless the state
///               is `LK_CANDIDATE_ENDED`
/// @param state  one of `LK_CANDIDATE_*`
/// @param fence  of the term, while there is one; else 0
pub type lk_candidate_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        error: *const lk_error_t,
        state: lk_candidate_state_t,
        fence: i64,
    ),
>;

impl Object for lk_candidate_t {
    const NAME: &'static str = "candidate";

    fn maker(&self) -> Option<Maker> {
        Some(self.maker)
    }
}

/// Joins an election with a candidate that goes on standing: a term that ends is followed by another
/// place at the tail.
///
/// Never blocks; the requests leave in the background. `drop` runs exactly once, behind the final
/// state or when the client's last object is freed; and if this call fails, before it returns. Fails
/// with `LK_EINVAL`, `LK_EFORKED`.
///
/// @param changed  told each state in order, those in between may be left out; or NULL
/// @param user     handed to both functions
/// @param drop     frees `user`; or NULL
/// @param out      where the candidate goes; the caller frees it with `lk_candidate_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_election_join(
    election: *const lk_election_t,
    changed: lk_candidate_fn,
    user: *mut c_void,
    drop: lk_drop_fn,
    out: *mut *mut lk_candidate_t,
) -> lk_status_t {
    let user = User::new(user, drop);
    entry(|| {
        // SAFETY: the header asks for an election and for room for the result.
        let (out, election) = unsafe { (Out::new(out)?, borrow(election)?) };
        let candidate = election.election.join();
        let states = stream::unfold(candidate.states(), async |mut states| {
            Some((states.next().await?, states))
        });
        start_each(&election.session, user, states, move |user, state| {
            let Some(changed) = changed else { return };
            let (number, fence, end) = numbers(state);
            // SAFETY: the function is the caller's, made for this pointer, and the header says
            // where it runs.
            show_error(end.as_ref(), |error| unsafe {
                changed(user.ptr, error, number, fence)
            });
        });
        out.give(lk_candidate_t {
            maker: Maker::this(),
            candidate: Kept::new(candidate),
            policy: election.policy,
            session: Arc::clone(&election.session),
        });
        Ok(())
    })
}

fn numbers(state: CandidateState) -> (lk_candidate_state_t, i64, Option<Fault>) {
    match state {
        CandidateState::Closed => (LK_CANDIDATE_CLOSED, 0, None),
        CandidateState::Ended(error) => (LK_CANDIDATE_ENDED, 0, Some(error.into())),
        CandidateState::Leading(fence) => (LK_CANDIDATE_LEADING, fence.get(), None),
        CandidateState::PossiblyLost(fence) => (LK_CANDIDATE_POSSIBLY_LOST, fence.get(), None),
        CandidateState::Suspended(fence) => (LK_CANDIDATE_SUSPENDED, fence.get(), None),
        // What this version does not know is nothing to act on.
        _ => (LK_CANDIDATE_WAITING, 0, None),
    }
}

/// How a candidate fares now, one of `LK_CANDIDATE_*`. Never blocks. Fails with `LK_EINVAL`,
/// `LK_EFORKED`.
///
/// @param fence  where the term's fence goes, 0 while there is none; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_candidate_state(
    candidate: *const lk_candidate_t,
    state: *mut lk_candidate_state_t,
    fence: *mut i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a candidate.
        let candidate = unsafe { borrow(candidate)? };
        let now = candidate.candidate.look(Candidate::state);
        let (now, of_term, _) = numbers(now.unwrap_or(CandidateState::Closed));
        // SAFETY: the header asks for room for the state, and for NULL or room for the fence.
        unsafe {
            put(state, now)?;
            put_if_wanted(fence, of_term);
        }
        Ok(())
    })
}

/// The guard of a candidate's term. With a timeout, waits for one.
///
/// Blocks for at most `timeout_ms`; with 0 never, and may then be called in a callback. The guard is
/// one of several handles: freeing it leaves the term to the candidate, releasing it ends the term.
/// Fails with `LK_ETIMEDOUT`, `LK_ELOST` if it was closed meanwhile, `LK_ERELEASED` if before, and
/// with what the candidate ended with.
///
/// @param out  where the guard goes; the caller frees it with `lk_guard_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_candidate_lead(
    candidate: *const lk_candidate_t,
    timeout_ms: i64,
    out: *mut *mut lk_guard_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a candidate and for room for the result.
        let (out, this) = unsafe { (Out::new(out)?, borrow(candidate)?) };
        if timeout_ms != 0 {
            may_block()?;
        }
        let leader = this.candidate.look(Candidate::await_leadership);
        let leader = wait_until(leader.ok_or_else(given_back)?, deadline(timeout_ms));
        let leader =
            leader.ok_or_else(|| Fault::new(LK_ETIMEDOUT, "candidate does not lead"))??;
        out.give(lk_guard_t::new(
            Held::Leader(leader, this.policy),
            &this.session,
        ));
        Ok(())
    })
}

/// Steps down and queues again at the tail, in one transaction; the next candidate leads. Who does
/// not lead stays where it is.
///
/// Blocks for at most `timeout_ms`; after `LK_OPERATIONTIMEOUT` it goes on in the background. Fails
/// with `LK_ELOST` if the term had been lost before, `LK_ERELEASED`, and as every call of a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_candidate_resign(
    candidate: *const lk_candidate_t,
    timeout_ms: i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a candidate.
        let candidate = unsafe { borrow(candidate)? };
        may_block()?;
        let resigned = candidate.candidate.look(Candidate::resign);
        carry_out("", timeout_ms, resigned.ok_or_else(given_back)?)
    })
}

/// Leaves the election, and waits until the znode is gone.
///
/// Blocks for at most `timeout_ms`; after `LK_OPERATIONTIMEOUT` it goes on in the background. Fails
/// with `LK_ELOST` if a term had been lost before, `LK_ERELEASED` if it was called before, and as
/// every call of a client. The candidate is still to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_candidate_close(
    candidate: *mut lk_candidate_t,
    timeout_ms: i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a candidate.
        let candidate = unsafe { borrow(candidate)? };
        may_block()?;
        carry_out("", timeout_ms, candidate.candidate.take()?.close())
    })
}

/// Frees a candidate; NULL is allowed. One that still stands leaves in the background, and its term
/// ends. No call of it may be under way. Blocks only as `lk_client_free` says. In a forked child it
/// does nothing: the parent's still stands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_candidate_free(candidate: *mut lk_candidate_t) {
    entry_or((), || {
        // SAFETY: the header asks for NULL or a candidate that nobody uses any more.
        drop(unsafe { take(candidate) });
    });
}
