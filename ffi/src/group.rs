//! A group: who is there.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use client::Client;
use futures::FutureExt;
use futures::stream;
use lockkeeper_recipes::{Group, GroupEvent, GroupLayout, Membership};

use crate::at::At;
use crate::call::{lk_call_t, looks, start_each, wanted};
use crate::callback::{User, lk_drop_fn};
use crate::connection::lk_client_t;
use crate::error::{Fault, entry, entry_or};
use crate::guard::{
    LK_GUARD_RELEASED, LK_LOSS_NONE, lk_guard_state_fn, lk_guard_state_t, lk_loss_t, numbers,
};
use crate::handle::{Maker, Object, Out, borrow, put, put_if_wanted, take};
use crate::kept::{Kept, given_back};
use crate::member::{LK_MEMBER_JOINED, LK_MEMBER_LEFT, lk_member_fn, tell_member};
use crate::queue::may_block;
use crate::result::lk_result_t;
use crate::session::Session;
use crate::status::lk_status_t;
use crate::text::{Text, data, lk_str_t, text};
use crate::wait::{carry_out, wait_for};

/// Being a member of a group, until it is left or freed. If somebody else deletes the znode it is
/// made again; the end of the session ends it for good. Any number of threads may use it.
pub struct lk_membership_t {
    maker: Maker,
    // Before the session, whose end waits for handles of the client.
    membership: Kept<Membership>,
    path: Text,
    session: Arc<Session>,
}

/// How members' znodes are called. All users of a path must use the same.
pub type lk_group_layout_t = i32;

/// As those of Curator's `GroupMember`: by the members' ids.
pub const LK_GROUP_CURATOR: lk_group_layout_t = 0;
/// As those of kazoo's `Party`, which have no room for data.
pub const LK_GROUP_KAZOO: lk_group_layout_t = 1;

impl Object for lk_membership_t {
    const NAME: &'static str = "membership";

    fn maker(&self) -> Option<Maker> {
        Some(self.maker)
    }
}

/// Joins the group at a path. Waits while another session is there under the same id: after a
/// restart that is the process's former self, until its session expires.
///
/// Blocks for at most `timeout_ms`; after an error nothing is left behind. Fails with
/// `LK_ETIMEDOUT`, `LK_ECONFLICT` if the id cannot stand in a path, if this client is there under it
/// already, or if the layout has no room for data, and as every call of a client.
///
/// @param layout  one of `LK_GROUP_*`
/// @param data    what the member says about itself; NULL with a length of 0 for no bytes
/// @param out     where the membership goes; the caller frees it with `lk_membership_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_group_join(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    layout: lk_group_layout_t,
    id: *const c_char,
    id_len: isize,
    data_ptr: *const c_void,
    data_len: usize,
    timeout_ms: i64,
    out: *mut *mut lk_membership_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, strings, bytes, and room for the result.
        let (out, at, id, data) = unsafe {
            (
                Out::new(out)?,
                At::new(client, path, path_len, of_layout(layout))?,
                text("id", id, id_len)?,
                data("data", data_ptr, data_len)?,
            )
        };
        let membership = wait_for(at.path, timeout_ms, at.recipe.join(id, data.to_vec()))?;
        out.give(lk_membership_t {
            maker: Maker::this(),
            path: membership.path().into(),
            membership: Kept::new(membership),
            session: Arc::clone(at.session),
        });
        Ok(())
    })
}

/// Lists the members of the group at a path, those who joined first in front, as the ensemble has
/// them now.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_ETIMEDOUT` and as every call of a client.
///
/// @param layout  one of `LK_GROUP_*`
/// @param out     where the members go, to be freed with `lk_result_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_group_members(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    layout: lk_group_layout_t,
    timeout_ms: i64,
    out: *mut *mut lk_result_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, a string, and room for the result.
        let (out, at) = unsafe {
            (
                Out::new(out)?,
                At::new(client, path, path_len, of_layout(layout))?,
            )
        };
        out.give(lk_result_t::of_members(wait_for(
            at.path,
            timeout_ms,
            at.recipe.members(),
        )?));
        Ok(())
    })
}

/// Asks to be told who joins the group at a path and who leaves; those who are there already join
/// first. An error is the last call.
///
/// Never blocks. Behind a broken link comes the difference. Who watches is told of every change, so
/// that a group of n that all watch costs n * n events: let those watch who need to. `drop` runs
/// exactly once: when the call is given up, behind an error, or when the client's last object is
/// freed; and if this call fails, before it returns. Fails with `LK_BADARGUMENTS`, `LK_EINVAL`,
/// `LK_EFORKED`.
///
/// @param layout    one of `LK_GROUP_*`
/// @param happened  told `LK_MEMBER_JOINED` and `LK_MEMBER_LEFT`
/// @param user      handed to both functions
/// @param drop      frees `user`; or NULL
/// @param call      where the call goes, to be freed with `lk_call_free`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_group_watch(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    layout: lk_group_layout_t,
    happened: lk_member_fn,
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
                At::new(client, path, path_len, of_layout(layout))?,
            )
        };
        let happened = wanted(happened)?;
        let events = looks(at.recipe.view(), |view| view.next().boxed());
        let started = start_each(at.session, user, events, move |user, event| {
            let event = event.map(|event| match event {
                GroupEvent::Joined(member) => (LK_MEMBER_JOINED, member.into()),
                GroupEvent::Left(member) => (LK_MEMBER_LEFT, member.into()),
            });
            tell_member(user, happened, event);
        });
        started.hand_to(call);
        Ok(())
    })
}

