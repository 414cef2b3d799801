//! What has been decided, in its order: transactions are applied, told to watchers and answered;
//! roles begin and end.

use lockkeeper_store::{Applied, ConnectionId, Store, Watches};
use lockkeeper_wire::{ErrorCode, OpCode, ReplyHeader, Response, SessionId, TxnEntry, Zxid, reply};
use lockkeeper_zab::{Effect, Membership, Serving, Txn};

use crate::connection::{Clients, Events, Now, Waiting};
use crate::fault::Fault;
use crate::input::is_about_store;
use crate::pipeline::Committed;
use crate::replica::Replica;
use crate::role::{Leading, Learning, Role};
use crate::sessions::first_session;

impl Replica {
    /// Whether [`Replica::commit`] has something to do.
    pub fn has_decided(&self) -> bool {
        !self.decided.is_empty()
    }

    /// Does what has been decided, up to an effect that is about the store as it is then: that one
    /// has to be taken from [`Replica::poll_effect`] before the next call.
    ///
    /// # Errors
    /// When this member's state cannot be right any more. The process ends without another word to
    /// anybody.
    pub fn commit(
        &mut self,
        store: &mut Store,
        watches: &mut Watches,
        now: Now,
        clients: &mut impl Clients,
    ) -> Result<(), Fault> {
        while let Some(effect) = self.decided.pop_front() {
            match effect {
                Effect::Deliver { txn } | Effect::Replay { txn } => {
                    self.deliver(&txn, store, watches, now, clients)?;
                }
                Effect::Serve { role } => self.serve(role, store, now),
                Effect::Retire => self.retire(watches, clients),
                Effect::Synced { ticket } => {
                    self.synced(ticket, store, watches, now, clients);
                }
                Effect::Pinged => self.pong(now, clients),
                Effect::Revalidated { session, valid } => {
                    self.revalidated(session, valid, store, watches, clients);
                }
                Effect::MembershipChanged { ref membership } => {
                    show(membership, store, now);
                    self.effects.push_back(effect);
                }
                effect => {
                    self.held_up -= 1;
                    let stop = is_about_store(&effect);
                    self.effects.push_back(effect);
                    if stop {
                        break;
                    }
                }
            }
            self.settle(store, now);
        }
        Ok(())
    }

    /// From here on clients are served.
    fn serve(&mut self, role: Serving, store: &mut Store, now: Now) {
        if let Some(memberships) = self.peer.memberships() {
            // The image of another server came with what that one goes by.
            show(memberships.committed(), store, now);
        }
        self.next_session =
            self.next_session
                .max(first_session(self.settings.server_id, now.wall_ms, store));
        let (tick_ms, check_ms) = (self.settings.tick_ms, self.settings.container_check_ms);
        self.role = match role {
            Serving::Leading { .. } => Role::Leading(Box::new(Leading::new(
                store,
                tick_ms,
                now.mono_ms + check_ms,
                now.mono_ms,
            ))),
            Serving::Following { .. } | Serving::Observing { .. } => {
                Role::Learning(Box::new(Learning {
                    asked_at_ms: now.mono_ms,
                    ..Learning::default()
                }))
            }
        };
    }

    /// Nobody knows what becomes of the requests under way: their connections end without a reply,
    /// and so does every other one, since its client has to look for a server that serves.
    fn retire(&mut self, watches: &mut Watches, clients: &mut impl Clients) {
        self.role = Role::Looking;
        for connection in std::mem::take(&mut self.connections).into_keys() {
            watches.drop_connection(connection);
            clients.close(connection);
        }
        self.owners.clear();
        self.syncs.clear();
    }

