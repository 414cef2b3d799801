//! Who is alive: a leader lets sessions end, a learner tells it whom it has heard of.

use lockkeeper_store::{Store, Write};
use lockkeeper_wire::{SessionId, Touch};

use crate::connection::{Clients, Now};
use crate::pipeline::Wanted;
use crate::replica::Replica;
use crate::role::Role;

impl Replica {
    /// Lets time pass: ends sessions not heard of for their timeout, removes what containers and
    /// TTL znodes may go, and goes on with what other servers are waited for.
    pub fn tick(&mut self, store: &Store, now: Now, clients: &mut impl Clients) {
        if self
            .peer
            .poll_timeout()
            .is_some_and(|at_ms| at_ms <= now.mono_ms)
        {
            self.peer.handle_timeout(now.mono_ms);
            self.settle(store, now);
        }
        self.end_silent_sessions(store, now, clients);
        self.end_silent_locals(now, clients);
        self.remove_containers(store, now);
        self.begin_read_only(now);
    }

    /// When [`Replica::tick`] has something to do next, on the monotonic clock.
    pub fn next_tick_ms(&self) -> u64 {
        let leading = match &self.role {
            Role::Leading(leading) => [
                leading.expiry.next_due_ms(),
                Some(leading.container_check_at_ms),
            ],
            _ => [None; 2],
        };
        let others = [
            self.peer.poll_timeout(),
            self.locals.next_due_ms(),
            self.read_only_at_ms(),
        ];
        let next = others.into_iter().chain(leading).flatten().min();
        next.unwrap_or(u64::MAX)
    }

    /// The process stood still for this long: no session's deadline counts that time.
    pub fn stalled(&mut self, by_ms: u64) {
        self.locals.extend_all(by_ms);
        if let Role::Leading(leading) = &mut self.role {
            leading.expiry.extend_all(by_ms);
        }
    }

    fn end_silent_sessions(&mut self, store: &Store, now: Now, clients: &mut impl Clients) {
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        let due: Vec<SessionId> = leading.expiry.due(now.mono_ms).collect();
        for session in due {
            let owner = self.owners.get(&session);
            if let Some(heard_ms) = owner.and_then(|&owner| clients.heard_ms(owner)) {
                leading.expiry.touch(session, heard_ms);
            }
        }
        let due: Vec<SessionId> = leading.expiry.due(now.mono_ms).collect();
        for &session in &due {
            leading.expiry.forget(session);
        }
        for session in due {
            if self.is_alive(store, session) {
                self.traffic.sessions_expired += 1;
                tracing::info!(%session, "session expired");
                self.send_own(store, session, Write::CloseSession, now);
            }
        }
    }

    fn is_alive(&self, store: &Store, session: SessionId) -> bool {
        matches!(&self.role, Role::Leading(leading) if leading.proposals.is_alive(store, session))
    }

    fn remove_containers(&mut self, store: &Store, now: Now) {
        let check_ms = self.settings.container_check_ms;
        match &mut self.role {
            Role::Leading(leading) if now.mono_ms >= leading.container_check_at_ms => {
                leading.container_check_at_ms = now.mono_ms + check_ms;
            }
            _ => return,
        }
        let most = self.settings.container_removals_per_minute * check_ms;
        let most = (most / 60_000).max(1) as usize;
        let removable = store.removable(now.wall_ms, self.settings.container_never_used_ms);
        for path in removable.into_iter().take(most) {
            self.send_own(store, SessionId::NONE, Write::DeleteContainer(&path), now);
        }
    }

    /// A write that no connection waits for.
    fn send_own(&mut self, store: &Store, session: SessionId, write: Write<'_>, now: Now) {
        let wanted = Wanted {
            session,
            cxid: 0,
            identities: &[].into(),
            origin: None,
            write,
            local: false,
        };
        self.send(store, wanted, now);
    }

    /// A learner has heard of these sessions.
    pub(crate) fn touch(&mut self, touches: &[Touch], now: Now) {
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        for touch in touches {
            if leading.expiry.is_tracked(touch.session) {
                let timeout_ms = touch.timeout_ms.max(0) as u64;
                leading.expiry.track(touch.session, timeout_ms, now.mono_ms);
            }
        }
    }

