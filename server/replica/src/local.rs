//! Sessions that only their own server knows: they cost no transaction, and may own nothing.
//!
//! They outlive a change of leaders, since no leader ever heard of them. The first ephemeral makes
//! one a session like others, if that is permitted.

use lockkeeper_store::{Identities, Store, Write};
use lockkeeper_wire::multi::MultiOp;
use lockkeeper_wire::{CreateMode, ErrorCode, Request, SessionId};

use crate::connection::{Clients, Now};
use crate::pipeline::Wanted;
use crate::replica::Replica;

impl Replica {
    pub(crate) fn is_local(&self, session: SessionId) -> bool {
        self.settings.local_sessions.is_some() && self.locals.is_tracked(session)
    }

    /// Resumes a session of this server's own; says whether it is one.
    pub(crate) fn resume_local(&mut self, session: SessionId, timeout_ms: i32, now: Now) -> bool {
        let local = self.is_local(session);
        if local {
            let timeout_ms = timeout_ms as u64;
            self.locals.track(session, timeout_ms, now.mono_ms);
        }
        local
    }

    /// Prepares a local session for its request; the error is the answer.
    ///
    /// For an ephemeral it becomes a session like others, one transaction ahead.
    pub(crate) fn admit_local(
        &mut self,
        store: &Store,
        (session, timeout_ms): (SessionId, i32),
        request: &Request,
        now: Now,
    ) -> Result<(), ErrorCode> {
        if !makes_ephemeral(request) {
            return Ok(());
        }
        if !self
            .settings
            .local_sessions
            .is_some_and(|local| local.upgrade)
        {
            return Err(ErrorCode::EPHEMERAL_ON_LOCAL_SESSION);
        }
        self.locals.forget(session);
        let identities: Identities = [].into();
        let wanted = Wanted {
            session,
            cxid: 0,
            identities: &identities,
            origin: None,
            write: Write::CreateSession(timeout_ms),
            local: false,
        };
        self.send(store, wanted, now);
        Ok(())
    }

    /// Whether a session that this leader does not know may be one that a learner alone knows.
    pub(crate) fn may_be_local(&self, session: SessionId) -> bool {
        let maker = (session.0 >> 56) as u8;
        self.settings.local_sessions.is_some() && maker != self.settings.server_id
    }

    /// Ends local sessions that were not heard of.
    pub(crate) fn end_silent_locals(&mut self, now: Now, clients: &mut impl Clients) {
        let due: Vec<SessionId> = self.locals.due(now.mono_ms).collect();
        for session in due {
            let owner = self.owners.get(&session).copied();
            if let Some(heard_ms) = owner.and_then(|owner| clients.heard_ms(owner)) {
                self.locals.touch(session, heard_ms);
            }
        }
        let due: Vec<SessionId> = self.locals.due(now.mono_ms).collect();
        for session in due {
            self.locals.forget(session);
            self.traffic.sessions_expired += 1;
            tracing::info!(%session, "local session expired");
            if let Some(owner) = self.owners.remove(&session) {
                self.connections.remove(&owner);
                clients.close(owner);
            }
        }
    }
}

fn makes_ephemeral(request: &Request) -> bool {
    let is_ephemeral = |flags: i32| CreateMode::try_from(flags).is_ok_and(CreateMode::is_ephemeral);
    match request {
        Request::Create(body) | Request::Create2(body) => is_ephemeral(body.flags),
        Request::Multi(multi) => multi.ops.iter().any(|op| match op {
            MultiOp::Create(body) | MultiOp::Create2(body) => is_ephemeral(body.flags),
            _ => false,
        }),
        _ => false,
    }
}
