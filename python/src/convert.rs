//! Arguments from Python as the client wants them.

use std::time::Duration;

use bytes::Bytes;
use lockkeeper::{Acl, CreateMode, CreateOptions};
use lockkeeper_recipes::Layout;

use crate::failure::Failure;

/// An access list as Python hands it over: permissions, scheme, id.
pub(crate) type AclTuples = Vec<(i32, String, String)>;

/// Longer times are as good as this one, and this one can be added to any clock.
const SECONDS_MAX: f64 = 1e9;

/// Seconds, from 0.
pub(crate) fn seconds(name: &str, value: f64) -> Result<Duration, Failure> {
    // Not `min`, which would make a time of what is not a number.
    let bounded = if value > SECONDS_MAX {
        SECONDS_MAX
    } else {
        value
    };
    Duration::try_from_secs_f64(bounded).map_err(|_| {
        Failure::Argument(format!(
            "{name} must be a number of seconds from 0, not {value}"
        ))
    })
}

pub(crate) fn maybe_seconds(name: &str, value: Option<f64>) -> Result<Option<Duration>, Failure> {
    value.map(|value| seconds(name, value)).transpose()
}

/// How long a call may wait; without a bound for longer than any clock goes.
pub(crate) fn limit(timeout: Option<f64>) -> Result<Duration, Failure> {
    Ok(maybe_seconds("timeout", timeout)?.unwrap_or(Duration::MAX))
}

/// How many of something; a negative number is as wrong as none.
pub(crate) fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

pub(crate) fn acl(entries: AclTuples) -> Vec<Acl> {
    entries
        .into_iter()
        .map(|(perms, scheme, id)| Acl::new(perms, scheme.as_str(), id.as_str()))
        .collect()
}

pub(crate) fn create_options(
    mode: i32,
    entries: Option<AclTuples>,
    ttl: Option<f64>,
) -> Result<CreateOptions, Failure> {
    let mode = CreateMode::try_from(mode)
        .map_err(|_| Failure::Argument(format!("mode {mode} is no kind of znode")))?;
    Ok(CreateOptions {
        mode,
        acl: entries.map(acl),
        ttl: maybe_seconds("ttl", ttl)?,
    })
}

pub(crate) fn layout(name: &str) -> Result<Layout, Failure> {
    match name {
        "curator" => Ok(Layout::Curator),
        "go-zk" => Ok(Layout::GoZk),
        "kazoo" => Ok(Layout::Kazoo),
        _ => Err(Failure::Argument(format!(
            "layout must be \"curator\", \"go-zk\" or \"kazoo\", not {name:?}"
        ))),
    }
}

/// A copy: the interpreter may reuse the original's memory.
pub(crate) fn data(data: &[u8]) -> Bytes {
    Bytes::copy_from_slice(data)
}
