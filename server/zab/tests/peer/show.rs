//! What a peer says, in short.

use lockkeeper_wire::{LeaderPacket, LearnerPacket};
use lockkeeper_zab::{Effect, Serving};

/// An effect in short; a number behind an arrow is a link.
pub(super) fn show(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Notify { .. } => return None,
        Effect::Listen => "listen".into(),
        Effect::StopListening => "stop listening".into(),
        Effect::Connect { leader } => format!("connect {leader}"),
        Effect::SendToLearner { link, packet } => format!("->{} {}", link.0, leader_packet(packet)),
        Effect::SendImage { link } => format!("->{} image", link.0),
        Effect::SendToLeader { packet, .. } => format!("=> {}", learner_packet(packet)),
        Effect::Close { link } => format!("close {}", link.0),
        Effect::Append { txn, .. } => format!("append {}", txn.zxid),
        Effect::Truncate { zxid, .. } => format!("cut {zxid}"),
        Effect::InstallImage { zxid, .. } => format!("install {zxid}"),
        Effect::WriteAcceptedEpoch { epoch, .. } => format!("accepted {epoch}"),
        Effect::WriteCurrentEpoch { epoch, .. } => format!("current {epoch}"),
        Effect::ReadLog { link, after, upto } => format!("read for {}: {after} to {upto}", link.0),
        Effect::Deliver { txn } => format!("deliver {}", txn.zxid),
        Effect::Replay { txn } => format!("replay {}", txn.zxid),
        Effect::Serve { role } => match role {
            Serving::Leading { epoch } => format!("serve as leader of {epoch}"),
            Serving::Following { leader } => format!("serve under {leader}"),
            Serving::Observing { leader } => format!("observe {leader}"),
        },
        Effect::Retire => "retire".into(),
        Effect::Forwarded { link, request, .. } => {
            format!("forwarded by {}: {}", link.0, request.op)
        }
        Effect::Pinged => "pinged".into(),
        Effect::Touched { touches } => format!("touched {}", touches.len()),
        Effect::Revalidate { link, session, .. } => format!("revalidate {session} for {}", link.0),
        Effect::Revalidated { session, valid } => format!("revalidated {session} {valid}"),
        Effect::Synced { ticket } => format!("synced {ticket}"),
        Effect::MembershipSeen { membership } => format!("seen {:#x}", membership.version()),
        Effect::MembershipChanged { membership } => {
            format!("membership {:#x}", membership.version())
        }
    })
}

fn leader_packet(packet: &LeaderPacket) -> String {
    match packet {
        LeaderPacket::LeaderInfo { zxid, .. } => format!("LEADERINFO {zxid}"),
        LeaderPacket::Diff { zxid } => format!("DIFF {zxid}"),
        LeaderPacket::Trunc { zxid } => format!("TRUNC {zxid}"),
        LeaderPacket::Snap { zxid } => format!("SNAP {zxid}"),
        LeaderPacket::NewLeader { zxid, .. } => format!("NEWLEADER {zxid}"),
        LeaderPacket::UpToDate => "UPTODATE".into(),
        LeaderPacket::Proposal { zxid, .. } => format!("PROPOSAL {zxid}"),
        LeaderPacket::Commit { zxid } => format!("COMMIT {zxid}"),
        LeaderPacket::CommitAndActivate { zxid, leader } => {
            format!("COMMITANDACTIVATE {zxid} {leader}")
        }
        LeaderPacket::Inform { zxid, .. } => format!("INFORM {zxid}"),
        LeaderPacket::InformAndActivate { zxid, leader, .. } => {
            format!("INFORMANDACTIVATE {zxid} {leader}")
        }
        LeaderPacket::Ping { zxid } => format!("PING {zxid}"),
        LeaderPacket::Revalidated { session, valid } => format!("REVALIDATE {session} {valid}"),
        LeaderPacket::Sync => "SYNC".into(),
        LeaderPacket::Unknown(kind) => format!("unknown {kind}"),
    }
}

fn learner_packet(packet: &LearnerPacket) -> String {
    match packet {
        LearnerPacket::FollowerInfo { accepted, .. } => format!("FOLLOWERINFO {accepted}"),
        LearnerPacket::ObserverInfo { accepted, .. } => format!("OBSERVERINFO {accepted}"),
        LearnerPacket::AckEpoch {
            last,
            current_epoch,
        } => format!("ACKEPOCH {last} {current_epoch}"),
        LearnerPacket::Ack { zxid } => format!("ACK {zxid}"),
        LearnerPacket::Request(request) => format!("REQUEST {}", request.op),
        LearnerPacket::Ping { zxid, touches } => format!("PING {zxid} {}", touches.len()),
        LearnerPacket::Revalidate { session, .. } => format!("REVALIDATE {session}"),
        LearnerPacket::Unknown(kind) => format!("unknown {kind}"),
    }
}