    /// Tells the leader which sessions were heard of since it last asked.
    pub(crate) fn pong(&mut self, now: Now, clients: &impl Clients) {
        let Role::Learning(learning) = &mut self.role else {
            return self.peer.pong(Vec::new());
        };
        let mut touched = std::mem::take(&mut learning.touched);
        for (&session, owner) in &self.owners {
            if clients.heard_ms(*owner) >= Some(learning.asked_at_ms)
                && let Some(connection) = self.connections.get(owner)
            {
                touched.insert(session, connection.timeout_ms);
            }
        }
        learning.asked_at_ms = now.mono_ms;
        let touches = touched.into_iter();
        let touches = touches.map(|(session, timeout_ms)| Touch {
            session,
            timeout_ms,
        });
        self.peer.pong(touches.collect());
    }
}

/// The first session id of a run: server id, 40 bits of the clock, 16 bits of counter.
///
/// Apache takes a monotonic clock that starts anew with the machine; the wall clock never gives the
/// ids of an earlier run again unless it is set back. Then the ids go on behind those of the sessions
/// alive, by as many as there have been transactions: each session took one, so no id is given again
/// that was given since the oldest of them. An id that came again would come with its password.
pub(crate) fn first_session(server_id: u8, wall_ms: i64, store: &Store) -> i64 {
    let clock = ((wall_ms as u64) << 24) >> 8;
    let first = ((u64::from(server_id) << 56) | clock) as i64;
    let alive = store.sessions().map(|(session, _)| session.0);
    let own = alive.filter(|id| id >> 56 == first >> 56);
    let behind = |last: i64| last + 1 + i64::from(store.last_zxid().counter());
    own.max().map_or(first, |last| first.max(behind(last)))
}

#[cfg(test)]
mod tests {
    use lockkeeper_wire::{Txn, TxnEntry, TxnHeader, Zxid};

    use super::*;

    #[test]
    fn a_clock_set_back_gives_no_id_of_a_session_alive() {
        let mut store = Store::new(1);
        let begin = |store: &mut Store, zxid: i64, id: i64| {
            let txn = Txn::CreateSession(1000);
            let header = TxnHeader {
                client_id: SessionId(id),
                cxid: 0,
                zxid: Zxid(zxid),
                time_ms: 0,
                op: txn.op().into(),
            };
            store.apply(&TxnEntry {
                header,
                txn,
                digest: None,
            });
        };
        let first = first_session(1, 5000, &store);
        assert_eq!(first, 0x0100_0000_1388_0000);
        begin(&mut store, 1, first + 7);
        begin(&mut store, 2, 0x0200_0000_1388_0000);
        assert_eq!(first_session(1, 5000, &store), first + 8 + 2);
        assert_eq!(first_session(1, 1, &store), first + 8 + 2);
        assert_eq!(first_session(1, 5001, &store), first + (1 << 16));
    }

    /// The ids of sessions that have ended are known to their clients, who may come back.
    #[test]
    fn a_clock_set_back_gives_no_id_of_a_session_that_has_ended() {
        let mut store = Store::new(1);
        let mut zxid = 0;
        let mut write = |store: &mut Store, id: i64, txn: Txn| {
            zxid += 1;
            let header = TxnHeader {
                client_id: SessionId(id),
                cxid: 0,
                zxid: Zxid(zxid),
                time_ms: 0,
                op: txn.op().into(),
            };
            let digest = None;
            store.apply(&TxnEntry {
                header,
                txn,
                digest,
            });
        };
        let alive = first_session(1, 5000, &store);
        write(&mut store, alive, Txn::CreateSession(1000));
        let mut given = vec![alive];
        for _ in 0..5 {
            let first = first_session(1, 1, &store);
            for id in first..first + 3 {
                assert!(!given.contains(&id), "{id:x} of {given:x?}");
                given.push(id);
                write(&mut store, id, Txn::CreateSession(1000));
                write(&mut store, id, Txn::CloseSession(None));
            }
        }
    }
}
