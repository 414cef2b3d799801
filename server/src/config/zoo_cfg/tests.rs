//! Files in, settings, warnings and messages out.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use super::super::keys::{self, Rule};
use super::super::*;

const MINIMAL: &str = "dataDir=/data\nclientPort=2181\nautopurge.purgeInterval=1\n";
const DYNAMIC: &str = "zoo.cfg.dynamic";

fn load(text: &str) -> Result<Config, ConfigError> {
    load_with(text, "server.1=a:2888:3888;2182")
}

fn load_with(text: &str, dynamic: &str) -> Result<Config, ConfigError> {
    super::load(Path::new("zoo.cfg"), &|path| match path.to_str() {
        Some("zoo.cfg") => Ok(text.as_bytes().to_vec()),
        Some(DYNAMIC) => Ok(dynamic.as_bytes().to_vec()),
        _ => Err(io::ErrorKind::NotFound.into()),
    })
}

fn good(text: &str) -> Config {
    load(text).unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

/// The settings of [`MINIMAL`] with lines added.
fn with(lines: &str) -> Config {
    good(&format!("{MINIMAL}{lines}"))
}

/// Warnings caused by a line added to [`MINIMAL`].
fn warnings(line: &str) -> Vec<(WarningKind, String)> {
    let warnings = with(line).warnings;
    let added = warnings.into_iter().filter(|w| w.setting.origin != at(2));
    added.map(|w| (w.kind, w.to_string())).collect()
}

fn at(line: usize) -> Origin {
    Origin::File {
        path: "zoo.cfg".into(),
        line,
    }
}

fn any(port: u16) -> Vec<Listen> {
    vec![Listen {
        host: Host::Any,
        port,
    }]
}

#[test]
fn a_file_means_what_it_means_to_apache() {
    let config = good(MINIMAL);
    let mut expected = Config::new("/data");
    expected.listen = any(2181);
    expected.limits = Limits::APACHE;
    expected.access.quota_enforce = false;
    expected.access.extended_types = false;
    expected.warnings.clone_from(&config.warnings);
    assert_eq!(config, expected);
    let [warning] = &config.warnings[..] else {
        panic!("{:?}", config.warnings)
    };
    assert_eq!(
        (warning.kind, &warning.setting.origin),
        (WarningKind::Open, &at(2))
    );
    assert!(
        warning
            .to_string()
            .starts_with("zoo.cfg:2: clientPort=2181: clients beyond this")
    );
}

#[test]
fn the_sample_file_of_apache_is_quiet() {
    let sample = "# The number of milliseconds of each tick\ntickTime=2000\ninitLimit=10\n\
                  syncLimit=5\ndataDir=/tmp/zookeeper\nclientPort=2181\n#maxClientCnxns=60\n";
    let config = good(sample);
    let kinds: Vec<_> = config
        .warnings
        .iter()
        .map(|w| (w.kind, w.setting.key.as_str()))
        .collect();
    let expected = [
        (WarningKind::Adjusted, "autopurge.purgeInterval"),
        (WarningKind::Open, "clientPort"),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(
        (
            config.session_timeout_min_ms(),
            config.session_timeout_max_ms()
        ),
        (4000, 40_000)
    );
}

#[test]
fn every_setting_that_is_used_has_its_effect() {
    type Effect = fn(&mut Config);
    let cases: &[(&str, Effect)] = &[
        ("dataLogDir=/log", |c| c.data_log_dir = "/log".into()),
        ("clientPortAddress=::1", |c| {
            c.listen[0].host = Host::Ip("::1".parse::<IpAddr>().unwrap())
        }),
        ("clientPortAddress=zk-1", |c| {
            c.listen[0].host = Host::Name("zk-1".to_owned())
        }),
        ("clientPortAddress=0.0.0.0", |_| ()),
        ("clientPortListenBacklog=50", |c| {
            c.listen_backlog = Some(50)
        }),
        ("clientPortListenBacklog=-1", |_| ()),
        ("nio.numSelectorThreads=3", |c| c.io_threads = Some(3)),
        ("clientTcpKeepAlive=true", |c| c.tcp_keep_alive = true),
        ("tickTime=2000", |c| c.tick_time_ms = 2000),
        ("minSessionTimeout=10", |c| {
            c.session_timeout_min_ms = Some(10)
        }),
        ("maxSessionTimeout=90000", |c| {
            c.session_timeout_max_ms = Some(90_000)
        }),
        ("maxSessionTimeout=-1", |_| ()),
        ("maxClientCnxns=0", |c| {
            c.limits.connections_per_address_max = None
        }),
        ("maxClientCnxns=-7", |c| {
            c.limits.connections_per_address_max = None
        }),
        ("maxCnxns=7", |c| c.limits.connections_max = Some(7)),
        ("maxCnxns=-7", |_| ()),
        ("jute.maxbuffer=0x9fffff", |c| {
            c.limits.frame_len_max = 0x9f_ffff
        }),
        ("globalOutstandingLimit=7", |c| c.limits.outstanding_max = 7),
        ("nio.sessionlessCnxnTimeout=7", |c| {
            c.limits.handshake_timeout_ms = 7
        }),
        ("snapCount=1", |c| c.storage.snap_count = 2),
        ("snapCount=7", |c| c.storage.snap_count = 7),
        ("snapSizeLimitInKb=7", |c| {
            c.storage.snap_log_bytes = Some(7168)
        }),
        ("snapSizeLimitInKb=-1", |c| c.storage.snap_log_bytes = None),
        ("preAllocSize=7", |c| c.storage.pre_alloc_bytes = 7168),
        ("forceSync=no", |c| c.storage.sync = false),
        ("forceSync=false", |_| ()),
        ("fsync.warningthresholdms=7", |c| {
            c.storage.sync_warning_ms = 7
        }),
        ("zookeeper.fsync.warningthresholdms=7", |c| {
            c.storage.sync_warning_ms = 7
        }),
        ("datadir.autocreate=false", |c| c.data_dir_create = false),
        ("autopurge.snapRetainCount=7", |c| {
            c.purge.as_mut().unwrap().snapshots_kept = 7
        }),
        ("autopurge.snapRetainCount=1", |_| ()),
        ("autopurge.purgeInterval=2", |c| {
            c.purge.as_mut().unwrap().interval_ms = 7_200_000
        }),
        ("autopurge.purgeInterval=5 m", |c| {
            c.purge.as_mut().unwrap().interval_ms = 300_000
        }),
        ("autopurge.purgeInterval=5ms", |c| {
            c.purge.as_mut().unwrap().interval_ms = 5
        }),
        ("autopurge.purgeInterval=0", |c| c.purge = None),
        ("autopurge.purgeInterval=-1", |c| c.purge = None),
        ("4lw.commands.whitelist=ruok, mntr", |c| {
            c.words = Whitelist::parse("ruok,mntr")
        }),
        ("readonlymode.enabled=true", |c| {
            c.words = Whitelist::parse("isro")
        }),
        ("skipACL=yes", |c| c.access.acl_skip = true),
        ("skipACL=true", |_| ()),
        ("enforceQuota=true", |c| c.access.quota_enforce = true),
        ("extendedTypesEnabled=TRUE", |c| {
            c.access.extended_types = true
        }),
        (
            "DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=",
            |c| {
                c.access.super_digest = Some(Secret::new("super:D/InIHSb7yEEbrWz8b9l71RjZJU="));
            },
        ),
        ("znode.container.checkIntervalMs=7", |c| {
            c.containers.check_interval_ms = 7
        }),
        ("znode.container.maxPerMinute=7", |c| {
            c.containers.per_minute_max = 7
        }),
        ("znode.container.maxNeverUsedIntervalMs=7", |c| {
            c.containers.never_used_max_ms = Some(7)
        }),
        ("znode.container.maxNeverUsedIntervalMs=0", |_| ()),
        ("server.1=a:2888:3888:participant", |_| ()),
        ("server.1=a:2888:3888;127.0.0.1:99", |_| ()),
        ("electionAlg=3", |_| ()),
        (
            "authProvider.1=org.apache.zookeeper.server.auth.DigestAuthenticationProvider",
            |_| (),
        ),
    ];
    for (line, effect) in cases {
        let mut expected = good(MINIMAL);
        effect(&mut expected);
        let config = with(line);
        expected.warnings.clone_from(&config.warnings);
        assert_eq!(config, expected, "{line}");
    }
}

#[test]
fn a_member_line_may_hold_the_client_port() {
    let config = good("dataDir=/data\nserver.1=a:2888:3888;127.0.0.1:2182");
    assert_eq!(config.listen, [Listen::loopback(2182)]);
    let config = good("dataDir=/data\nserver.1=a:2888:3888;0.0.0.0:2182");
    assert_eq!(config.listen, any(2182));
    let config = good(&format!("dataDir=/data\ndynamicConfigFile={DYNAMIC}"));
    assert_eq!(config.listen, any(2182));
    assert!(
        config
            .warnings
            .iter()
            .any(|w| w.to_string().starts_with("zoo.cfg.dynamic:1: server.1="))
    );
}

#[test]
fn warnings_name_the_line_and_the_consequence() {
    use WarningKind::*;
    let cases = [
        (
            "tickTme=1",
            Unknown,
            "zoo.cfg:4: tickTme=1: there is no such setting; tickTime has a similar name",
        ),
        (
            "maxclientcnxns=1",
            Unknown,
            "zoo.cfg:4: maxclientcnxns=1: there is no such setting; maxClientCnxns has a similar name",
        ),
        (
            "zookeeper.skipAcl=yes",
            Unknown,
            "zoo.cfg:4: zookeeper.skipAcl=yes: there is no such setting; skipACL has a similar name",
        ),
        (
            "spaceship=1",
            Unknown,
            "zoo.cfg:4: spaceship=1: there is no such setting",
        ),
        (
            "tickTime=1000\ntickTime=2000",
            Ignored,
            "zoo.cfg:4: tickTime=1000: is set again further down, which counts",
        ),
        (
            "maxClientCnxns=0",
            Open,
            "zoo.cfg:4: maxClientCnxns=0: a single address may take any number of connections",
        ),
        (
            "skipACL=yes",
            Open,
            "zoo.cfg:4: skipACL=yes: access lists are not looked at: every client may read and change everything",
        ),
        (
            "4lw.commands.whitelist=*",
            Open,
            "zoo.cfg:4: 4lw.commands.whitelist=*: anyone who can connect may list clients, settings and directories; name the words that are needed",
        ),
        (
            "4lw.commands.whitelist=mntr,hash,nope",
            Missing,
            "zoo.cfg:4: 4lw.commands.whitelist=mntr,hash,nope: this server has no answer to hash, nope",
        ),
        (
            "requireClientAuthScheme=sasl",
            Open,
            "zoo.cfg:4: requireClientAuthScheme=sasl: has no effect, nor has it with Apache's server: clients that do not authenticate are let in",
        ),
        (
            "forceSync=no",
            Unsafe,
            "zoo.cfg:4: forceSync=no: writes are acknowledged before they are on disk; a power failure loses them",
        ),
        (
            "forceSync=false",
            Adjusted,
            "zoo.cfg:4: forceSync=false: is read as yes; write yes or no",
        ),
        (
            "skipACL=true",
            Adjusted,
            "zoo.cfg:4: skipACL=true: is read as no; write yes or no",
        ),
        (
            "enforceQuota=yes",
            Adjusted,
            "zoo.cfg:4: enforceQuota=yes: is read as false; write true or false",
        ),
        (
            "snapCount=0",
            Adjusted,
            "zoo.cfg:4: snapCount=0: is read as 2",
        ),
        (
            "nio.numWorkerThreads=8",
            Ignored,
            "zoo.cfg:4: nio.numWorkerThreads=8: has no effect: it tunes threads that only Apache's server has",
        ),
        (
            "admin.enableServer=true",
            Missing,
            "zoo.cfg:4: admin.enableServer=true: has no effect: there is no HTTP admin server yet; nothing listens",
        ),
        (
            "ssl.keyStore.password=pw",
            Missing,
            "zoo.cfg:4: ssl.keyStore.password=(hidden): has no effect: there is no TLS yet; certificates are not loaded",
        ),
        (
            "DigestAuthenticationProvider.superDigest=super:pw",
            Ignored,
            "zoo.cfg:4: DigestAuthenticationProvider.superDigest=(hidden): is not user:HASH with a SHA-1 hash in base64, so it matches nobody",
        ),
        (
            "DigestAuthenticationProvider.superdigest=super:pw",
            Unknown,
            "zoo.cfg:4: DigestAuthenticationProvider.superdigest=(hidden): there is no such setting; DigestAuthenticationProvider.superDigest has a similar name",
        ),
        (
            "server.1=a:1:2;2182",
            Adjusted,
            "zoo.cfg:4: server.1=a:1:2;2182: its client address *:2182 is passed over for *:2181",
        ),
    ];
    for (line, kind, text) in cases {
        assert_eq!(warnings(line), [(kind, text.to_owned())], "{line}");
    }
}

#[test]
fn settings_that_ask_for_nothing_are_passed_over_in_silence() {
    let quiet = "admin.enableServer=false\naudit.enable=false\nsslQuorum=False\nsecureClientPort=0\n\
                 initLimit=5\nleaderServes=no\nssl.quorum.clientAuth=need\nenforce.auth.enabled=false\n\
                 electionAlg=3\nDigestAuthenticationProvider.digestAlg=SHA1\nstandaloneEnabled=true";
    assert_eq!(warnings(quiet), []);
}

#[test]
fn what_cannot_be_followed_is_refused_with_a_remedy() {
    let cases = [
        (
            "tickTime=0",
            "zoo.cfg:4: tickTime=0: must be a number from 1 to 2147483647",
        ),
        (
            "tickTime=2s",
            "zoo.cfg:4: tickTime=2s: must be a number from 1 to 2147483647",
        ),
        (
            "tickTime=",
            "zoo.cfg:4: tickTime=: must be a number from 1 to 2147483647",
        ),
        (
            "clientPort=65536",
            "zoo.cfg:4: clientPort=65536: must be a number from 0 to 65535",
        ),
        (
            "clientPort=0",
            "zoo.cfg:4: clientPort=0: no client could connect; write clientPort=2181",
        ),
        (
            "clientPort=0\nclientPortAddress=a",
            "zoo.cfg:5: clientPortAddress=a: needs clientPort as well",
        ),
        (
            "clientPortAddress=a/b",
            "zoo.cfg:4: clientPortAddress=a/b: must be an address or a name",
        ),
        (
            "dataDir=",
            "zoo.cfg:4: dataDir=: write dataDir=DIRECTORY, where snapshots and logs shall lie",
        ),
        (
            "minSessionTimeout=0",
            "zoo.cfg:4: minSessionTimeout=0: must be a number from 1 to 2147483647",
        ),
        (
            "minSessionTimeout=9\nmaxSessionTimeout=8",
            "zoo.cfg:5: maxSessionTimeout=8: the shortest session timeout, 9 ms, is above the longest, \
             8 ms; they are 2 and 20 ticks unless set",
        ),
        (
            "standaloneEnabled=yes",
            "zoo.cfg:4: standaloneEnabled=yes: must be true or false",
        ),
        (
            "autopurge.purgeInterval=1w",
            "zoo.cfg:4: autopurge.purgeInterval=1w: must be a number of hours, or a number with ms, s, m, h or d",
        ),
        (
            "electionAlg=0",
            "zoo.cfg:4: electionAlg=0: must be 3, the only one there is",
        ),
        (
            "server.1=a:2:3:observer",
            "zoo.cfg:4: server.1=a:2:3:observer: an observer needs participants to observe",
        ),
        (
            "server.x=a:2:3",
            "zoo.cfg:4: server.x=a:2:3: the name must be server.N with N a number",
        ),
        (
            "server.1=a:2:3;x",
            "zoo.cfg:4: server.1=a:2:3;x: what follows the semicolon must be a port, or an address and a port",
        ),
        (
            "dynamicConfigFile=zoo.cfg.dynamic\nserver.1=a:2:3",
            "zoo.cfg:5: server.1=a:2:3: belongs into the file that dynamicConfigFile names; move it there",
        ),
        (
            "dynamicConfigFile=none",
            "cannot read the configuration file none",
        ),
        (
            "secureClientPort=2281",
            "zoo.cfg:4: secureClientPort=2281: there is no TLS yet, and clients would speak in clear \
             text; remove the line and let a TLS proxy listen, or keep Apache's server",
        ),
        (
            "enforce.auth.enabled=true",
            "zoo.cfg:4: enforce.auth.enabled=true: connections cannot be required to authenticate yet, \
             and would be let in; remove the line if that is meant",
        ),
        (
            "zookeeper.sessionRequireClientSASLAuth=true",
            "zoo.cfg:4: zookeeper.sessionRequireClientSASLAuth=true: connections cannot be required to \
             authenticate yet, and would be let in; remove the line if that is meant",
        ),
        (
            "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
            "zoo.cfg:4: authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider: this \
             way to authenticate does not exist here yet, and those who rely on it would be locked out; \
             remove the line to go without",
        ),
        (
            "dataDir=C:\\users",
            "zoo.cfg:4: \\u must be followed by four hexadecimal digits; write a backslash as \\\\",
        ),
    ];
    for (lines, message) in cases {
        let error = load(&format!("{MINIMAL}{lines}")).expect_err(lines);
        assert_eq!(
            (error.to_string().as_str(), error.exit_code()),
            (message, 2),
            "{lines}"
        );
    }
    let error = load("clientPort=1")
        .expect_err("no data directory")
        .to_string();
    assert_eq!(
        error,
        "zoo.cfg: dataDir is not set: write dataDir=DIRECTORY, where snapshots and logs shall lie"
    );
    let error = load("dataDir=/data").expect_err("no port").to_string();
    assert_eq!(
        error,
        "zoo.cfg: clientPort is not set: no client could connect; write clientPort=2181"
    );
}

#[test]
fn a_dynamic_file_holds_members_only() {
    let text = format!("{MINIMAL}dynamicConfigFile={DYNAMIC}");
    let cases = [(
        "server.1=a:2:3;2181\nversion=100000000",
        "zoo.cfg.dynamic:2: version=100000000: a dynamic file \
          holds server, group and weight lines only; move the line into the static file, or remove it if \
          it is the version",
    )];
    for (dynamic, message) in cases {
        let error = load_with(&text, dynamic).expect_err(dynamic);
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn every_refused_key_is_refused_and_every_other_is_not() {
    for key in keys::KEYS {
        let name = key.name.replace('*', "7");
        let text = format!("{MINIMAL}{name}=17");
        match (key.rule, load(&text)) {
            (Rule::Refused(_), Err(ConfigError::Unsupported { .. })) => {}
            (Rule::Ignored(_) | Rule::Missing(_), Ok(config)) => {
                assert!(
                    config.warnings.iter().any(|w| w.setting.key == name),
                    "{name}"
                );
            }
            (Rule::Moot, Ok(config)) => assert_eq!(config.warnings.len(), 1, "{name}"),
            (Rule::Used, _) => {}
            (rule, result) => panic!("{name}: {rule:?} {result:?}"),
        }
    }
}

/// All keys that `zookeeperAdmin.md` and the sources of 3.9 have for servers.
const DOCUMENTED: &str = "
dataDir dataLogDir clientPort clientPortAddress secureClientPort secureClientPortAddress
clientPortListenBacklog tickTime initLimit syncLimit connectToLearnerMasterLimit minSessionTimeout
maxSessionTimeout maxClientCnxns maxCnxns server.1 group.1 weight.1 peerType observerMasterPort
electionAlg quorumListenOnAllIPs dynamicConfigFile standaloneEnabled reconfigEnabled syncEnabled
localSessionsEnabled localSessionsUpgradingEnabled autopurge.snapRetainCount
autopurge.purgeInterval portUnification sslQuorum sslQuorumReloadCertFiles client.certReload
client.portUnification quorum.auth.enableSasl quorum.auth.learnerRequireSasl
quorum.auth.serverRequireSasl quorum.auth.learner.saslLoginContext
quorum.auth.server.saslLoginContext quorum.auth.kerberos.servicePrincipal quorum.cnxn.threads.size
jvm.pause.monitor jvm.pause.sleep.time.ms jvm.pause.info-threshold.ms jvm.pause.warn-threshold.ms
metricsProvider.className metricsProvider.httpHost metricsProvider.httpPort
metricsProvider.exportJvmInfo metricsProvider.numWorkerThreads metricsProvider.maxQueueSize
metricsProvider.workerShutdownTimeoutMs multiAddress.enabled
multiAddress.reachabilityCheckTimeoutMs multiAddress.reachabilityCheckEnabled oraclePath
preAllocSize snapCount snapSizeLimitInKb txnLogSizeLimitInKb commitLogCount snapshotSizeFactor
forceSync fsync.warningthresholdms flushDelay maxWriteQueuePollTime maxBatchSize
snapshot.compression.method snapshot.trust.empty db.autocreate datadir.autocreate digest.enabled
serializeLastProcessedZxid.enabled closeSessionTxn.enabled extendedTypesEnabled emulate353TTLNodes
znode.container.checkIntervalMs znode.container.maxPerMinute znode.container.maxNeverUsedIntervalMs
forceSnapshotSync jute.maxbuffer jute.maxbuffer.extrasize globalOutstandingLimit
request_throttle_max_requests request_throttle_stall_time request_throttle_drop_stale
request_stale_latency_check request_stale_connection_check request_throttler.shutdownTimeout
throttled_op_wait_time largeRequestThreshold largeRequestMaxBytes connection_throttle_tokens
connection_throttle_fill_time connection_throttle_fill_count connection_throttle_freeze_time
connection_throttle_drop_increase connection_throttle_drop_decrease
connection_throttle_decrease_ratio connection_throttle_weight_enabled
connection_throttle_global_session_weight connection_throttle_local_session_weight
connection_throttle_renew_session_weight maxResponseCacheSize maxGetChildrenResponseCacheSize
enableEagerACLCheck skipACL enforceQuota readonlymode.enabled serverCnxnFactory
nio.numSelectorThreads nio.numWorkerThreads nio.directBufferBytes nio.shutdownTimeout
nio.sessionlessCnxnTimeout netty.advancedFlowControl.enabled
netty.server.outstandingHandshake.limit netty.server.earlyDropSecureConnectionHandshakes
clientTcpKeepAlive tcpKeepAlive watchManagerName watcherCleanThreadsNum watcherCleanThreshold
watcherCleanIntervalInSeconds maxInProcessingDeadWatchers bitHashCacheSize
intBufferStartingSizeBytes commitProcessor.numWorkerThreads commitProcessor.maxReadBatchSize
commitProcessor.maxCommitBatchSize commitProcessor.shutdownTimeout pathStats.enabled
pathStats.slotCapacity pathStats.slotDuration pathStats.maxDepth pathStats.sampleRate
pathStats.topPathMax pathStats.initialDelay pathStats.delay messageTracker.BufferSize
messageTracker.Enabled leaderServes cnxTimeout quorumCnxnTimeoutMs electionPortBindRetry
fastleader.minNotificationInterval fastleader.maxNotificationInterval leader.maxTimeToWaitForEpoch
leader.maxConcurrentSnapSyncs leader.maxConcurrentDiffSyncs leader.closeSocketAsync
learner.closeSocketAsync learner.asyncSending leaderConnectDelayDuringRetryMs
leader.ackLoggingFrequency forward_learner_requests_to_commit_processor_disabled
follower.skipLearnerRequestToNextProcessor follower.nodelay leader.nodelay
observer.reconnectDelayMs observer.election.DelayMs observer.syncEnabled observerMaster.sizeLimit
controllerPort testingonly.initialZxid test.allowDiscontinuousProposals 4lw.commands.whitelist
admin.enableServer admin.serverAddress admin.serverPort admin.commandURL admin.idleTimeout
admin.httpVersion admin.portUnification admin.forceHttps admin.needClientAuth
admin.rateLimiterIntervalInMS admin.snapshot.enabled admin.restore.enabled audit.enable
audit.impl.class authProvider.1 authProvider.sasl ssl.authProvider
DigestAuthenticationProvider.enabled DigestAuthenticationProvider.superDigest
DigestAuthenticationProvider.digestAlg X509AuthenticationProvider.superUser superUser superUser.1
SASLAuthenticationProvider.superPassword IPAuthenticationProvider.usexforwardedfor
letAnySaslUserDoX ensembleAuthName enforce.auth.enabled enforce.auth.schemes
sessionRequireClientSASLAuth allowSaslFailedClients requireClientAuthScheme
kerberos.removeHostFromPrincipal kerberos.removeRealmFromPrincipal kerberos.canonicalizeHostNames
kerberos.minReLoginTimeMs security.auth_to_local sasl.serverconfig java.security.auth.login.config
fips-mode ssl.keyStore.location ssl.keyStore.password ssl.keyStore.passwordPath ssl.keyStore.type
ssl.trustStore.location ssl.protocol ssl.enabledProtocols ssl.ciphersuites ssl.clientAuth
ssl.hostnameVerification ssl.clientHostnameVerification ssl.allowReverseDnsLookup ssl.crl ssl.ocsp
ssl.handshakeDetectionTimeoutMillis ssl.context.supplier.class ssl.sslProvider
ssl.quorum.keyStore.location ssl.quorum.clientAuth jmx.log4j.disable";

#[test]
fn every_documented_key_is_known_with_and_without_prefix() {
    for name in DOCUMENTED.split_whitespace() {
        assert!(keys::find(name).is_some(), "{name}");
        let prefixed = format!("zookeeper.{name}");
        assert_eq!(keys::bare(&prefixed), name);
    }
    // And the table has nothing twice.
    for (index, key) in keys::KEYS.iter().enumerate() {
        let first = keys::KEYS.iter().position(|other| other.name == key.name);
        assert_eq!(first, Some(index), "{}", key.name);
    }
}
