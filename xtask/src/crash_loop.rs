//! `crash-loop`: our server is killed while it is written to, and looked through at each restart; or
//! members of an ensemble are.
//!
//! The work is done by `lockkeeper-peers` of `testing/e2e`; the binary is built first, unless
//! `LOCKKEEPER_SERVER` names one.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::interop::{SERVER_VARIABLE, build_server};
use crate::run::{self, Result, cargo};

const RESTARTS: u64 = 200;

/// Runs it; a seed that was printed before gives the same choices again.
pub(crate) fn run(flags: &[&str]) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let (mut restarts, mut seed) = (RESTARTS, now.as_millis() as u64);
    let (work, flags) = match flags {
        ["--ensemble", flags @ ..] => ("crash-members", flags),
        flags => ("crash-loop", flags),
    };
    for pair in flags.chunks(2) {
        match *pair {
            ["--restarts", number] => restarts = number.parse()?,
            ["--seed", number] => seed = number.parse()?,
            _ => return Err(format!("crash-loop: {} is not understood", pair.join(" ")).into()),
        }
    }
    let mut peers = cargo(&[
        "run",
        "--locked",
        "--quiet",
        "--package",
        "lockkeeper-e2e",
        "--",
    ]);
    peers.args([work, &restarts.to_string(), &seed.to_string()]);
    if std::env::var_os(SERVER_VARIABLE).is_none() {
        let server = build_server()?.ok_or("crash-loop: there is no server in the workspace")?;
        peers.env(SERVER_VARIABLE, server);
    }
    run::run(&mut peers)
}
