//! Clients of the members, as far as a scenario needs them.

use lockkeeper_replica::{LinkId, PeerInput};
use lockkeeper_store::ConnectionId;
use lockkeeper_wire::{ConnectRequest, LearnerPacket, Request, ServerId, SessionId, Xid, Zxid};

use super::{Ensemble, PATIENCE_MS};
use crate::common::{hello, now};

impl Ensemble {
    /// A connection that asks for a session; the answer is not waited for.
    pub fn handshake(&mut self, sid: i64, request: &ConnectRequest) -> ConnectionId {
        self.next_connection += 1;
        let connection = ConnectionId(self.next_connection);
        let now = now(self.now_ms);
        let member = self.member(sid);
        member.clients.heard_ms.insert(connection, now.mono_ms);
        member
            .replica
            .connect(&member.store, connection, request, now, &mut member.clients);
        self.carry_out(ServerId(sid));
        connection
    }

    /// A connection with a session of its own.
    pub fn connected(&mut self, sid: i64) -> ConnectionId {
        self.resumed(sid, SessionId::NONE)
    }

    /// A connection that has resumed a session.
    pub fn resumed(&mut self, sid: i64, session: SessionId) -> ConnectionId {
        let connection = self.handshake(sid, &hello(session, Zxid::ZERO));
        self.until("a session", |ensemble| {
            ensemble.member(sid).clients.is_open(connection)
        });
        assert!(self.member(sid).clients.granted(connection).timeout_ms > 0);
        connection
    }

    /// Hands a request to a member; nothing has been delivered to others when this returns.
    pub fn submit(&mut self, sid: i64, connection: ConnectionId, xid: i32, request: Request) {
        let now = now(self.now_ms);
        let member = self.member(sid);
        let (xid, identities) = (Xid(xid), [].into());
        member
            .replica
            .submit(&member.store, connection, xid, request, identities, now);
        member.replica.drain(
            connection,
            &member.store,
            &mut member.watches,
            &mut member.clients,
        );
        self.carry_out(ServerId(sid));
    }

    /// A learner's packet that no replica of ours would send.
    pub fn forge(&mut self, learner: i64, packet: LearnerPacket) {
        let of = |(_, (from, _)): &(&LinkId, &(ServerId, ServerId))| from.0 == learner;
        let link = self.links.iter().find(of);
        let (&link, &(from, leader)) = link.expect("a learner");
        self.send(from, leader, PeerInput::LearnerPacket(link, packet));
    }

    pub fn disconnect(&mut self, sid: i64, connection: ConnectionId) {
        let member = self.member(sid);
        member
            .replica
            .disconnect(connection, &mut member.watches, &member.clients);
    }

    /// The next `count` replies of a connection.
    pub fn replies(&mut self, sid: i64, connection: ConnectionId, count: usize) -> Vec<(i32, i32)> {
        let mut replies = Vec::new();
        let give_up_ms = self.now_ms + PATIENCE_MS;
        while replies.len() < count {
            replies.extend(self.member(sid).clients.replies(connection));
            if replies.len() < count && !self.step() {
                assert!(self.now_ms < give_up_ms, "waited in vain for replies");
                self.pass_time();
            }
        }
        replies
    }
}