/// Path of the member's znode; it stays when the group is left. Belongs to the membership. Never
/// blocks. Fails with `LK_EINVAL`, `LK_EFORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_membership_path(
    membership: *const lk_membership_t,
    out: *mut lk_str_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a membership.
        let membership = unsafe { borrow(membership)? };
        // SAFETY: the header asks for room for the result.
        unsafe { put(out, membership.path.view()) }
    })
}

/// What others see, as far as is known, one of `LK_GUARD_*`. Lost because the znode was deleted is
/// followed by held; lost for another reason is final. Never blocks. Fails with `LK_EINVAL`,
/// `LK_EFORKED`.
///
/// @param loss  where the reason of a loss goes, one of `LK_LOSS_*`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_membership_state(
    membership: *const lk_membership_t,
    state: *mut lk_guard_state_t,
    loss: *mut lk_loss_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a membership.
        let membership = unsafe { borrow(membership)? };
        let now = membership.membership.look(Membership::state).map(numbers);
        let (now, why) = now.unwrap_or((LK_GUARD_RELEASED, LK_LOSS_NONE));
        // SAFETY: the header asks for room for the state, and for NULL or room for the reason.
        unsafe {
            put(state, now)?;
            put_if_wanted(loss, why);
        }
        Ok(())
    })
}

/// Asks to be told of the state of a membership: of the present one, and then of each new one, of
/// which those in between may be left out.
///
/// Never blocks. `drop` runs exactly once: behind the last state, when the group is left or the
/// membership freed; and if this call fails, before it returns. Fails with `LK_EINVAL`,
/// `LK_ERELEASED`, `LK_EFORKED`.
///
/// @param user  handed to both functions
/// @param drop  frees `user`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_membership_on_state(
    membership: *const lk_membership_t,
    changed: lk_guard_state_fn,
    user: *mut c_void,
    drop: lk_drop_fn,
) -> lk_status_t {
    let user = User::new(user, drop);
    entry(|| {
        // SAFETY: the header asks for a membership.
        let membership = unsafe { borrow(membership)? };
        let changed = wanted(changed)?;
        let states = membership.membership.look(Membership::states);
        let states = stream::unfold(states.ok_or_else(given_back)?, async |mut states| {
            Some((states.next().await?, states))
        });
        start_each(&membership.session, user, states, move |user, state| {
            let (state, loss) = numbers(state);
            // SAFETY: the function is the caller's, made for this pointer, and the header says
            // where it runs.
            unsafe { changed(user.ptr, state, loss) };
        });
        Ok(())
    })
}

/// Changes what a member says about itself. Watches do not report it.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_ECONFLICT` if the layout has no room for data,
/// `LK_ERELEASED`, and as every call of a client.
///
/// @param data  NULL with a length of 0 for no bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_membership_update(
    membership: *const lk_membership_t,
    data_ptr: *const c_void,
    data_len: usize,
    timeout_ms: i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a membership and bytes.
        let (membership, data) =
            unsafe { (borrow(membership)?, data("data", data_ptr, data_len)?) };
        let kept = membership.membership.share()?;
        carry_out(kept.path(), timeout_ms, kept.update(data.to_vec()))
    })
}

/// Leaves the group, and waits until the znode is gone.
///
/// Blocks for at most `timeout_ms`; after `LK_OPERATIONTIMEOUT` leaving goes on in the background.
/// Fails with `LK_ERELEASED` if it was called before, `LK_EBUSY` during an update, and as every call
/// of a client. The membership is still to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_membership_leave(
    membership: *mut lk_membership_t,
    timeout_ms: i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a membership.
        let membership = unsafe { borrow(membership)? };
        may_block()?;
        let kept = membership.membership.take()?;
        let path = kept.path().to_owned();
        carry_out(&path, timeout_ms, kept.leave())
    })
}

/// Frees a membership; NULL is allowed. Who is still there leaves in the background. No call of it
/// may be under way. Blocks only as `lk_client_free` says. In a forked child it does nothing: the
/// parent is still a member.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_membership_free(membership: *mut lk_membership_t) {
    entry_or((), || {
        // SAFETY: the header asks for NULL or a membership that nobody uses any more.
        drop(unsafe { take(membership) });
    });
}

fn of_layout(layout: lk_group_layout_t) -> impl FnOnce(&Client, &str) -> Result<Group, Fault> {
    move |client, path| {
        let layout = match layout {
            LK_GROUP_CURATOR => GroupLayout::Curator,
            LK_GROUP_KAZOO => GroupLayout::KazooParty,
            _ => return Err(Fault::invalid(format!("no layout has the number {layout}"))),
        };
        Ok(Group::new(client, path)?.layout(layout))
    }
}
