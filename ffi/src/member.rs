//! Who takes part: members of a group, candidates, leaders.

use std::ffi::c_void;

use bytes::Bytes;
use lockkeeper_recipes::{KnownLeader, Member, Participant};

use crate::callback::User;
use crate::error::{Fault, lk_error_t, show};
use crate::text::{Text, lk_bytes_t, lk_str_t};

/// Somebody who takes part in a group or in an election. What it points to belongs to the object it
/// was asked of, or is valid until the callback returns. Its fields do not change within a major
/// version.
#[repr(C)]
pub struct lk_member_t {
    /// What it calls itself.
    pub id: lk_str_t,
    /// Path of its znode.
    pub path: lk_str_t,
    /// What a member of a group says about itself; NULL for others.
    pub data: lk_bytes_t,
    /// Its session; 0 where it is not known.
    pub session: i64,
    /// The zxid of its znode's creation; of who leads it is the fence.
    pub joined: i64,
}

/// What became of somebody.
pub type lk_member_event_t = i32;

/// Nothing: there is an error instead.
pub const LK_MEMBER_NONE: lk_member_event_t = 0;
/// It is in the group.
pub const LK_MEMBER_JOINED: lk_member_event_t = 1;
/// It has left the group, or its session has ended.
pub const LK_MEMBER_LEFT: lk_member_event_t = 2;
/// It leads.
pub const LK_MEMBER_LEADS: lk_member_event_t = 3;
/// It led: its term was over when that was looked up, and the next leader has not written yet.
pub const LK_MEMBER_LED: lk_member_event_t = 4;

/// Told what became of somebody. Runs as every callback; see "Callbacks" above.
///
/// @param error   never NULL, valid until the function returns; its code is `LK_OK` for an event
/// @param event   one of `LK_MEMBER_*`
/// @param member  valid until the function returns; NULL after an error
pub type lk_member_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        error: *const lk_error_t,
        event: lk_member_event_t,
        member: *const lk_member_t,
    ),
>;

/// The same, when it is known to be there.
type MemberFn =
    unsafe extern "C" fn(*mut c_void, *const lk_error_t, lk_member_event_t, *const lk_member_t);

/// What an [`lk_member_t`] is made from.
#[derive(Clone)]
pub(crate) struct Somebody {
    id: Text,
    path: Text,
    data: Option<Bytes>,
    session: i64,
    joined: i64,
}

impl Somebody {
    pub(crate) fn view(&self) -> lk_member_t {
        lk_member_t {
            id: self.id.view(),
            path: self.path.view(),
            data: self
                .data
                .as_deref()
                .map_or(lk_bytes_t::NULL, lk_bytes_t::of),
            session: self.session,
            joined: self.joined,
        }
    }
}

/// Calls a function with an event.
pub(crate) fn tell_member(
    user: &User,
    happened: MemberFn,
    event: Result<(lk_member_event_t, Somebody), Fault>,
) {
    show(event, |error, event| {
        let view = event.as_ref().map(|(_, somebody)| somebody.view());
        let member = view.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let event = event.as_ref().map_or(LK_MEMBER_NONE, |(event, _)| *event);
        // SAFETY: the function is the caller's, made for this pointer, and the header says where it
        // runs.
        unsafe { happened(user.ptr, error, event, member) };
    });
}

impl From<Member> for Somebody {
    fn from(member: Member) -> Self {
        Self {
            id: member.id.as_str().into(),
            path: member.path.as_str().into(),
            data: Some(member.data),
            session: member.session.0,
            joined: member.joined.0,
        }
    }
}

impl From<Participant> for Somebody {
    fn from(candidate: Participant) -> Self {
        Self {
            id: candidate.id.as_str().into(),
            path: candidate.path.as_str().into(),
            data: None,
            session: candidate.session.0,
            joined: candidate.fence.get(),
        }
    }
}

impl From<KnownLeader> for Somebody {
    fn from(leader: KnownLeader) -> Self {
        Self {
            id: leader.id.as_str().into(),
            path: leader.path.as_str().into(),
            data: None,
            session: 0,
            joined: leader.fence.get(),
        }
    }
}
