//! The four-letter words as the tools read them that operators have: each function below applies
//! the rule of one consumer, so that a change of text fails here and not on a dashboard.

use std::collections::BTreeMap;

use lockkeeper_server::words::{
    Connection, Environment, Latency, Mode, ResponseSizes, Settings, Status, Value, Word, answer,
};
use lockkeeper_wire::Zxid;

fn status() -> Status {
    let connection = |remote: &str, queued| Connection {
        remote: remote.parse().expect("an address"),
        interest_ops: 1,
        queued,
        received: 40,
        sent: 39,
        session: None,
    };
    Status {
        mode: Mode::Standalone,
        zxid: Zxid(0x4fd),
        znode_count: 487,
        ephemerals_count: 3,
        watch_count: 12,
        approximate_data_size: 27_000,
        sessions_global: 2,
        sessions_local: 0,
        latency: Latency {
            count: 117,
            sum_ms: 70,
            min_ms: 0,
            max_ms: 8,
        },
        packets_received: 1324,
        packets_sent: 1323,
        connection_count: 2,
        outstanding: 1,
        uptime_ms: 65_000,
        descriptors: Some((29, 4096)),
        response_sizes: Some(ResponseSizes {
            last: 20,
            min: 16,
            max: 900,
        }),
        sessions: Vec::new(),
        connections: vec![
            connection("10.42.1.1:32634", 0),
            connection("[::1]:32635", 1),
        ],
        settings: Settings::default(),
        metrics: vec![
            ("connection_rejected".to_owned(), Value::Integer(7)),
            ("avg_fsynctime".to_owned(), Value::Float(1.5)),
        ],
    }
}

fn ask(word: Word) -> String {
    answer(word, &Environment::default(), Some(&status()))
}

/// The first three numbers with points between, which is what every gate on versions looks for.
fn version(line: &str) -> Option<Vec<u32>> {
    let is_version = |text: &&str| text.split('.').count() == 3;
    let mut candidates = line
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .filter(is_version);
    candidates
        .next()?
        .split('.')
        .map(|number| number.parse().ok())
        .collect()
}

#[test]
fn srvr_is_apaches_line_by_line() {
    let text = ask(Word::Srvr);
    let (first, rest) = text.split_once('\n').expect("lines");
    assert!(
        first.starts_with("Zookeeper version: 3.9.5-lockkeeper-"),
        "{first}"
    );
    assert!(first.contains(", built on "), "{first}");
    let expected = "Latency min/avg/max: 0/0.5983/8\nReceived: 1324\nSent: 1323\nConnections: 2\n\
                    Outstanding: 1\nZxid: 0x4fd\nMode: standalone\nNode count: 487\n";
    assert_eq!(rest, expected);
}

#[test]
fn stat_is_apaches_line_by_line() {
    let text = ask(Word::Stat);
    let (first, rest) = text.split_once('\n').expect("lines");
    let srvr = ask(Word::Srvr);
    let (srvr_first, numbers) = srvr.split_once('\n').expect("lines");
    let clients = "Clients:\n /10.42.1.1:32634[1](queued=0,recved=40,sent=39)\n \
                   /[0:0:0:0:0:0:0:1]:32635[1](queued=1,recved=40,sent=39)\n\n";
    assert_eq!(first, srvr_first);
    assert_eq!(rest, format!("{clients}{numbers}"));
}

#[test]
fn a_read_only_server_says_so() {
    let status = Status {
        mode: Mode::ReadOnly,
        ..status()
    };
    let text = answer(Word::Srvr, &Environment::default(), Some(&status));
    let second = text.lines().nth(1);
    assert_eq!(
        second,
        Some("READ-ONLY mode; serving only read-only clients")
    );
    assert!(text.contains("\nMode: read-only\n"));
    assert_eq!(
        answer(Word::Isro, &Environment::default(), Some(&status)),
        "ro"
    );
    assert_eq!(ask(Word::Isro), "rw");
}

#[test]
fn probes_of_helm_charts() {
    assert_eq!(ask(Word::Ruok), "imok");
    assert!(ask(Word::Srvr).contains("Mode"));
}

/// `zkServer.sh status` takes the line that starts with `Mode` and wants exactly one.
#[test]
fn zk_server_sh() {
    let text = ask(Word::Srvr);
    let modes: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("Mode"))
        .collect();
    assert_eq!(modes, ["Mode: standalone"]);
}

