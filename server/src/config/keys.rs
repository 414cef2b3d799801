//! Every key that a `zoo.cfg` of Apache's server can hold, and what becomes of it here.
//!
//! Apache's parser turns a key it does not know into a system property without a word, so a
//! misspelt key is lost in silence. Here every key is in one table, and one that is not is
//! reported together with the nearest name that is.

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Read into the configuration.
    Used,
    /// About members of an ensemble; a server alone has no use for it, nor has Apache's.
    Moot,
    /// Without meaning for this server, and nothing is missed; says why.
    Ignored(&'static str),
    /// Asks for what this server lacks; says what happens instead. Nothing becomes less safe.
    Missing(&'static str),
    /// Asks for what this server lacks, and going on without it would be unsafe; says what to do.
    Refused(&'static str),
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// The name, without the prefix `zookeeper.`; a trailing `*` stands for any suffix.
    pub(super) name: &'static str,
    /// Values, in lower case, that ask for what happens anyway: not worth a word.
    pub(super) moot: &'static [&'static str],
    /// What becomes of any other value.
    pub(super) rule: Rule,
    /// The same for a member of an ensemble.
    pub(super) member: Rule,
}

impl Key {
    fn matches(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(prefix) => name
                .strip_prefix(prefix)
                .is_some_and(|suffix| !suffix.is_empty()),
            None => name == self.name,
        }
    }
}

/// The name without `zookeeper.`, which belongs to system properties but is often written in
/// files too.
pub(super) fn bare(name: &str) -> &str {
    name.strip_prefix("zookeeper.").unwrap_or(name)
}

/// The row of a bare name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.matches(name))
}

