//! Memberships as text: what Apache's servers write is read and written back to the same text, what
//! their files may say otherwise is understood, and what is wrong is named.

use std::collections::BTreeSet;

use lockkeeper_wire::ServerId;
use lockkeeper_zab::{HostPort, MemberAddress, MemberRole, Membership, MembershipError, Quorums};
use proptest::prelude::*;

/// As 3.8.0 put it into its notifications, with the addresses for clients of a dynamic one.
const CONFIG: &str = "server.1=zk1:23011:23012:participant;0.0.0.0:2181\n\
    server.2=zk2:23021:23022:participant;zk2:2182\n\
    server.3=[::1]:23031:23032:observer\n\
    version=100000005";

const HIERARCHY: &str = "server.1=a:1:2:participant\n\
    server.2=b:1:2:participant\n\
    server.3=c:1:2:observer\n\
    group.1=1\n\
    group.2=2:3\n\
    weight.1=1\n\
    weight.2=0\n\
    weight.3=4\n\
    version=0";

fn parse(text: &str) -> Membership {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn error(text: &str) -> MembershipError {
    match text.parse::<Membership>() {
        Ok(membership) => panic!("{text} is read as {membership}"),
        Err(error) => error,
    }
}

fn sids(sids: &[i64]) -> BTreeSet<ServerId> {
    sids.iter().copied().map(ServerId).collect()
}

fn host_port(host: &str, port: u16) -> HostPort {
    HostPort {
        host: host.to_owned(),
        port,
    }
}

fn address(host: &str, quorum_port: u16, election_port: u16) -> MemberAddress {
    MemberAddress {
        host: host.to_owned(),
        quorum_port,
        election_port,
    }
}

#[test]
fn apaches_text_is_read_and_written_back() {
    let membership = parse(CONFIG);
    assert_eq!(membership.to_string(), CONFIG);
    assert_eq!(membership.version(), 0x1_0000_0005);
    assert_eq!(*membership.voters(), sids(&[1, 2]));
    assert!(membership.is_voter(ServerId(2)) && !membership.is_voter(ServerId(3)));
    assert_eq!(membership.role(ServerId(3)), Some(MemberRole::Observer));
    assert_eq!(membership.role(ServerId(4)), None);

    let second = membership.member(ServerId(2)).expect("server 2");
    assert_eq!(second.addresses, [address("zk2", 23021, 23022)]);
    assert_eq!(second.client, Some(host_port("zk2", 2182)));
    let third = membership.member(ServerId(3)).expect("server 3");
    assert_eq!(third.addresses, [address("::1", 23031, 23032)]);
    assert_eq!(third.client, None);

    assert_eq!(parse(HIERARCHY).to_string(), HIERARCHY);
    assert_eq!(Membership::from_bytes(CONFIG.as_bytes()), Ok(membership));
    assert_eq!(parse(CONFIG).to_bytes(), CONFIG);
}

#[test]
fn what_a_line_may_say() {
    for (line, rendered) in [
        ("a:1:2", "a:1:2:participant"),
        ("a:1:2:", "a:1:2:participant"),
        ("a:1:2: Participant ", "a:1:2:participant"),
        ("a:1:2:OBSERVER", "a:1:2:observer"),
        ("a:1:2;2181", "a:1:2:participant;0.0.0.0:2181"),
        ("a:1:2;", "a:1:2:participant"),
        ("a:1:2:observer;[::]:2181", "a:1:2:observer;[::]:2181"),
        ("a:1:2;;2281", "a:1:2:participant;;0.0.0.0:2281"),
        ("a:1:2;2181;b:2281", "a:1:2:participant;0.0.0.0:2181;b:2281"),
        ("[fe80::1%eth0]:1:2", "[fe80::1%eth0]:1:2:participant"),
        ("b:3:4|a:1:2", "a:1:2|b:3:4:participant"),
        ("b:3:4:observer|a:1:2:observer", "a:1:2|b:3:4:observer"),
        ("b:3:4|a:1:2:observer", "a:1:2|b:3:4:observer"),
    ] {
        let membership = parse(&format!("server.9=z:1:2\nserver.1={line}"));
        let expected = format!("server.1={rendered}\nserver.9=z:1:2:participant\nversion=0");
        assert_eq!(membership.to_string(), expected, "{line}");
        assert_eq!(parse(&expected), membership, "{line}");
    }
}

#[test]
fn what_a_properties_file_may_say() {
    let text = "# servers\n server.1 : a:1:2\\\n  :participant\nserver.2\\=b:1:2\nserver.3 c:1:2\n\
        server.1=d:1:2\nversion=0\nversion=Ff";
    assert_eq!(
        text.parse::<Membership>(),
        Err(MembershipError::Number {
            key: "server.2=b".to_owned(),
            text: "2=b".to_owned(),
        })
    );
    let membership = parse(&text.replace("\\=", "="));
    assert_eq!(
        membership.to_string(),
        "server.1=d:1:2:participant\nserver.2=b:1:2:participant\nserver.3=c:1:2:participant\n\
         version=ff"
    );
}

#[test]
fn lines_that_are_refused() {
    let key = || "server.1".to_owned();
    let server_address = |text: &str| MembershipError::ServerAddress {
        key: key(),
        text: text.to_owned(),
    };
    let host = |host: &str| MembershipError::Host {
        key: key(),
        host: host.to_owned(),
    };
    let client = |text: &str| MembershipError::ClientAddress {
        key: key(),
        text: text.to_owned(),
    };
    let role = |text: &str| MembershipError::Role {
        key: key(),
        text: text.to_owned(),
    };
    for (line, error_expected) in [
        ("", server_address("")),
        ("a", server_address("a")),
        ("a:1", server_address("a:1")),
        ("a:1:2:observer:3", server_address("a:1:2:observer:3")),
        ("a:1:x", server_address("a:1:x")),
        ("a:1:65536", server_address("a:1:65536")),
        ("a:-1:2", server_address("a:-1:2")),
        ("[::1:1:2", server_address("[::1:1:2")),
        ("[::1]1:2", server_address("[::1]1:2")),
        ("::1:1:2", server_address("::1:1:2")),
        ("a:1:2|b", server_address("b")),
        ("a:1:2;1;2;3", server_address("a:1:2;1;2;3")),
        (":1:2", host("")),
        ("a\\\\b:1:2", host("a\\b")),
        ("a\\u000aserver.2:1:2", host("a\nserver.2")),
        ("a:1:2;x", client("x")),
        ("a:1:2;b:x", client("b:x")),
        ("a:1:2;b:", client("b:")),
        ("a:1:1", MembershipError::OnePort { key: key() }),
        ("a:1:2:leader", role("leader")),
        (
            "a:1:2:observer|b:1:2:participant",
            MembershipError::SeveralRoles { key: key() },
        ),
    ] {
        assert_eq!(error(&format!("server.1={line}")), error_expected, "{line}");
    }
}

#[test]
fn settings_that_are_refused() {
    let number = |key: &str, text: &str| MembershipError::Number {
        key: key.to_owned(),
        text: text.to_owned(),
    };
    for (text, error_expected) in [
        ("server.x=a:1:2", number("server.x", "x")),
        ("version=0x1", number("version", "0x1")),
        ("version=", number("version", "")),
        ("group.1=1:x", number("group.1", "x")),
        ("group=1", number("group", "")),
        ("weight.1=heavy", number("weight.1", "heavy")),
        (
            "clientPort=2181",
            MembershipError::UnknownKey {
                key: "clientPort".to_owned(),
            },
        ),
        ("server.1=\\u00", MembershipError::Escape { line: 1 }),
        ("", MembershipError::NoParticipant),
        ("server.1=a:1:2:observer", MembershipError::NoParticipant),
        (
            "server.1=a:1:2\nweight.1=1",
            MembershipError::NoGroup { sid: ServerId(1) },
        ),
        (
            "server.1=a:1:2\ngroup.1=1\ngroup.2=1",
            MembershipError::SeveralGroups { sid: ServerId(1) },
        ),
        (
            "server.1=a:1:2\ngroup.1=1\nweight.1=-1",
            MembershipError::NegativeWeight { sid: ServerId(1) },
        ),
        (
            "server.1=a:1:2\ngroup.1=1:2",
            MembershipError::NoWeight { sid: ServerId(2) },
        ),
    ] {
        assert_eq!(error(text), error_expected, "{text}");
    }
}

#[test]
fn weights_default_to_one_for_participants() {
    let membership = parse("server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2\nweight.2=5");
    let Quorums::Hierarchical { weights, .. } = membership.quorums() else {
        panic!("{membership} has groups");
    };
    let expected = [(ServerId(1), 1), (ServerId(2), 5)];
    assert!(
        weights
            .iter()
            .map(|(&sid, &weight)| (sid, weight))
            .eq(expected)
    );
}

#[test]
fn the_lines_of_a_dynamic_file_and_the_version_in_its_name() {
    let lines = "server.10=a:1:2:participant;0.0.0.0:2181\nserver.2=b:1:2:participant";
    let membership = parse(&format!("{lines}\nversion=7"));
    assert_eq!(membership.to_dynamic_file(), lines, "sorted as text");
    for (name, version) in [
        ("zoo.cfg.dynamic.100000005", 0x1_0000_0005),
        ("zoo.cfg.dynamic.next", 0),
        ("dynamic", 0),
    ] {
        assert_eq!(Membership::version_in_name(name), version, "{name}");
    }
}

#[test]
fn settings_of_a_static_file() {
    let settings = [("server.1", "a:1:2"), ("weight.1", "2"), ("group.1", "1")];
    let membership = Membership::from_settings(settings, 7).expect("a membership");
    assert_eq!(
        membership.to_string(),
        "server.1=a:1:2:participant\ngroup.1=1\nweight.1=2\nversion=7"
    );
}

#[test]
fn memberships_agree_by_version_or_by_what_they_say() {
    let agree = |one: &str, two: &str| {
        let (one, two) = (parse(one), parse(two));
        assert_eq!(one.agrees_with(&two), two.agrees_with(&one));
        one.agrees_with(&two)
    };
    let base = "server.1=a:1:2\nserver.2=b:1:2\nversion=1";
    assert!(agree(base, "server.9=z:1:2\nversion=1"), "same version");
    assert!(agree(base, "server.2=b:1:2\nserver.1=a:1:2\nversion=2"));
    for other in [
        "server.1=a:1:2\nversion=2",
        "server.1=a:1:2\nserver.3=b:1:2\nversion=2",
        "server.1=a:1:2\nserver.2=b:1:3\nversion=2",
        "server.1=a:1:2\nserver.2=b:1:2:observer\nversion=2",
        "server.1=a:1:2\nserver.2=b:1:2;2181\nversion=2",
        "server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2\nversion=2",
    ] {
        assert!(!agree(base, other), "{other}");
    }
    let hierarchy = |weight| format!("{base}\ngroup.1=1:2\nweight.1={weight}");
    assert!(agree(
        &hierarchy(3),
        &hierarchy(3).replace("version=1", "version=2")
    ));
    assert!(!agree(
        &hierarchy(3),
        &hierarchy(4).replace("version=1", "version=2")
    ));
}

/// A leader took its own address, resolved, for another than the one in the membership, as written.
#[test]
fn zk_4708_addresses_are_compared_as_they_are_written() {
    let named = parse("server.1=localhost:1:2\nversion=1");
    let same = parse("server.1=localhost:1:2:participant\nversion=2");
    let resolved = parse("server.1=127.0.0.1:1:2\nversion=2");
    assert!(named.agrees_with(&same));
    assert!(!named.agrees_with(&resolved));
}

/// Pieces that lines are made of, so that some of the texts are memberships.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("server.1=a:1:2\n".to_owned()),
        Just("server.2=[::1]:3:4:observer;[::]:5\n".to_owned()),
        Just("group.1=1\n".to_owned()),
        Just("weight.1=3\n".to_owned()),
        Just("server.".to_owned()),
        Just("group.1=".to_owned()),
        Just("weight.".to_owned()),
        Just("version=".to_owned()),
        Just("1=a:1:2".to_owned()),
        Just("2=[::1]:3:4:observer".to_owned()),
        Just("\n".to_owned()),
        "[0-9]{1,3}",
        "[=:;|\\\\\\[\\].,\n ]",
        "\\PC{0,4}",
    ];
    prop_oneof![
        any::<String>(),
        proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is taken for a membership is understood by others as the same.
    #[test]
    fn any_text_is_refused_or_survives_being_told(text in text()) {
        if let Ok(membership) = text.parse::<Membership>() {
            let told = membership.to_string().parse::<Membership>();
            prop_assert_eq!(told.as_ref(), Ok(&membership));
            let read = membership.to_dynamic_file().parse::<Membership>();
            prop_assert_eq!(read, Ok(membership.with_version(0)));
        }
    }
}
