//! What the outside must do for a [`Peer`](crate::Peer), in the order in which it is said.

use lockkeeper_wire::{
    ForwardedRequest, LeaderPacket, LearnerPacket, Notification, ServerId, SessionId, Touch, Zxid,
};

use crate::history::Txn;
use crate::membership::Membership;

/// One connection of the quorum port, whoever dialled it. Given by the shell and never reused, so
/// what comes late from a connection that is gone cannot be taken for news of its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// One storage effect; grows by one with each. A zxid cannot name a write: a transaction may be
/// logged, cut off and logged again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IoId(pub u64);

/// In which role clients are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// As the leader of this epoch.
    Leading {
        /// The epoch, from 0 for a server that stands alone.
        epoch: i64,
    },
    /// With a vote, under this leader.
    Following {
        /// The leader.
        leader: ServerId,
    },
    /// Without a vote, under this leader.
    Observing {
        /// The leader.
        leader: ServerId,
    },
}

/// Something to do. Effects are carried out in order; those of storage are one total order of their
/// own, and what must not be said before a write is durable stays in the peer until
/// [`Peer::handle_durable`](crate::Peer::handle_durable) has reported that write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell a server one's vote over the election port. The newest replaces one not yet sent.
    Notify {
        /// Whom.
        to: ServerId,
        /// What.
        notification: Notification,
    },

    /// Open the quorum port. It is open only while leading.
    Listen,
    /// Close the quorum port.
    StopListening,
    /// Dial the leader's quorum port, again and again as Apache does (5 times, with a pause), and
    /// report the outcome once. A dial that is still under way is given up for it.
    Connect {
        /// The leader.
        leader: ServerId,
    },
    /// Send to a learner.
    SendToLearner {
        /// The connection.
        link: LinkId,
        /// What.
        packet: LeaderPacket,
    },
    /// Send the store as it is after the [`Deliver`](Self::Deliver)s and
    /// [`Replay`](Self::Replay)s said so far, then `BenWasHere`. The packet
    /// [`Snap`](LeaderPacket::Snap) has been said before it on this link.
    SendImage {
        /// The connection.
        link: LinkId,
    },
    /// Send to the leader.
    SendToLeader {
        /// The connection.
        link: LinkId,
        /// What.
        packet: LearnerPacket,
    },
    /// Close a connection once everything said on it before is sent, or cannot be. Nothing that
    /// comes from it is of interest any more.
    Close {
        /// The connection.
        link: LinkId,
    },

    /// Append to the log.
    Append {
        /// The write.
        io: IoId,
        /// The transaction; follows the last one in the log.
        txn: Txn,
    },
    /// Cut the log behind this zxid, which stays. A store that holds more is rebuilt from what
    /// remains before the write is reported; one that holds less is left as it is.
    Truncate {
        /// The write.
        io: IoId,
        /// The last one kept.
        zxid: Zxid,
    },
    /// The image read from this link becomes snapshot, store and the start of the log, as one step
    /// that a crash cannot divide.
    InstallImage {
        /// The write.
        io: IoId,
        /// Where the image came from.
        link: LinkId,
        /// The last transaction that it holds.
        zxid: Zxid,
    },
    /// Write the accepted epoch: no leader of an older one is followed from here on.
    WriteAcceptedEpoch {
        /// The write.
        io: IoId,
        /// The epoch.
        epoch: i64,
    },
    /// Write the current epoch: the log holds all that this epoch began with.
    WriteCurrentEpoch {
        /// The write.
        io: IoId,
        /// The epoch.
        epoch: i64,
    },
    /// Read transactions older than those in memory, to be answered by
    /// [`Peer::handle_log_read`](crate::Peer::handle_log_read). Not ordered with writes.
    ReadLog {
        /// For the learner on this link.
        link: LinkId,
        /// All that follow this zxid in the log...
        after: Zxid,
        /// ...up to this one and with it.
        upto: Zxid,
    },

    /// A transaction is committed and durable here. They come in order of their zxids, each once,
    /// and this is the only way into the store while it serves.
    Deliver {
        /// The transaction.
        txn: Txn,
    },
    /// As [`Deliver`](Self::Deliver), for the rest of the own log that is not known to be committed.
    /// As after a start, nobody is served from a store that holds such a rest, and a
    /// [`Truncate`](Self::Truncate) takes it back. A leader that was never established says it
    /// before an image, which must hold all that the learner may have had before.
    Replay {
        /// The transaction.
        txn: Txn,
    },
    /// Clients may be served from here on.
    Serve {
        /// As what.
        role: Serving,
    },
    /// The role ended: close clients, drop what they wait for. Another [`Serve`](Self::Serve) comes
    /// when there is a leader again, and none after [`Peer::step_down`](crate::Peer::step_down).
    Retire,
    /// A learner's client asks for a write.
    Forwarded {
        /// The learner's connection.
        link: LinkId,
        /// The learner.
        from: ServerId,
        /// The request.
        request: ForwardedRequest,
    },
    /// The leader wants to know which sessions were heard of; [`Peer::pong`](crate::Peer::pong)
    /// answers.
    Pinged,
    /// A learner has heard of these sessions.
    Touched {
        /// The sessions.
        touches: Vec<Touch>,
    },
    /// A learner asks whether a session is alive, to take it over;
    /// [`Peer::revalidated`](crate::Peer::revalidated) answers.
    Revalidate {
        /// The learner's connection.
        link: LinkId,
        /// The session.
        session: SessionId,
        /// Its timeout.
        timeout_ms: i32,
    },
    /// The leader's answer to [`Peer::revalidate`](crate::Peer::revalidate).
    Revalidated {
        /// The session.
        session: SessionId,
        /// Whether it is alive and served here from now on.
        valid: bool,
    },
    /// Everything that was committed when [`Peer::sync`](crate::Peer::sync) was called has been
    /// delivered. Answers come in the order of the calls.
    Synced {
        /// The call's number.
        ticket: u64,
    },
    /// This membership was proposed last, or, if it is the one in force, none is proposed any more.
    /// It has to be durable before the storage effects that follow: a member that starts again with
    /// the proposal in its log must be told of it.
    MembershipSeen {
        /// The new one.
        membership: Membership,
    },
    /// A membership is in force.
    MembershipChanged {
        /// The new one.
        membership: Membership,
    },
}