/// The known name that is fewest edits away, if it is near enough to be what was meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let names = KEYS
        .iter()
        .map(|key| key.name)
        .filter(|known| !known.ends_with('*'));
    let (edits, known) = names
        .map(|known| (edit_distance(&lower, &known.to_lowercase()), known))
        .min_by_key(|&(edits, _)| edits)?;
    (edits <= name.len() / 4 + 1).then_some(known)
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one text into the other.
fn edit_distance(source: &str, target: &str) -> usize {
    let (source, target): (Vec<char>, Vec<char>) =
        (source.chars().collect(), target.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=target.len()).collect();
    for i in 1..=source.len() {
        let mut row = vec![i];
        for j in 1..=target.len() {
            let changed = usize::from(source[i - 1] != target[j - 1]);
            let mut cost = (above[j - 1] + changed)
                .min(above[j] + 1)
                .min(row[j - 1] + 1);
            let swapped =
                i > 1 && j > 1 && source[i - 1] == target[j - 2] && source[i - 2] == target[j - 1];
            if swapped {
                cost = cost.min(before[j - 2] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[target.len()]
}

const fn key(name: &'static str, moot: &'static [&'static str], rule: Rule) -> Key {
    Key {
        name,
        moot,
        rule,
        member: rule,
    }
}

const fn used(name: &'static str) -> Key {
    key(name, &[], Rule::Used)
}

/// One that only members have.
const fn member(name: &'static str, moot: &'static [&'static str], member: Rule) -> Key {
    Key {
        rule: Rule::Moot,
        ..key(name, moot, member)
    }
}

const fn ensemble(name: &'static str) -> Key {
    member(name, &[], Rule::Used)
}

/// A key of another meaning for members.
const fn but(key: Key, member: Rule) -> Key {
    Key { member, ..key }
}

const fn ignored(name: &'static str, why: &'static str) -> Key {
    key(name, &[], Rule::Ignored(why))
}

const fn missing(name: &'static str, moot: &'static [&'static str], instead: &'static str) -> Key {
    key(name, moot, Rule::Missing(instead))
}

const fn refused(name: &'static str, moot: &'static [&'static str], instead: &'static str) -> Key {
    key(name, moot, Rule::Refused(instead))
}

const NO: &[&str] = &["false"];
const YES: &[&str] = &["true"];
const UNSET: &[&str] = &["", "0", "-1"];

const THREADS: &str = "it tunes threads that only Apache's server has";
const CACHES: &str = "it tunes caches that only Apache's server has";
const JAVA: &str = "it concerns the Java machine";
const HOOK: &str = "it is a hook for tests of Apache's server";
const WATCHES: &str = "it tunes the watch table of Apache's server";

const NO_ADMIN: &str = "there is no HTTP admin server yet; nothing listens";
const NO_AUDIT: &str = "there is no audit log yet";
const NO_CERTIFICATES: &str = "there is no TLS yet; certificates are not loaded";
const NO_KERBEROS: &str = "there is no SASL yet; nobody can authenticate this way";
const NO_PROMETHEUS: &str = "there is no metrics exporter yet; mntr has the numbers";
const NO_THROTTLE: &str =
    "there is no such throttle yet; globalOutstandingLimit bounds requests, maxCnxns connections";
const OWN_BATCHES: &str = "batches form by themselves: while one is synced the next gathers";

const ALL_AT_ONCE: &str =
    "a member's addresses are all tried at once, and the first that answers counts";
const NO_MASTERS: &str =
    "observers here follow the leader, and no follower takes observers of others";
const NO_PAUSES: &str = "an observer looks for its next leader at once";
const NO_SASL: &str = "members do not authenticate with SASL; see quorum.auth.enableSasl";
const NO_REVOCATION: &str = "it is not looked up yet whether a certificate was revoked; remove the line if \
    that is meant";
const BOUNDED: &str =
    "learners are many or few as they come; what waits for each is bounded in bytes";

const NEEDS_TLS: &str = "there is no TLS yet, and clients would speak in clear text; \
    remove the line and let a TLS proxy listen, or keep Apache's server";
const NEEDS_AUTH: &str = "connections cannot be required to authenticate yet, and would be let in; \
    remove the line if that is meant";

// In the order of the manual, several to a line.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    used("dataDir"), used("dataLogDir"),
    used("clientPort"), used("clientPortAddress"), used("clientPortListenBacklog"),
    refused("secureClientPort", UNSET, NEEDS_TLS),
    ignored("secureClientPortAddress", "there is no secureClientPort"),
    used("tickTime"), used("minSessionTimeout"), used("maxSessionTimeout"),
    used("maxClientCnxns"), used("maxCnxns"),
    ensemble("initLimit"), ensemble("syncLimit"), ensemble("connectToLearnerMasterLimit"),
    used("server.*"), ensemble("group.*"), ensemble("weight.*"),
    ensemble("peerType"), member("observerMasterPort", UNSET, Rule::Missing(NO_MASTERS)), used("electionAlg"),
    ensemble("quorumListenOnAllIPs"), used("dynamicConfigFile"), used("standaloneEnabled"),
    member("syncEnabled", YES, Rule::Missing("an observer always keeps a log")),
    ensemble("localSessionsEnabled"), ensemble("localSessionsUpgradingEnabled"),
    but(missing("reconfigEnabled", NO, "membership cannot change while the server runs; it answers with error -123"),
        Rule::Refused("the membership cannot change while members run yet; remove the line from every server")),
    used("autopurge.snapRetainCount"), used("autopurge.purgeInterval"),
    ensemble("portUnification"), ensemble("sslQuorum"),
    member("sslQuorumReloadCertFiles", NO, Rule::Missing("certificates are read at the start; restart the member for new ones")),
    missing("client.certReload", NO, NO_CERTIFICATES),
    refused("client.portUnification", NO, NEEDS_TLS),
    member("quorum.auth.enableSasl", NO, Rule::Refused("members cannot authenticate with SASL yet, \
        and anyone could join; remove the line from every server, or keep Apache's server")),
    member("quorum.auth.learnerRequireSasl", NO, Rule::Ignored(NO_SASL)),
    member("quorum.auth.serverRequireSasl", NO, Rule::Ignored(NO_SASL)),
    member("quorum.auth.learner.saslLoginContext", &[], Rule::Ignored(NO_SASL)),
    member("quorum.auth.server.saslLoginContext", &[], Rule::Ignored(NO_SASL)),
    member("quorum.auth.kerberos.servicePrincipal", &[], Rule::Ignored(NO_SASL)),
    member("quorum.cnxn.threads.size", &[], Rule::Ignored(THREADS)),
    ignored("jvm.pause.monitor", JAVA), ignored("jvm.pause.sleep.time.ms", JAVA),
    ignored("jvm.pause.info-threshold.ms", JAVA), ignored("jvm.pause.warn-threshold.ms", JAVA),
    ignored("jvm.pause.monitor.sleep.time.ms", JAVA),
    ignored("jvm.pause.monitor.info-threshold.ms", JAVA),
    ignored("jvm.pause.monitor.warn-threshold.ms", JAVA),
    missing("metricsProvider.className", &["org.apache.zookeeper.metrics.impl.defaultmetricsprovider"], NO_PROMETHEUS),
    missing("metricsProvider.*", &[], NO_PROMETHEUS),
    ensemble("multiAddress.enabled"),
    member("multiAddress.reachabilityCheckTimeoutMs", &[], Rule::Ignored(ALL_AT_ONCE)),
    member("multiAddress.reachabilityCheckEnabled", &[], Rule::Ignored(ALL_AT_ONCE)),
    member("oraclePath", &[""], Rule::Missing("without a quorum nobody leads, whatever a file says")),

    used("preAllocSize"), used("snapCount"), used("snapSizeLimitInKb"),
    missing("txnLogSizeLimitInKb", UNSET, "a log ends where a snapshot is taken; snapSizeLimitInKb bounds it"),
    ensemble("commitLogCount"), ensemble("snapshotSizeFactor"),
    used("forceSync"), used("fsync.warningthresholdms"),
    ignored("flushDelay", OWN_BATCHES), ignored("maxWriteQueuePollTime", OWN_BATCHES),
    ignored("maxBatchSize", OWN_BATCHES),
    missing("snapshot.compression.method", &[""], "snapshots are written uncompressed"),
    missing("snapshot.trust.empty", NO, "logs without any snapshot are not trusted; copy a snapshot in"),
    ensemble("db.autocreate"), used("datadir.autocreate"),
    but(ignored("digest.enabled", "members compare digests, and there is one member"),
        Rule::Ignored("digests of the tree are always logged and compared")),
    missing("serializeLastProcessedZxid.enabled", YES, "snapshots always end with their zxid"),
    missing("closeSessionTxn.enabled", YES, "a session's end always lists its ephemerals"),
    used("extendedTypesEnabled"),
    refused("emulate353TTLNodes", NO, "TTL nodes in the layout of 3.5.3 would be read as something else; \
        load the data into Apache 3.9 without this setting first"),
    used("znode.container.checkIntervalMs"), used("znode.container.maxPerMinute"),
    used("znode.container.maxNeverUsedIntervalMs"),
    ignored("forceSnapshotSync", HOOK),

    used("jute.maxbuffer"),
    ignored("jute.maxbuffer.extrasize", "records that were accepted are always read back"),
    used("globalOutstandingLimit"),
    missing("request_throttle_max_requests", UNSET, NO_THROTTLE),
    missing("request_throttle_stall_time", &[], NO_THROTTLE),
    missing("request_throttle_drop_stale", &[], NO_THROTTLE),
    missing("request_stale_latency_check", NO, NO_THROTTLE),
    missing("request_stale_connection_check", &[], NO_THROTTLE),
    missing("request_throttler.shutdownTimeout", &[], NO_THROTTLE),
    missing("throttled_op_wait_time", UNSET, NO_THROTTLE),
    missing("largeRequestThreshold", UNSET, "large requests are not counted apart; jute.maxbuffer bounds each"),
    missing("largeRequestMaxBytes", UNSET, "large requests are not counted apart; jute.maxbuffer bounds each"),
    missing("connection_throttle_tokens", UNSET, NO_THROTTLE),
    missing("connection_throttle_fill_time", &[], NO_THROTTLE),
    missing("connection_throttle_fill_count", &[], NO_THROTTLE),
    missing("connection_throttle_freeze_time", UNSET, NO_THROTTLE),
    missing("connection_throttle_drop_increase", &[], NO_THROTTLE),
    missing("connection_throttle_drop_decrease", &[], NO_THROTTLE),
    missing("connection_throttle_decrease_ratio", &[], NO_THROTTLE),
    missing("connection_throttle_weight_enabled", NO, NO_THROTTLE),
    missing("connection_throttle_global_session_weight", &[], NO_THROTTLE),
    missing("connection_throttle_local_session_weight", &[], NO_THROTTLE),
    missing("connection_throttle_renew_session_weight", &[], NO_THROTTLE),
    ignored("maxResponseCacheSize", CACHES), ignored("maxGetChildrenResponseCacheSize", CACHES),
    ignored("enableEagerACLCheck", "a write is checked once, where it is ordered"),
    used("skipACL"), used("enforceQuota"), used("readonlymode.enabled"),
    ignored("serverCnxnFactory", "there is one kind of socket here"),
    used("nio.numSelectorThreads"), ignored("nio.numWorkerThreads", THREADS),
    ignored("nio.directBufferBytes", THREADS), ignored("nio.shutdownTimeout", THREADS),
    used("nio.sessionlessCnxnTimeout"),
    ignored("netty.advancedFlowControl.enabled", "a slow connection is always throttled by itself"),
    missing("netty.server.outstandingHandshake.limit", UNSET, NO_CERTIFICATES),
    missing("netty.server.earlyDropSecureConnectionHandshakes", NO, NO_CERTIFICATES),
    used("clientTcpKeepAlive"),
    member("tcpKeepAlive", YES, Rule::Ignored("connections between members are always probed")),
    ignored("watchManagerName", WATCHES), ignored("watcherCleanThreadsNum", WATCHES),
    ignored("watcherCleanThreshold", WATCHES), ignored("watcherCleanIntervalInSeconds", WATCHES),
    ignored("maxInProcessingDeadWatchers", WATCHES), ignored("bitHashCacheSize", WATCHES),
    ignored("intBufferStartingSizeBytes", CACHES),
    ignored("commitProcessor.numWorkerThreads", THREADS),
    ignored("commitProcessor.maxReadBatchSize", THREADS),
    ignored("commitProcessor.maxCommitBatchSize", THREADS),
    ignored("commitProcessor.shutdownTimeout", THREADS),
    missing("pathStats.enabled", NO, "paths are not counted"),
    missing("pathStats.*", &[], "paths are not counted"),
    ignored("messageTracker.BufferSize", HOOK), ignored("messageTracker.Enabled", HOOK),

    ensemble("leaderServes"), ensemble("cnxTimeout"), ensemble("quorumCnxnTimeoutMs"),
    ensemble("electionPortBindRetry"),
    ensemble("fastleader.minNotificationInterval"), ensemble("fastleader.maxNotificationInterval"),
    member("leader.maxTimeToWaitForEpoch", UNSET, Rule::Ignored("a leader waits for its quorum no longer than initLimit")),
    member("leader.maxConcurrentSnapSyncs", &[], Rule::Missing(BOUNDED)),
    member("leader.maxConcurrentDiffSyncs", &[], Rule::Missing(BOUNDED)),
    member("leader.closeSocketAsync", &[], Rule::Ignored(THREADS)),
    member("learner.closeSocketAsync", &[], Rule::Ignored(THREADS)),
    member("learner.asyncSending", &[], Rule::Ignored(THREADS)),
    ensemble("leaderConnectDelayDuringRetryMs"),
    member("leader.ackLoggingFrequency", &[], Rule::Ignored(HOOK)),
    member("forward_learner_requests_to_commit_processor_disabled", &[], Rule::Ignored(THREADS)),
    member("follower.skipLearnerRequestToNextProcessor", &[], Rule::Ignored(THREADS)),
    member("follower.nodelay", YES, Rule::Ignored("small packets are never held back")),
    member("leader.nodelay", YES, Rule::Ignored("small packets are never held back")),
    member("observer.reconnectDelayMs", UNSET, Rule::Ignored(NO_PAUSES)),
    member("observer.election.DelayMs", UNSET, Rule::Ignored(NO_PAUSES)),
    member("observer.syncEnabled", YES, Rule::Missing("an observer always keeps a log")),
    member("observerMaster.sizeLimit", &[], Rule::Ignored(NO_MASTERS)),
    ignored("controllerPort", HOOK), ignored("testingonly.initialZxid", HOOK),
    ignored("test.allowDiscontinuousProposals", HOOK),

    used("4lw.commands.whitelist"),
    missing("admin.enableServer", NO, NO_ADMIN), missing("admin.serverAddress", &[], NO_ADMIN),
    missing("admin.serverPort", &[], NO_ADMIN), missing("admin.commandURL", &[], NO_ADMIN),
    missing("admin.idleTimeout", &[], NO_ADMIN), missing("admin.httpVersion", &[], NO_ADMIN),
    missing("admin.portUnification", &[], NO_ADMIN), missing("admin.forceHttps", &[], NO_ADMIN),
    missing("admin.needClientAuth", &[], NO_ADMIN),
    missing("admin.rateLimiterIntervalInMS", &[], NO_ADMIN),
    missing("admin.snapshot.enabled", NO, NO_ADMIN), missing("admin.restore.enabled", NO, NO_ADMIN),
    missing("audit.enable", NO, NO_AUDIT), missing("audit.impl.class", &[], NO_AUDIT),
    used("authProvider.*"), missing("ssl.authProvider", &["x509"], NO_CERTIFICATES),
    refused("DigestAuthenticationProvider.enabled", YES, "the digest scheme cannot be switched off yet; remove the line"),
    used("DigestAuthenticationProvider.superDigest"),
    refused("DigestAuthenticationProvider.digestAlg", &["sha1", "sha-1", "sha"],
        "only SHA1 is known; ACLs made with another algorithm would match nobody"),
    missing("X509AuthenticationProvider.superUser", &[], "there is no TLS yet; nobody can become super by a certificate"),
    missing("superUser", &[], NO_KERBEROS), missing("superUser.*", &[], NO_KERBEROS),
    missing("SASLAuthenticationProvider.superPassword", &[], NO_KERBEROS),
    missing("IPAuthenticationProvider.usexforwardedfor", NO, NO_ADMIN),
    missing("letAnySaslUserDoX", &[], NO_KERBEROS),
    refused("ensembleAuthName", &[""], "clients are not asked which ensemble they mean yet, and those of another one \
        would be let in; remove the line"),
    refused("enforce.auth.enabled", NO, NEEDS_AUTH),
    ignored("enforce.auth.schemes", "enforce.auth.enabled is not true"),
    refused("sessionRequireClientSASLAuth", NO, NEEDS_AUTH),
    used("requireClientAuthScheme"),
    ignored("allowSaslFailedClients", "there is no SASL that could fail"),
    missing("kerberos.removeHostFromPrincipal", NO, NO_KERBEROS),
    missing("kerberos.removeRealmFromPrincipal", NO, NO_KERBEROS),
    missing("kerberos.canonicalizeHostNames", NO, NO_KERBEROS),
    missing("kerberos.minReLoginTimeMs", &[], NO_KERBEROS),
    missing("jaasLoginRenew", &[], NO_KERBEROS),
    missing("security.auth_to_local", &[], NO_KERBEROS),
    missing("sasl.serverconfig", &[], NO_KERBEROS),
    missing("java.security.auth.login.config", &[], NO_KERBEROS),
    ignored("fips-mode", JAVA),
    ensemble("ssl.quorum.keyStore.location"), ensemble("ssl.quorum.keyStore.type"),
    ensemble("ssl.quorum.trustStore.location"), ensemble("ssl.quorum.trustStore.type"),
    ensemble("ssl.quorum.clientAuth"), ensemble("ssl.quorum.hostnameVerification"),
    member("ssl.quorum.crl", NO, Rule::Refused(NO_REVOCATION)),
    member("ssl.quorum.ocsp", NO, Rule::Refused(NO_REVOCATION)),
    member("ssl.quorum.*", &[], Rule::Missing("TLS 1.2 and 1.3 with their common cipher suites are spoken, and a key is read in clear")),
    missing("ssl.*", &[], NO_CERTIFICATES),
    ignored("jmx.*", JAVA),
];
