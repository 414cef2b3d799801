//! Files of ensembles in, members, warnings and messages out.

use super::super::super::ensemble::{ClientAuth, Election, Ensemble, LocalSessions, QuorumTls};
use super::super::super::keys::{self, Rule};
use super::super::super::{Config, Warning};
use super::*;

const DYNAMIC: &str = "conf/zoo.cfg.dynamic.10000000a";

/// Three servers, without what makes them three.
const STATIC: &str = "dataDir=/data\nautopurge.purgeInterval=1\ninitLimit=10\nsyncLimit=5\n";

const SERVERS: &str = "server.1=zk1:2888:3888;127.0.0.1:2181\nserver.2=zk2:2888:3888;2182\n\
                       server.3=zk3:2888:3888:participant;2183\n";

fn load_as(text: &str, my_id: Option<&str>, dynamic: &str) -> Result<Config, ConfigError> {
    super::super::load("zoo.cfg".as_ref(), &|path| match path.to_str() {
        Some("zoo.cfg") => Ok(text.as_bytes().to_vec()),
        Some(DYNAMIC) => Ok(dynamic.as_bytes().to_vec()),
        Some("/data/myid") => {
            let id = my_id.map(|id| id.as_bytes().to_vec());
            id.ok_or(io::ErrorKind::NotFound.into())
        }
        _ => Err(io::ErrorKind::PermissionDenied.into()),
    })
}

fn load(lines: &str) -> Result<Config, ConfigError> {
    load_as(&format!("{STATIC}{lines}"), Some("1\n"), "")
}

#[track_caller]
fn good(lines: &str) -> (Ensemble, Vec<Warning>) {
    let config = load(lines).unwrap_or_else(|error| panic!("{lines}: {error}"));
    let ensemble = config.ensemble.expect("an ensemble");
    (ensemble, config.warnings)
}