    fn deliver(
        &mut self,
        txn: &Txn,
        store: &mut Store,
        watches: &mut Watches,
        now: Now,
        clients: &mut impl Clients,
    ) -> Result<(), Fault> {
        let zxid = txn.zxid;
        let Committed { entry, origin } = self
            .role
            .committed(txn)
            .map_err(|source| Fault::Undecodable { zxid, source })?;
        let applied = store.apply(&entry);
        self.judge(zxid, &applied)?;
        if let Role::Leading(leading) = &mut self.role {
            leading.proposals.applied(zxid);
        }
        #[cfg(feature = "__seeded-bugs")]
        let late = match lockkeeper_bugs::is(lockkeeper_bugs::Bug::RepliesBeforeEvents) {
            true => applied.changes.clone(),
            false => Vec::new(),
        };
        #[cfg(feature = "__seeded-bugs")]
        let applied = Applied {
            changes: match late.is_empty() {
                true => applied.changes,
                false => Vec::new(),
            },
            ..applied
        };
        for change in &applied.changes {
            watches.trigger(change, zxid, &mut Events(clients));
        }
        self.close_owner(&entry, origin, watches, clients);
        if let Some(origin) = origin {
            self.answer_write(origin, &entry, applied, watches, now, clients);
            self.drain(origin, store, watches, clients);
        }
        #[cfg(feature = "__seeded-bugs")]
        for change in &late {
            watches.trigger(change, zxid, &mut Events(clients));
        }
        Ok(())
    }

    /// Images and snapshots of Apache's servers are fuzzy: they hold parts of transactions that come
    /// behind them. That has an end before clients are served.
    fn judge(&mut self, zxid: Zxid, applied: &Applied) -> Result<(), Fault> {
        if matches!(self.role, Role::Looking | Role::ReadOnly) {
            return Ok(());
        }
        if applied.misfit {
            return Err(Fault::Misfit { zxid });
        }
        if applied.digest_mismatch {
            // One is often followed by many: the first is named, all are counted.
            if self.traffic.digest_mismatches == 0 {
                tracing::error!(%zxid, "digest of the tree is not the one predicted");
            }
            self.traffic.digest_mismatches += 1;
        }
        Ok(())
    }

    /// The connection of a session that has ended by expiry is closed without a frame.
    fn close_owner(
        &mut self,
        entry: &TxnEntry,
        origin: Option<ConnectionId>,
        watches: &mut Watches,
        clients: &mut impl Clients,
    ) {
        if entry.header.op != i32::from(OpCode::CloseSession) {
            return;
        }
        let session: SessionId = entry.header.client_id;
        if let Role::Leading(leading) = &mut self.role {
            leading.forget(session);
        }
        if let Some(owner) = self.owners.get(&session).copied()
            && Some(owner) != origin
        {
            self.end_connection(owner, watches, clients);
        }
    }

    /// Answers a write, if its connection is still there.
    fn answer_write(
        &mut self,
        origin: ConnectionId,
        entry: &TxnEntry,
        mut applied: Applied,
        watches: &mut Watches,
        now: Now,
        clients: &mut impl Clients,
    ) {
        let Some(connection) = self.connections.get_mut(&origin) else {
            return;
        };
        let is_handshake = |first: &mut Waiting| matches!(first, Waiting::Connect { .. });
        if let Some(Waiting::Connect { short }) = connection.waiting.pop_front_if(is_handshake) {
            return match applied.outcome {
                Ok(_) => self.open(origin, short, clients),
                Err(_) => self.refuse(origin, short, clients),
            };
        }
        let op = match connection.waiting.pop_front() {
            Some(Waiting::Write {
                xid,
                op,
                since_ms,
                wanted,
            }) => {
                let took_ms = now.mono_ms.saturating_sub(since_ms);
                self.traffic.writes += 1;
                self.traffic.write_ms_sum += took_ms;
                self.traffic.write_ms_max = self.traffic.write_ms_max.max(took_ms);
                applied.give_stats(&wanted);
                let (err, body) = match applied.outcome {
                    // The client is on another server now, and nothing is said to who it was.
                    Err(ErrorCode::SESSION_MOVED) => {
                        return self.end_connection(origin, watches, clients);
                    }
                    Err(code) => (code, Response::Empty),
                    Ok(body) => (ErrorCode::OK, body),
                };
                let zxid: Zxid = entry.header.zxid;
                clients.buffer(origin, |out| {
                    reply::encode_frame(ReplyHeader { xid, zxid, err }, &body, out);
                });
                op
            }
            other => unreachable!("a transaction committed for {other:?}"),
        };
        clients.answered(origin);
        if op == OpCode::CloseSession {
            // The last that a connection gets answered, whether it came in time or not.
            self.end_connection(origin, watches, clients);
        }
    }
}

/// Lets clients see the membership in force.
fn show(membership: &Membership, store: &mut Store, now: Now) {
    let version = Zxid(membership.version());
    store.set_config(&membership.to_string(), version, now.wall_ms);
}
