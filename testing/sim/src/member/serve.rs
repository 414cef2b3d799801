//! A connection's bytes: what `server/src/connection.rs` decides for each frame.

use lockkeeper_replica::{Answering, answer, is_read, needs_watches};
use lockkeeper_store::{ConnectionId, authenticate};
use lockkeeper_wire::request::AuthPacket;
use lockkeeper_wire::{
    ConnectRequest, ErrorCode, Reader, Record, ReplyHeader, Request, RequestHeader, Response, Xid,
    Zxid, reply,
};

use super::clients::Phase;
use super::{Input, Member, Node};
use crate::core::Core;
use crate::net::{Packet, Towards};
use crate::truth::Truth;

/// What the peer sent has no meaning: the connection ends.
struct Malformed;

impl Member {
    /// A client's first packet.
    pub(crate) fn accept(&mut self, wire: u64, core: &mut Core) {
        let now_ms = self.now(core).mono_ms;
        match &mut self.node {
            Some(node) => {
                node.clients.accept(wire, now_ms);
                core.send(wire, Towards::Client, Packet::Accepted);
            }
            None => core.send(wire, Towards::Client, Packet::Reset),
        }
    }

    /// A packet of a client.
    pub(crate) fn receive(
        &mut self,
        wire: u64,
        packet: Packet,
        core: &mut Core,
        truth: &mut Truth,
    ) {
        let now_ms = self.now(core).mono_ms;
        let found = self.node.as_mut().and_then(|node| {
            let id = node.clients.of_wire(wire)?;
            Some((node, id))
        });
        let Some((node, id)) = found else {
            // A machine that knows nothing of the link says so.
            if packet != Packet::Reset {
                core.send(wire, Towards::Client, Packet::Reset);
            }
            return;
        };
        match packet {
            Packet::Bytes(bytes) => {
                let connection = node.clients.connections.get_mut(&id).expect("found above");
                connection.heard_ms = now_ms;
                // Late bytes of a link that was replaced are nobody's word.
                if node.clients.owners.get(&connection.session) == Some(&id) {
                    truth.heard(connection.session, now_ms);
                }
                connection.deframer.buffer_mut().extend_from_slice(&bytes);
                node.serve(id);
            }
            _ => {
                let connection = node.clients.connections.get_mut(&id);
                connection.expect("found above").is_gone = true;
                node.inbox.push(Input::Ended(id));
                core.send(wire, Towards::Client, Packet::End);
            }
        }
        self.go_on(core, truth);
    }

    /// Sends what there is, and lets those go on who found no room before.
    pub(super) fn go_on(&mut self, core: &mut Core, truth: &mut Truth) {
        loop {
            self.flush(core, truth);
            let node = self.node.as_mut().expect("it runs");
            let freed = std::mem::take(&mut node.clients.freed);
            if freed.is_empty() {
                break;
            }
            for id in freed {
                node.serve(id);
            }
        }
        self.plan_turn(core);
    }
}

impl Node {
    /// Serves the whole frames that have come, as long as there is room.
    pub(super) fn serve(&mut self, id: ConnectionId) {
        if self.serve_frames(id).is_err() {
            lockkeeper_replica::Clients::close(&mut self.clients, id);
        }
        self.clients.mark(id);
    }

    fn serve_frames(&mut self, id: ConnectionId) -> Result<(), Malformed> {
        let limits = self.clients.limits;
        while let Some(connection) = self.clients.connections.get(&id) {
            let phase = connection.phase;
            if connection.is_gone || phase == Phase::Ending || !self.clients.has_room(connection) {
                break;
            }
            let len_max = match phase {
                Phase::Handshake => limits.handshake_len_max,
                _ => limits.frame_len_max,
            };
            let connection = self.clients.connections.get_mut(&id).expect("found above");
            let frame = connection
                .deframer
                .next_frame(len_max)
                .map_err(|_| Malformed)?;
            let Some(frame) = frame else {
                break;
            };
            if phase == Phase::Handshake {
                let request = ConnectRequest::from_bytes(&frame).map_err(|_| Malformed)?;
                connection.phase = Phase::Requests;
                self.hand_over(id, Input::Connect(id, request));
            } else {
                self.serve_request(id, &frame)?;
            }
        }
        Ok(())
    }

    fn hand_over(&mut self, id: ConnectionId, input: Input) {
        if let Some(connection) = self.clients.connections.get_mut(&id) {
            connection.outstanding += 1;
            self.clients.outstanding += 1;
            self.inbox.push(input);
        }
    }

    fn serve_request(&mut self, id: ConnectionId, frame: &bytes::Bytes) -> Result<(), Malformed> {
        let mut reader = Reader::new(frame);
        let RequestHeader { xid, op } =
            RequestHeader::decode(&mut reader).map_err(|_| Malformed)?;
        let request = Request::decode(op, &mut reader).map_err(|_| Malformed)?;
        if let Request::Auth(packet) = &request {
            self.serve_auth(id, xid, packet);
            return Ok(());
        }
        let connection = self.clients.connections.get_mut(&id).expect("it sent this");
        if is_read(&request) && connection.outstanding == 0 {
            let who = Answering {
                connection: id,
                session: connection.session,
                identities: &connection.identities.clone(),
                skip_acl: false,
                watches_max: self.clients.limits.watches_per_connection_max,
            };
            let watches = needs_watches(&request).then_some(&mut self.watches);
            answer(
                &self.store,
                watches,
                who,
                xid,
                &request,
                &mut connection.out,
            );
        } else {
            let identities = connection.identities.clone();
            if matches!(request, Request::CloseSession) {
                connection.phase = Phase::Ending;
            }
            let connection = id;
            let input = Input::Request {
                connection,
                xid,
                request,
                identities,
            };
            self.hand_over(id, input);
        }
        Ok(())
    }

    fn serve_auth(&mut self, id: ConnectionId, xid: Xid, packet: &AuthPacket) {
        let connection = self.clients.connections.get_mut(&id).expect("it sent this");
        let (scheme, credential) = (packet.scheme.as_deref(), packet.auth.as_deref());
        let (code, close) = match authenticate(&connection.identities, scheme, credential, None) {
            Ok(identities) => {
                connection.identities = identities;
                (ErrorCode::OK, false)
            }
            Err(code) => (code, true),
        };
        let zxid = Zxid::ZERO;
        if close {
            connection.phase = Phase::Ending;
        }
        if connection.outstanding == 0 {
            let err = code;
            let header = ReplyHeader { xid, zxid, err };
            reply::encode_frame(header, &Response::Empty, &mut connection.out);
        } else {
            let (connection, zxid) = (id, Some(zxid));
            let input = Input::Header {
                connection,
                xid,
                zxid,
                code,
                close,
            };
            self.hand_over(id, input);
        }
    }
}
