//! The text of `mntr`: `zk_` and a name, a tab, a value, on every line.
//!
//! Lines stand in one order, gauges first. Apache's server changes the whole format with its
//! metrics provider, which breaks scrapers; here it never changes.

use std::fmt;
use std::fmt::Write;

use super::status::Status;
use super::{text, version_text};

/// The value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Printed with a point, as Java prints a double: `0.0`, `0.5983`.
    Float(f64),
    /// Printed as it is.
    Integer(i64),
}

impl From<u64> for Value {
    /// Values that Java's `long` cannot hold become its largest.
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Debug always has a point, but turns to exponents for large and tiny numbers.
            Self::Float(number) if number.fract() == 0.0 => write!(f, "{number:.1}"),
            Self::Float(number) if number.is_finite() => number.fmt(f),
            Self::Float(_) => f.write_str("0.0"),
            Self::Integer(number) => number.fmt(f),
        }
    }
}

/// Counters that consumers expect on every server: zero unless [`Status::metrics`] has them.
///
/// Netdata draws the first five; the last is older than 3.6 and still asked for by exporters.
const EXPECTED: [&str; 6] = [
    "stale_requests",
    "stale_requests_dropped",
    "connection_drop_count",
    "connection_rejected",
    "throttled_ops",
    "fsync_threshold_exceed_count",
];

/// Gauges of clear-text and TLS connections, which only an Apache server with Netty counts;
/// like the probability of a dropped connection they are zero where there is no such thing.
const ALWAYS_ZERO: [&str; 3] = [
    "non_mtls_remote_conn_count",
    "non_mtls_local_conn_count",
    "outstanding_tls_handshake",
];

pub(super) fn mntr(status: &Status) -> String {
    let mut out = format!("zk_version\t{}\n", version_text());
    let _ = writeln!(out, "zk_server_state\t{}", text::mode(status.mode));
    for (name, value) in gauges(status) {
        push(&mut out, name, value);
    }
    let in_metrics = |name: &str| status.metrics.iter().any(|(known, _)| known == name);
    for name in EXPECTED
        .into_iter()
        .chain(ALWAYS_ZERO)
        .chain(["auth_failed_count"])
    {
        if !in_metrics(name) {
            push(&mut out, name, Value::Integer(0));
        }
    }
    for (name, value) in &status.metrics {
        push(&mut out, name, *value);
    }
    out
}

fn push(out: &mut String, name: &str, value: Value) {
    debug_assert!(
        name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
        "{name:?} would break the scrape of the whole server"
    );
    let _ = writeln!(out, "zk_{name}\t{value}");
}

fn gauges(status: &Status) -> Vec<(&'static str, Value)> {
    let size = |pick: fn(&super::ResponseSizes) -> u64| match &status.response_sizes {
        Some(sizes) => pick(sizes).into(),
        None => Value::Integer(-1),
    };
    let mut gauges = vec![
        ("avg_latency", Value::Float(status.latency.mean_ms())),
        ("max_latency", status.latency.max_ms.into()),
        ("min_latency", status.latency.min_ms.into()),
        ("packets_received", status.packets_received.into()),
        ("packets_sent", status.packets_sent.into()),
        ("num_alive_connections", status.connection_count.into()),
        ("outstanding_requests", status.outstanding.into()),
        ("znode_count", status.znode_count.into()),
        ("watch_count", status.watch_count.into()),
        ("ephemerals_count", status.ephemerals_count.into()),
        ("approximate_data_size", status.approximate_data_size.into()),
    ];
    if let Some((open, max)) = status.descriptors {
        gauges.push(("open_file_descriptor_count", open.into()));
        gauges.push(("max_file_descriptor_count", max.into()));
    }
    gauges.extend([
        ("global_sessions", status.sessions_global.into()),
        ("local_sessions", status.sessions_local.into()),
        ("uptime", status.uptime_ms.into()),
        ("connection_drop_probability", Value::Float(0.0)),
        ("last_client_response_size", size(|sizes| sizes.last)),
        ("max_client_response_size", size(|sizes| sizes.max)),
        ("min_client_response_size", size(|sizes| sizes.min)),
    ]);
    gauges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_java_prints_them() {
        let cases = [
            (Value::Float(0.0), "0.0"),
            (Value::Float(0.5983), "0.5983"),
            (Value::Float(12.0), "12.0"),
            (Value::Float(12_000_000.0), "12000000.0"),
            (Value::Float(0.0001), "0.0001"),
            (Value::Float(f64::NAN), "0.0"),
            (Value::Integer(-1), "-1"),
            (u64::MAX.into(), "9223372036854775807"),
        ];
        for (value, text) in cases {
            assert_eq!(value.to_string(), text);
        }
    }
}
