//! Writes on their way to the one who orders them: proposed by a leader, sent on by a learner, taken
//! from learners by a leader.

use bytes::{Bytes, BytesMut};
use lockkeeper_store::{Identities, Store, Write};
use lockkeeper_wire::{ErrorCode, ForwardedRequest, OpCode, Reader, Record, Request, SessionId};
use lockkeeper_zab::{LinkId, Membership, Txn};

use crate::connection::Now;
use crate::pipeline::Wanted;
use crate::replica::Replica;
use crate::role::Role;

impl Replica {
    /// Takes a write to the leader, who may be this member. Without one nothing happens: the role
    /// is about to end, and its connections with it.
    pub(crate) fn send(&mut self, store: &Store, wanted: Wanted<'_>, now: Now) {
        match &mut self.role {
            Role::Looking | Role::ReadOnly => {}
            Role::Leading(_) => self.propose(store, wanted, now),
            Role::Learning(learning) => {
                let Some((op, body)) = encode(&wanted.write) else {
                    return;
                };
                // A session that begins is nobody yet.
                let identities = (op != OpCode::CreateSession).then(|| wanted.identities.to_vec());
                learning
                    .forwards
                    .push(wanted.session, wanted.cxid, wanted.origin);
                self.peer.forward(ForwardedRequest {
                    session: wanted.session,
                    cxid: wanted.cxid,
                    op: op.into(),
                    body,
                    identities,
                });
            }
        }
        self.settle(store, now);
    }

    /// Prepares a write and puts it to the vote.
    fn propose(&mut self, store: &Store, mut wanted: Wanted<'_>, now: Now) {
        let Some(zxid) = self.peer.next_zxid() else {
            return;
        };
        let mut membership = None;
        if let Write::Request(Request::Reconfig(request)) = wanted.write
            && self.settings.reconfig.is_some()
        {
            let made = self.reconfigured(request, zxid);
            wanted.write = Write::Reconfig(
                made.as_ref()
                    .map(Membership::to_bytes)
                    .map_err(|code| *code),
            );
            membership = made.ok();
        }
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        if let Write::CreateSession(timeout_ms) = wanted.write {
            let timeout_ms = timeout_ms.max(0) as u64;
            leading
                .expiry
                .track(wanted.session, timeout_ms, now.mono_ms);
        }
        let stamp = (zxid, now.wall_ms);
        let prep = self.settings.prep;
        let prepared = leading.proposals.prepare(store, prep, stamp, wanted);
        // Who asked may not have been allowed to.
        let membership = membership.filter(|_| prepared.is_reconfig);
        let txn = Txn {
            zxid,
            bytes: prepared.bytes,
        };
        self.peer.propose(txn, membership, now.mono_ms);
    }

    /// A learner's client asks for a write. Each such request becomes one transaction, be it an
    /// error: its session waits for one on the learner, and every other behind it.
    pub(crate) fn take_forwarded(
        &mut self,
        store: &Store,
        link: LinkId,
        request: &ForwardedRequest,
        now: Now,
    ) {
        let session = request.session;
        let is_here = self.owners.contains_key(&session);
        let may_be_local = self.may_be_local(session);
        let Role::Leading(leading) = &mut self.role else {
            return tracing::warn!(%session, "request of a learner dropped: this server leads nobody");
        };
        let is_alive = leading.proposals.is_alive(store, session);
        let decoded = Decoded::from(request);
        let write = match &decoded {
            Decoded::CreateSession(timeout_ms) => {
                leading.hand_over(session, link);
                Write::CreateSession(*timeout_ms)
            }
            _ if is_alive && !leading.may_send(session, link, is_here) => {
                Write::Refused(ErrorCode::SESSION_MOVED)
            }
            Decoded::CloseSession => Write::CloseSession,
            Decoded::Request(request) => Write::Request(request),
            Decoded::Malformed(code) => {
                tracing::warn!(%session, op = request.op, "request of a learner cannot be read");
                Write::Refused(*code)
            }
        };
        let identities: Identities = request.identities.as_deref().unwrap_or_default().into();
        let wanted = Wanted {
            session,
            cxid: request.cxid,
            identities: &identities,
            origin: None,
            write,
            local: may_be_local && !is_alive,
        };
        self.send(store, wanted, now);
    }

    /// A learner wants to take over a session.
    pub(crate) fn revalidate(
        &mut self,
        store: &Store,
        link: LinkId,
        session: SessionId,
        timeout_ms: i32,
        now: Now,
    ) {
        let valid = match &mut self.role {
            Role::Leading(leading) if leading.is_resumable(store, session) => {
                leading.hand_over(session, link);
                let timeout_ms = timeout_ms.max(0) as u64;
                leading.expiry.track(session, timeout_ms, now.mono_ms);
                true
            }
            _ => false,
        };
        self.peer.revalidated(link, session, valid);
    }
}

/// What a learner's request means.
enum Decoded {
    CreateSession(i32),
    CloseSession,
    Request(Request),
    Malformed(ErrorCode),
}

impl Decoded {
    /// Learners send what their clients sent; Apache's check less of it than ours.
    fn from(request: &ForwardedRequest) -> Self {
        let mut body = Reader::new(&request.body);
        if request.op == i32::from(OpCode::CreateSession) {
            return i32::decode(&mut body).map_or(
                Self::Malformed(ErrorCode::MARSHALLING_ERROR),
                Self::CreateSession,
            );
        }
        match Request::decode(request.op, &mut body) {
            Ok(Request::CloseSession) => Self::CloseSession,
            Ok(request) => Self::Request(request),
            Err(code) => Self::Malformed(code),
        }
    }
}

/// A write as it is forwarded; `None` for what only a leader does.
///
/// The body is written anew from what was understood, so one that does not decode never leaves: the
/// leaders of 3.9 stand still over it.
fn encode(write: &Write<'_>) -> Option<(OpCode, Bytes)> {
    let mut body = BytesMut::new();
    let op = match write {
        Write::Request(request) => {
            request.encode_body(&mut body);
            request.op()
        }
        Write::CreateSession(timeout_ms) => {
            timeout_ms.encode(&mut body);
            OpCode::CreateSession
        }
        Write::CloseSession => OpCode::CloseSession,
        Write::DeleteContainer(_) | Write::Reconfig(_) | Write::Refused(_) => return None,
    };
    Some((op, body.freeze()))
}