#[track_caller]
fn refused(lines: &str) -> String {
    let error = load(lines).expect_err(lines);
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

fn membership(text: &str) -> Membership {
    text.parse().expect("a membership")
}

#[test]
fn several_servers_are_an_ensemble() {
    let text = format!("{STATIC}{SERVERS}");
    for (my_id, sid, port) in [("1", 1, 2181), (" 2 \nnot read\n", 2, 2182), ("3", 3, 2183)] {
        let config = load_as(&text, Some(my_id), "").expect("an ensemble");
        let expected = Ensemble::new(ServerId(sid), membership(SERVERS));
        assert_eq!(config.ensemble, Some(expected));
        assert_eq!(config.listen[0].port, port);
        assert_eq!(config.listen[0].is_loopback(), sid == 1);
    }
}

#[test]
fn servers_may_stand_in_a_file_of_their_own() {
    let text = format!("{STATIC}dynamicConfigFile={DYNAMIC}");
    let config = load_as(&text, Some("2"), SERVERS).expect("an ensemble");
    let ensemble = config.ensemble.expect("an ensemble");
    assert_eq!(ensemble.membership.version(), 0x1_0000_000a);
    assert_eq!(
        ensemble.membership,
        membership(SERVERS).with_version(0x1_0000_000a)
    );
}

#[test]
fn a_server_that_may_grow_into_an_ensemble_is_one() {
    let (ensemble, warnings) =
        good("standaloneEnabled=false\nserver.1=zk1:2888:3888;127.0.0.1:2181");
    assert_eq!(ensemble.membership.voters().len(), 1);
    let doubts: Vec<_> = warnings.iter().map(Warning::to_string).collect();
    assert_eq!(
        doubts,
        [
            "zoo.cfg:6: server.1=zk1:2888:3888;127.0.0.1:2181: the ensemble serves only while all \
          participants are up; three bear the loss of one"
        ]
    );
}

#[test]
fn observers_and_groups_are_read() {
    let lines = format!("{SERVERS}server.4=zk4:2888:3888:observer\n");
    let (ensemble, _) = good(&lines);
    assert_eq!(
        ensemble.membership.role(ServerId(4)),
        Some(MemberRole::Observer)
    );
    let lines = format!("{SERVERS}group.1=1:2\ngroup.2=3\nweight.3=0\n");
    let (ensemble, _) = good(&lines);
    assert_eq!(ensemble.membership, membership(&lines));
}

#[test]
fn every_setting_of_a_member_has_its_effect() {
    type Effect = fn(&mut Ensemble);
    let cases: &[(&str, Effect)] = &[
        ("initLimit=7", |e| e.init_limit = 7),
        ("syncLimit=7", |e| e.sync_limit = 7),
        ("connectToLearnerMasterLimit=7", |e| {
            e.connect_limit = Some(7)
        }),
        ("connectToLearnerMasterLimit=0", |_| ()),
        ("zookeeper.leaderConnectDelayDuringRetryMs=7", |e| {
            e.connect_pause_ms = 7
        }),
        ("quorumListenOnAllIPs=true", |e| e.listen_everywhere = true),
        ("cnxTimeout=7", |e| e.election.connect_timeout_ms = 7),
        ("quorumCnxnTimeoutMs=7", |e| {
            e.election.greeting_timeout_ms = Some(7)
        }),
        ("quorumCnxnTimeoutMs=-1", |_| ()),
        ("electionPortBindRetry=7", |e| {
            e.election.bind_attempts_max = Some(7)
        }),
        ("electionPortBindRetry=0", |_| ()),
        ("fastleader.minNotificationInterval=7", |e| {
            e.election.wait_min_ms = 7
        }),
        ("fastleader.maxNotificationInterval=700", |e| {
            e.election.wait_max_ms = 700
        }),
        ("leaderServes=no", |e| e.leader_serves = false),
        ("db.autocreate=false", |e| e.empty_is_new = false),
        ("localSessionsEnabled=true", |e| {
            e.local_sessions = LocalSessions::Only
        }),
        (
            "localSessionsEnabled=true\nlocalSessionsUpgradingEnabled=true",
            |e| e.local_sessions = LocalSessions::Upgraded,
        ),
        ("readonlymode.enabled=true", |e| e.read_only = true),
        ("commitLogCount=700", |e| e.recent_max = 700),
        ("commitLogCount=7", |_| ()),
        ("snapshotSizeFactor=0.5", |e| e.log_sync_factor = Some(0.5)),
        ("snapshotSizeFactor=-1", |e| e.log_sync_factor = None),
        ("snapshotSizeFactor=7", |_| ()),
        ("peerType=observer", |_| ()),
    ];
    for (line, effect) in cases {
        let mut expected = Ensemble::new(ServerId(1), membership(SERVERS));
        effect(&mut expected);
        assert_eq!(good(&format!("{SERVERS}{line}")).0, expected, "{line}");
    }
    let several = "server.1=zk1:2888:3888|zk1b:2888:3888;127.0.0.1:2181\nserver.2=zk2:2888:3888";
    let (ensemble, _) = good(&format!("{several}\nmultiAddress.enabled=true"));
    assert_eq!(ensemble.membership, membership(several));
    assert_eq!(ensemble.election, Election::default());
}

#[test]
fn an_ensemble_without_a_word_is_one_without_a_doubt() {
    assert_eq!(good(SERVERS).1, []);
    let moot = "peerType=participant\nobserverMasterPort=0\nsslQuorum=false\nportUnification=false\n\
                quorum.auth.enableSasl=false\nlocalSessionsEnabled=false\nsyncEnabled=true\n\
                tcpKeepAlive=true\noraclePath=\nreconfigEnabled=false";
    assert_eq!(good(&format!("{SERVERS}{moot}")).1, []);
}

#[test]
fn warnings_name_the_line_and_the_consequence() {
    let cases = [
        (
            "server.4=zk4:2888:3888",
            "zoo.cfg:8: server.4=zk4:2888:3888: 4 participants bear no more losses than 3 do",
        ),
        (
            "peerType=observer",
            "zoo.cfg:8: peerType=observer: does not count: the line server.1 makes this server a \
             participant",
        ),
        (
            "commitLogCount=7",
            "zoo.cfg:8: commitLogCount=7: is read as 500",
        ),
        (
            "snapshotSizeFactor=7",
            "zoo.cfg:8: snapshotSizeFactor=7: is above 1 and read as 0.33",
        ),
        (
            "observerMasterPort=2191",
            "zoo.cfg:8: observerMasterPort=2191: has no effect: observers here follow the leader, and \
             no follower takes observers of others",
        ),
        (
            "localSessionsUpgradingEnabled=true",
            "zoo.cfg:8: localSessionsUpgradingEnabled=true: has no effect without \
             localSessionsEnabled=true",
        ),
    ];
    for (line, text) in cases {
        let (_, warnings) = good(&format!("{SERVERS}{line}"));
        let texts: Vec<_> = warnings.iter().map(Warning::to_string).collect();
        assert_eq!(texts, [text]);
    }
}

#[test]
fn what_cannot_be_followed_is_refused_with_a_remedy() {
    let cases = [
        (
            "server.1=zk1:2888:3888\nserver.1=zk2:2888:3888",
            "zoo.cfg:6: server.1=zk2:2888:3888: zoo.cfg:5: server.1=zk1:2888:3888 is the same server; \
             give each one line and a number of its own",
        ),
        (
            "server.1=zk1:2888:3888\nserver.01=zk2:2888:3888",
            "zoo.cfg:5: server.1=zk1:2888:3888: server 1 has another line, zoo.cfg:6: \
             server.01=zk2:2888:3888; give each server one line and a number of its own",
        ),
        (
            "server.1=zk1:2888:3888\nserver.2=ZK1:2889:3888",
            "zoo.cfg:6: server.2=ZK1:2889:3888: zk1:3888 is taken by zoo.cfg:5: \
             server.1=zk1:2888:3888; give each server ports or a host of its own",
        ),
        (
            "server.1=zk1:2888:3888\nserver.2=zk1:3888:3889",
            "zoo.cfg:6: server.2=zk1:3888:3889: zk1:3888 is taken by zoo.cfg:5: \
             server.1=zk1:2888:3888; give each server ports or a host of its own",
        ),
        (
            "server.1=zk1:2888:3888|zk1b:2888:3888\nserver.2=zk2:2888:3888",
            "zoo.cfg:5: server.1=zk1:2888:3888|zk1b:2888:3888: several addresses need \
             multiAddress.enabled=true, on every server",
        ),
        (
            "server.1=zk1:2888:3888\nserver.2=zk2:2888",
            "zoo.cfg:6: server.2=zk2:2888: must be host:quorumPort:electionPort, then :participant or \
             :observer if it is said, then ; and the port for clients",
        ),
        (
            "server.1=zk1:2888:3888\nserver.2=zk2:2888:2888",
            "zoo.cfg:6: server.2=zk2:2888:2888: the quorum port and the election port must differ",
        ),
        (
            "server.1=zk1:2888:3888\nserver.2=zk2:2888:3888:leader",
            "zoo.cfg:6: server.2=zk2:2888:3888:leader: \"leader\" is neither participant nor observer",
        ),
        (
            "server.1=zk1:2888:3888\nserver.2=zk2:2888:3888:observer",
            "zoo.cfg:6: server.2=zk2:2888:3888:observer: the only participant would serve alone, with \
             nothing to observe; write standaloneEnabled=false",
        ),
        (
            "server.1=zk1:2888:3888:observer\nserver.2=zk2:2888:3888:observer",
            "zoo.cfg:5: server.1=zk1:2888:3888:observer: an observer needs participants to observe",
        ),
        (
            "server.1=zk1:2888:3888\nserver.2=zk2:2888:3888\ngroup.1=1",
            "zoo.cfg:6: server.2=zk2:2888:3888: there are groups or weights, and server 2 is in no \
             group; add it to one",
        ),
        (
            "server.1=zk1:2888:3888\nserver.2=zk2:2888:3888\ngroup.1=1:2\ngroup.2=2",
            "zoo.cfg:7: group.1=1:2: server 2 is in several groups; leave it in one",
        ),
        (
            "server.1=zk1:2888:3888\nserver.2=zk2:2888:3888\ngroup.1=1:2\nweight.2=x",
            "zoo.cfg:8: weight.2=x: \"x\" is not a number that fits",
        ),
        (
            "server.1=zk1:2888:3888\nserver.2=zk2:2888:3888\nclientPort=2181\nquorum.auth.enableSasl=true",
            "zoo.cfg:8: quorum.auth.enableSasl=true: members cannot authenticate with SASL yet, and \
             anyone could join; remove the line from every server, or keep Apache's server",
        ),
        (
            "server.1=zk1:2888:3888\nserver.2=zk2:2888:3888",
            "zoo.cfg: clientPort is not set: no client could connect; write clientPort=2181",
        ),
        (
            "server.1=zk1:2888:3888;2181\nserver.2=zk2:2888:3888\n\
             fastleader.minNotificationInterval=100000",
            "zoo.cfg:7: fastleader.minNotificationInterval=100000: the first wait, 100000 ms, is above \
             the longest, 60000 ms; they are 200 and 60000 unless set",
        ),
    ];
    for (lines, message) in cases {
        assert_eq!(refused(lines), message);
    }
}

const PEMS: &str = "ssl.quorum.keyStore.location=/tls/member.pem\n\
                    ssl.quorum.trustStore.location=/tls/authority.pem\n";

#[test]
fn tls_between_members_is_read() {
    let tls = QuorumTls {
        dial: true,
        accept_plain: false,
        key_store: "/tls/member.pem".into(),
        trust_store: "/tls/authority.pem".into(),
        client_auth: ClientAuth::Need,
        verify_hosts: true,
    };
    let lines = format!("{SERVERS}{PEMS}sslQuorum=true\n");
    let (ensemble, warnings) = good(&lines);
    assert_eq!((ensemble.tls, warnings), (Some(tls.clone()), Vec::new()));
    let (ensemble, _) = good(&format!("{SERVERS}{PEMS}"));
    assert_eq!(ensemble.tls, None);

    let open = [
        "portUnification=true",
        "ssl.quorum.clientAuth=want",
        "ssl.quorum.hostnameVerification=false",
    ];
    let (ensemble, warnings) = good(&format!("{lines}{}", open.join("\n")));
    let lenient = QuorumTls {
        accept_plain: true,
        client_auth: ClientAuth::Want,
        verify_hosts: false,
        ..tls
    };
    assert_eq!(ensemble.tls, Some(lenient));
    let kinds: Vec<_> = warnings.iter().map(|warning| warning.kind).collect();
    assert_eq!(kinds, [WarningKind::Open; 3]);

    let cases = [
        (
            "sslQuorum=true",
            "zoo.cfg: ssl.quorum.keyStore.location is not set: write \
             ssl.quorum.keyStore.location=FILE.pem, a file with this member's private key and \
             certificates",
        ),
        (
            "sslQuorum=true\nssl.quorum.keyStore.location=/tls/member.jks",
            "zoo.cfg:9: ssl.quorum.keyStore.location=/tls/member.jks: only PEM files are read; export \
             the store with keytool and openssl pkcs12 -nodes, and name the file .pem",
        ),
        (
            "ssl.quorum.crl=true",
            "zoo.cfg:8: ssl.quorum.crl=true: it is not looked up yet whether a certificate was revoked; \
             remove the line if that is meant",
        ),
    ];
    for (lines, message) in cases {
        assert_eq!(refused(&format!("{SERVERS}{lines}")), message);
    }
}

#[test]
fn limits_are_needed_and_named() {
    let text = format!("dataDir=/data\ninitLimit=10\n{SERVERS}");
    let error = load_as(&text, Some("1"), "").expect_err("no syncLimit");
    assert_eq!(
        error.to_string(),
        "zoo.cfg: syncLimit is not set: write syncLimit=5, on every server: how many ticks a member \
         may take to say nothing before the others give it up"
    );
    let error = load_as(&format!("dataDir=/data\n{SERVERS}"), Some("1"), "");
    let error = error.expect_err("no initLimit").to_string();
    assert!(
        error.starts_with("zoo.cfg: initLimit is not set: write initLimit=10,"),
        "{error}"
    );
}

#[test]
fn my_id_says_which_server_this_is() {
    let text = format!("{STATIC}{SERVERS}");
    let cases = [
        (
            None,
            "/data/myid: the file is missing; write into it which of the server lines stands for this \
             server, one of 1, 2, 3",
        ),
        (
            Some(""),
            "/data/myid: the first line is \"\"; it must be a number, one of 1, 2, 3",
        ),
        (
            Some("zk1\n2\n"),
            "/data/myid: the first line is \"zk1\"; it must be a number, one of 1, 2, 3",
        ),
        (
            Some("4"),
            "/data/myid: there is no line server.4; the lines are for 1, 2, 3",
        ),
    ];
    for (my_id, message) in cases {
        let error = load_as(&text, my_id, "").expect_err(message);
        assert_eq!(
            (error.to_string().as_str(), error.exit_code()),
            (message, 2)
        );
    }
    let elsewhere = text.replace("/data", "/elsewhere");
    let error = load_as(&elsewhere, Some("1"), "").expect_err("no access");
    assert_eq!(
        error.to_string(),
        "cannot read the configuration file /elsewhere/myid"
    );
}

#[test]
fn an_id_that_breaks_znodes_with_a_time_to_live_is_refused() {
    let lines = "server.255=zk1:2888:3888;2181\nserver.2=zk2:2888:3888\n";
    let text = format!("{STATIC}{lines}");
    assert!(load_as(&text, Some("255"), "").is_ok());
    let error = load_as(&format!("{text}extendedTypesEnabled=true"), Some("255"), "");
    assert_eq!(
        error.expect_err("too large").to_string(),
        "zoo.cfg:7: extendedTypesEnabled=true: znodes with a time to live need server ids from 0 to \
         254, and this server's is 255; change its line and myid, or remove this line"
    );
}

#[test]
fn a_client_address_stands_in_one_place() {
    let error = refused(&format!("{SERVERS}clientPort=2199"));
    assert_eq!(
        error,
        "zoo.cfg:5: server.1=zk1:2888:3888;127.0.0.1:2181: clients are told port 2181, and clientPort \
         opens 2199; leave the port in one place"
    );
    let (_, warnings) = good(&format!("{SERVERS}clientPort=2181"));
    let texts: Vec<_> = warnings.iter().map(Warning::to_string).collect();
    assert_eq!(
        texts[0],
        "zoo.cfg:5: server.1=zk1:2888:3888;127.0.0.1:2181: its client address 127.0.0.1:2181 is passed \
         over for *:2181"
    );
}

#[test]
fn every_key_means_something_to_a_member() {
    for key in keys::KEYS {
        let name = key.name.replace('*', "7");
        let result = load(&format!("{SERVERS}{name}=17"));
        match (key.member, result) {
            (Rule::Refused(_), Err(ConfigError::Unsupported { .. })) => {}
            (Rule::Ignored(_) | Rule::Missing(_), Ok(config)) => {
                let warned = config.warnings.iter().any(|w| w.setting.key == name);
                assert!(warned, "{name}");
            }
            (Rule::Used, _) => {}
            (rule, result) => panic!("{name}: {rule:?} {result:?}"),
        }
    }
}
