//! Changes of the membership, for scenarios of them.

use lockkeeper_wire::txn::{SetDataTxn, TxnHeader};
use lockkeeper_wire::{
    LeaderPacket, OpCode, Record, ServerId, SessionId, Txn as Body, TxnEntry, Zxid,
};
use lockkeeper_zab::{Membership, Settings, Txn};

use super::{Bench, ONE, log_of, settings};

pub fn enabled(sid: ServerId) -> Settings {
    Settings {
        reconfig_enabled: true,
        ..settings(sid)
    }
}

/// A membership of these voters, with the addresses that they have at the start.
pub fn voters(sids: &[i64], version: Zxid) -> Membership {
    let host = |sid: &i64| ["a", "b", "c", "d", "e"][*sid as usize - 1];
    let lines = sids
        .iter()
        .map(|sid| format!("server.{sid}={}:1:2:participant\n", host(sid)));
    let text = format!("{}version={:x}", lines.collect::<String>(), version.0);
    text.parse().expect("a membership")
}

/// The transaction that brings it.
pub fn reconfig(membership: &Membership) -> Txn {
    let zxid = Zxid(membership.version());
    let entry = TxnEntry {
        header: TxnHeader {
            client_id: SessionId(1),
            cxid: 1,
            zxid,
            time_ms: 1,
            op: i32::from(OpCode::Reconfig),
        },
        txn: Body::Reconfig(SetDataTxn {
            path: "/zookeeper/config".into(),
            data: Some(membership.to_bytes()),
            version: -1,
        }),
        digest: None,
    };
    let bytes = entry.to_bytes();
    Txn { zxid, bytes }
}

/// 1 follows 3 in epoch 5.
pub fn following() -> Bench {
    let mut bench = Bench::with(enabled(ONE), log_of(2));
    bench.find_leader();
    bench.follow(5);
    bench
}

pub fn propose_to(bench: &mut Bench, membership: &Membership) {
    let Txn { zxid, bytes: txn } = reconfig(membership);
    bench.leader_says(LeaderPacket::Proposal { zxid, txn });
}
