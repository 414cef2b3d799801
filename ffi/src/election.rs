//! An election: one leader among candidates that stand in line.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use futures::FutureExt;
use lockkeeper_recipes::{Election, ElectionLayout, LossPolicy};

use crate::call::{lk_call_t, looks, start_each, wanted};
use crate::callback::{User, lk_drop_fn};
use crate::connection::lk_client_t;
use crate::error::{Fault, entry, entry_or};
use crate::guard::lk_guard_t;
use crate::handle::{Maker, Object, Out, borrow, take};
use crate::held::Held;
use crate::member::{LK_MEMBER_LEADS, LK_MEMBER_LED, lk_member_fn, tell_member};
use crate::result::lk_result_t;
use crate::session::Session;
use crate::status::lk_status_t;
use crate::text::{text, text_if_any};
use crate::wait::wait_for;

/// An election on a path. Any number of threads may use it at once; each call that asks to lead is a
/// candidate of its own.
pub struct lk_election_t {
    maker: Maker,
    // Before the session, whose end waits for handles of the client.
    pub(crate) election: Election,
    pub(crate) policy: LossPolicy,
    path: String,
    pub(crate) session: Arc<Session>,
}

/// The names of candidates' znodes. All users of a path must use the same.
pub type lk_election_layout_t = i32;

/// Those of Curator's `LeaderLatch`.
pub const LK_ELECTION_LATCH: lk_election_layout_t = 0;
/// Those of Curator's `LeaderSelector`.
pub const LK_ELECTION_SELECTOR: lk_election_layout_t = 1;
/// Those of kazoo's `Election`.
pub const LK_ELECTION_KAZOO: lk_election_layout_t = 2;

/// Settings of an election, added up; 0 for none.
pub type lk_election_options_t = u32;

/// Leads only while connected; without it, also without a link while nobody else can lead.
pub const LK_ELECTION_STRICT: lk_election_options_t = 1;
/// Each leader writes its id and fence beside the path before it acts, for `lk_election_watch`.
pub const LK_ELECTION_PUBLISH: lk_election_options_t = 2;
/// Fails with `LK_ELAYOUT` when it finds candidates that would not wait for this layout's names.
pub const LK_ELECTION_REFUSE_BLIND: lk_election_options_t = 4;

const OPTIONS: lk_election_options_t =
    LK_ELECTION_STRICT | LK_ELECTION_PUBLISH | LK_ELECTION_REFUSE_BLIND;

impl Object for lk_election_t {
    const NAME: &'static str = "election";

    fn maker(&self) -> Option<Maker> {
        Some(self.maker)
    }
}

/// An election on a path, whose ancestors are created when they are needed.
///
/// Never blocks and sends nothing. Fails with `LK_BADARGUMENTS` if the path is not valid,
/// `LK_EINVAL`, `LK_EFORKED`.
///
/// @param layout   one of `LK_ELECTION_LATCH` and those behind it
/// @param options  sum of `LK_ELECTION_STRICT` and those behind it, or 0
/// @param id       what a candidate calls itself, or NULL for `host:pid`
/// @param out      where the election goes; the caller frees it with `lk_election_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_election_new(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    layout: lk_election_layout_t,
    options: lk_election_options_t,
    id: *const c_char,
    id_len: isize,
    out: *mut *mut lk_election_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, strings, and room for the result.
        let (out, client, path, id) = unsafe {
            (
                Out::new(out)?,
                borrow(client)?,
                text("path", path, path_len)?,
                text_if_any("id", id, id_len)?,
            )
        };
        let layout = match layout {
            LK_ELECTION_LATCH => ElectionLayout::Latch,
            LK_ELECTION_SELECTOR => ElectionLayout::Selector,
            LK_ELECTION_KAZOO => ElectionLayout::Kazoo,
            _ => return Err(Fault::invalid(format!("no layout has the number {layout}"))),
        };
        if options & !OPTIONS != 0 {
            return Err(Fault::invalid(format!(
                "options have no meaning: {options:#x}"
            )));
        }
        let policy = match options & LK_ELECTION_STRICT {
            0 => LossPolicy::Deadline,
            _ => LossPolicy::Strict,
        };
        let session = Arc::clone(&client.session);
        let mut builder = Election::builder(&session.client, path)
            .layout(layout)
            .policy(policy)
            .publish(options & LK_ELECTION_PUBLISH != 0)
            .refuse_blind_names(options & LK_ELECTION_REFUSE_BLIND != 0);
        if let Some(id) = id {
            builder = builder.id(id);
        }
        out.give(lk_election_t {
            maker: Maker::this(),
            election: builder
                .build()
                .map_err(|error| Fault::from(error).at(path))?,
            policy,
            path: path.to_owned(),
            session,
        });
        Ok(())
    })
}

