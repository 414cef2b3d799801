//! Members that show each other certificates, and those that have none or another one's.

use std::path::Path;

use lockkeeper_wire::LearnerInfo;

use super::*;
use crate::config::{ClientAuth, QuorumTls};

fn tls(member: &str) -> QuorumTls {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
    QuorumTls {
        dial: true,
        accept_plain: false,
        key_store: folder.join(member),
        trust_store: folder.join("authority.pem"),
        client_auth: ClientAuth::Need,
        verify_hosts: true,
    }
}

fn start(world: &World, sid: i64, tls: Option<&QuorumTls>) -> Member {
    world.start_with(sid, |settings| {
        settings.tls = tls.map(|tls| Arc::new(Tls::load(tls).expect("good files")));
        settings.leader_pause = Duration::from_secs(1);
        settings.greeting_patience = Duration::from_secs(2);
    })
}

/// Whether the second can tell the first its vote, and follow it.
#[track_caller]
fn assert_linked(first: &mut Member, second: &mut Member) {
    second.notify(first.sid, 7);
    assert_eq!(first.notification(), (ServerId(second.sid), 7));
    first.notify(second.sid, 8);
    assert_eq!(second.notification(), (ServerId(first.sid), 8));
    let leader = ServerId(first.sid);
    first.outlet().listen();
    second.outlet().connect(leader);
    let up = second.opened();
    let hello = LearnerPacket::FollowerInfo {
        accepted: Zxid::ZERO,
        info: LearnerInfo::new(ServerId(second.sid), 0),
    };
    // The learner speaks first, and by that tells whether it speaks TLS.
    second.send(up, &hello);
    let down = first.opened();
    let heard = first.find(|event| match event {
        PeerEvent::LearnerPacket { link, packet } if link == down => Some(packet),
        _ => None,
    });
    assert_eq!(heard, hello);
    // More than a socket takes at once.
    for counter in 1..=10 {
        let txn = Bytes::from(vec![counter; 900_000]);
        let zxid = Zxid::new(1, counter.into());
        first.send(down, &LeaderPacket::Proposal { zxid, txn });
    }
    for counter in 1..=10 {
        let heard = second.find(|event| match event {
            PeerEvent::LeaderPacket { packet, .. } => Some(packet),
            _ => None,
        });
        let LeaderPacket::Proposal { zxid, txn } = heard else {
            panic!("{heard:?}");
        };
        assert_eq!((zxid, txn.len()), (Zxid::new(1, counter), 900_000));
    }
    first.outlet().stop_listening();
}

/// Neither port lets the second in.
#[track_caller]
fn assert_kept_out(first: &mut Member, second: &mut Member) {
    second.notify(first.sid, 7);
    second.find(|event| matches!(event, PeerEvent::VoterUnreachable { .. }).then_some(()));
    first.outlet().listen();
    second.outlet().connect(ServerId(first.sid));
    second.find(|event| match event {
        PeerEvent::LeaderUnreachable | PeerEvent::LinkClosed { .. } => Some(()),
        PeerEvent::LeaderPacket { packet, .. } => panic!("{packet:?}"),
        _ => None,
    });
    while let Ok(delivery) = first.inputs.try_recv() {
        for event in delivery.inputs {
            let heard = matches!(
                event,
                PeerEvent::Notification { .. } | PeerEvent::LearnerPacket { .. }
            );
            assert!(!heard, "{event:?}");
        }
    }
}

#[test]
fn members_that_know_each_others_authority_are_linked() {
    let world = World::new([1, 2]);
    let tls = tls("member.pem");
    let mut first = start(&world, 1, Some(&tls));
    let mut second = start(&world, 2, Some(&tls));
    assert_linked(&mut first, &mut second);
}

#[test]
fn a_certificate_of_another_authority_opens_nothing() {
    let world = World::new([1, 2]);
    let mut first = start(&world, 1, Some(&tls("member.pem")));
    let mut stranger = start(&world, 2, Some(&tls("stranger.pem")));
    assert_kept_out(&mut first, &mut stranger);
}

#[test]
fn a_certificate_for_another_host_opens_nothing() {
    let world = World::new([1, 2, 3]);
    let mut first = start(&world, 1, Some(&tls("member.pem")));
    let mut elsewhere = start(&world, 2, Some(&tls("elsewhere.pem")));
    assert_kept_out(&mut first, &mut elsewhere);
    // Nor does the dialler trust it.
    let mut third = start(&world, 3, Some(&tls("member.pem")));
    third.notify(2, 7);
    third.find(|event| matches!(event, PeerEvent::VoterUnreachable { .. }).then_some(()));
}

#[test]
fn hosts_are_not_compared_if_the_operator_says_so() {
    let world = World::new([1, 2]);
    let lenient = |member| QuorumTls {
        verify_hosts: false,
        ..tls(member)
    };
    let mut first = start(&world, 1, Some(&lenient("elsewhere.pem")));
    let mut second = start(&world, 2, Some(&lenient("elsewhere.pem")));
    assert_linked(&mut first, &mut second);
}

#[test]
fn clear_text_is_refused_where_tls_is_spoken() {
    let world = World::new([1, 2]);
    let mut first = start(&world, 1, Some(&tls("member.pem")));
    let mut plain = start(&world, 2, None);
    assert_kept_out(&mut first, &mut plain);
}

#[test]
fn an_ensemble_can_move_to_tls_one_member_at_a_time() {
    let world = World::new([1, 2]);
    let both = |dial| QuorumTls {
        dial,
        accept_plain: true,
        ..tls("member.pem")
    };
    for (first, second) in [
        (Some(both(false)), None),
        (Some(both(false)), Some(both(false))),
        (Some(both(true)), Some(both(false))),
        (Some(tls("member.pem")), Some(both(true))),
    ] {
        let mut first = start(&world, 1, first.as_ref());
        let mut second = start(&world, 2, second.as_ref());
        assert_linked(&mut first, &mut second);
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().expect("a directory");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").expect("a file");
    let good = tls("member.pem");
    let cases = [
        (
            QuorumTls {
                key_store: empty.clone(),
                ..good.clone()
            },
            "ssl.quorum.keyStore.location",
        ),
        (
            QuorumTls {
                key_store: good.trust_store.clone(),
                ..good.clone()
            },
            "no private key",
        ),
        (
            QuorumTls {
                trust_store: empty,
                ..good.clone()
            },
            "ssl.quorum.trustStore.location",
        ),
        (
            QuorumTls {
                trust_store: folder.path().join("none"),
                ..good
            },
            "ssl.quorum.trustStore.location",
        ),
    ];
    for (settings, part) in cases {
        let error = Tls::load(&settings).expect_err(part);
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
}