/// A probe that chooses what to expect by `version: (\d+)\.(\d+)\.(\d+)` in `srvr`.
#[test]
fn gates_on_the_version_see_3_9() {
    let text = ask(Word::Srvr);
    let after = text.split_once("version: ").expect("the prefix").1;
    let numbers: Vec<_> = after.splitn(3, '.').collect();
    assert_eq!(numbers[..2], ["3", "9"]);
    assert!(numbers[2].starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(version(&text), Some(vec![3, 9, 5]));
}

/// kazoo takes digits and points from the start of `zookeeper.version` in `envi`.
#[test]
fn kazoo_server_version() {
    let text = ask(Word::Envi);
    let pairs: BTreeMap<_, _> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let version = pairs["zookeeper.version"];
    let digits = version
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next();
    assert_eq!(digits, Some("3.9.5"));
}

/// Datadog reads `stat` by position: a colon once in each line, numbers after it.
#[test]
fn datadog() {
    let text = ask(Word::Stat);
    let mut lines = text.lines();
    let version = version(lines.next().expect("a version")).expect("three parts");
    assert!(
        version > vec![3, 4, 4],
        "the Connections line is only read from 3.4.4 on"
    );
    assert_eq!(lines.next(), Some("Clients:"));
    let clients = lines
        .by_ref()
        .take_while(|line| !line.trim().is_empty())
        .count();
    assert_eq!(clients, 2);
    let mut value = |name: &str| {
        let (key, value) = lines
            .next()
            .expect("a line")
            .split_once(':')
            .expect("a colon");
        assert_eq!(key, name);
        assert!(!value.contains(':'));
        value.trim().to_owned()
    };
    let latencies = value("Latency min/avg/max");
    let latencies: Vec<f64> = latencies
        .split('/')
        .map(|v| v.parse().expect("a number"))
        .collect();
    assert_eq!(latencies, [0.0, 0.5983, 8.0]);
    for (name, number) in [
        ("Received", 1324),
        ("Sent", 1323),
        ("Connections", 2),
        ("Outstanding", 1),
    ] {
        assert_eq!(value(name).parse::<u64>(), Ok(number));
    }
    let zxid = value("Zxid");
    let digits = zxid.strip_prefix("0x").expect("hexadecimal");
    assert_eq!(i64::from_str_radix(digits, 16), Ok(0x4fd));
    assert_eq!(value("Mode"), "standalone");
    assert_eq!(value("Node count").parse::<u64>(), Ok(487));
}

/// Telegraf's `^zk_(\w+)\s+([\w\.\-]+)` must match each line, or it drops the whole scrape.
#[test]
fn telegraf() {
    let text = ask(Word::Mntr);
    assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut fields = BTreeMap::new();
    for line in text.lines() {
        let rest = line.strip_prefix("zk_").expect(line);
        let name_len = rest.find(|c| !word(c)).expect(line);
        let (name, rest) = rest.split_at(name_len);
        let value = rest.trim_start();
        assert!(!name.is_empty() && value.len() < rest.len(), "{line}");
        let value_len = value
            .find(|c| !word(c) && !".-".contains(c))
            .unwrap_or(value.len());
        assert!(value_len > 0, "{line}");
        let before = fields.insert(name.to_owned(), value[..value_len].to_owned());
        assert_eq!(before, None, "{name} stands there twice");
    }
    assert_eq!(fields["server_state"], "standalone");
    assert!(fields["version"].starts_with("3.9.5-lockkeeper-"));
}

/// Netdata takes an answer of one line for an error and reads these names as numbers.
#[test]
fn netdata() {
    let text = ask(Word::Mntr);
    assert!(text.lines().count() > 1);
    let fields: BTreeMap<_, _> = text
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .collect();
    let integers = "outstanding_requests min_latency max_latency stale_requests \
        stale_requests_dropped num_alive_connections auth_failed_count connection_drop_count \
        connection_rejected global_sessions packets_received packets_sent \
        open_file_descriptor_count max_file_descriptor_count znode_count ephemerals_count \
        watch_count approximate_data_size uptime throttled_ops";
    for name in integers.split_whitespace() {
        let value = fields.get(format!("zk_{name}").as_str()).expect(name);
        assert!(value.parse::<i64>().is_ok(), "{name} {value}");
    }
    assert_eq!(fields["zk_avg_latency"].parse(), Ok(0.5983));
    assert_eq!(fields["zk_server_state"], "standalone");
    // What the server counts itself takes the place of the zero that stands in for it.
    assert_eq!(fields["zk_connection_rejected"], "7");
}

/// The Prometheus exporter of dabealu turns tabs into blanks, splits there, and prints the second
/// part as the value of a sample: only the version and the state may be no number.
#[test]
fn prometheus_exporter() {
    let text = ask(Word::Mntr);
    let mut samples = 0;
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        let line = line.replace('\t', " ");
        let parts: Vec<_> = line.split(' ').collect();
        match parts[0] {
            "zk_version" => assert!(version(parts[1]).is_some_and(|v| v >= vec![3, 6, 0])),
            "zk_server_state" => assert_eq!(parts[1..], ["standalone"]),
            name => {
                assert_eq!(parts.len(), 2, "{line}");
                assert!(parts[1].parse::<f64>().is_ok(), "{name}");
                samples += 1;
            }
        }
    }
    assert!(samples > 25);
}

/// The first lines have a place of their own, and a leader's numbers are a leader's only.
#[test]
fn mntr_starts_with_version_and_state() {
    let text = ask(Word::Mntr);
    let names: Vec<_> = text
        .lines()
        .filter_map(|line| line.split('\t').next())
        .collect();
    assert_eq!(
        names[..3],
        ["zk_version", "zk_server_state", "zk_avg_latency"]
    );
    assert_eq!(names.last(), Some(&"zk_avg_fsynctime"));
    for absent in [
        "zk_followers",
        "zk_synced_followers",
        "zk_learners",
        "zk_quorum_size",
    ] {
        assert!(!names.contains(&absent), "{absent}");
    }
}