/// Waits to lead. A candidate whose znode somebody deletes queues again at the tail.
///
/// Blocks for at most `timeout_ms`. Candidates lead in the order in which they came.
/// `lk_guard_release` resigns. After any error this candidate does not stand. Fails with
/// `LK_ETIMEDOUT`, `LK_ELAYOUT`, `LK_ENUMBERS`, and as every call of a client.
///
/// @param out  where the guard of the term goes; the caller frees it with `lk_guard_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_election_lead(
    election: *const lk_election_t,
    timeout_ms: i64,
    out: *mut *mut lk_guard_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for an election and for room for the result.
        let (out, this) = unsafe { (Out::new(out)?, borrow(election)?) };
        let leader = wait_for(&this.path, timeout_ms, this.election.lead())?;
        out.give(lk_guard_t::new(
            Held::Leader(leader, this.policy),
            &this.session,
        ));
        Ok(())
    })
}

/// Leads if nobody else stands.
///
/// Blocks for a round trip or two, at most `timeout_ms`. Fails with `LK_EBUSY`, and as
/// `lk_election_lead`.
///
/// @param out  where the guard of the term goes; the caller frees it with `lk_guard_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_election_try(
    election: *const lk_election_t,
    timeout_ms: i64,
    out: *mut *mut lk_guard_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for an election and for room for the result.
        let (out, this) = unsafe { (Out::new(out)?, borrow(election)?) };
        let leader = wait_for(&this.path, timeout_ms, this.election.try_lead())?;
        out.give(lk_guard_t::new(
            Held::Leader(leader, this.policy),
            &this.session,
        ));
        Ok(())
    })
}

/// Lists everybody who stands, as members of a result, the leader first.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_ETIMEDOUT` and as every call of a client.
///
/// @param out  where the candidates go, to be freed with `lk_result_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_election_candidates(
    election: *const lk_election_t,
    timeout_ms: i64,
    out: *mut *mut lk_result_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for an election and for room for the result.
        let (out, this) = unsafe { (Out::new(out)?, borrow(election)?) };
        let candidates = wait_for(&this.path, timeout_ms, this.election.candidates())?;
        out.give(lk_result_t::of_members(candidates));
        Ok(())
    })
}

/// Asks to be told who leads, without standing and without waking candidates; they must be made with
/// `LK_ELECTION_PUBLISH`. Each leader is told of at most once, in the order of their fences; short
/// terms may be left out, and ends are not told. An error is the last call.
///
/// Never blocks. `drop` runs exactly once: when the call is given up, behind an error, or when the
/// client's last object is freed; and if this call fails, before it returns. Fails with `LK_EINVAL`,
/// `LK_EFORKED`.
///
/// @param happened  told `LK_MEMBER_LEADS`, or `LK_MEMBER_LED` and, if it is confirmed later, again
/// @param user      handed to both functions
/// @param drop      frees `user`; or NULL
/// @param call      where the call goes, to be freed with `lk_call_free`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_election_watch(
    election: *const lk_election_t,
    happened: lk_member_fn,
    user: *mut c_void,
    drop: lk_drop_fn,
    call: *mut *mut lk_call_t,
) -> lk_status_t {
    let user = User::new(user, drop);
    entry(|| {
        // SAFETY: the header asks for NULL or room for the call, and for an election.
        let (call, this) = unsafe { (Out::wanted(call), borrow(election)?) };
        let happened = wanted(happened)?;
        let leaders = looks(this.election.observe(), |leaders| leaders.next().boxed());
        let started = start_each(&this.session, user, leaders, move |user, leader| {
            let event = leader.map(|leader| match leader.is_confirmed {
                true => (LK_MEMBER_LEADS, leader.into()),
                false => (LK_MEMBER_LED, leader.into()),
            });
            tell_member(user, happened, event);
        });
        started.hand_to(call);
        Ok(())
    })
}

/// Frees an election; NULL is allowed. Its guards, candidates and watches stay. No call of it may be
/// under way. Blocks only as `lk_client_free` says. In a forked child it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_election_free(election: *mut lk_election_t) {
    entry_or((), || {
        // SAFETY: the header asks for NULL or an election that nobody uses any more.
        drop(unsafe { take(election) });
    });
}
