//! Apache ZooKeeper's own server, as published on Maven Central.
//!
//! Releases are pinned, so that a failing test means a change of ours.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::java;
use crate::prepare;
use crate::server::Settings;

/// The 3.9 release under test.
pub const RELEASE_39: &str = "3.9.5";

/// The 3.8 release under test.
pub const RELEASE_38: &str = "3.8.6";

/// Fetches the jars of a release; returns the folder that holds them.
pub fn prepare_release(release: &str) -> io::Result<PathBuf> {
    let pom = prepare::sources().join("java/servers/pom.xml");
    prepare::once(
        &format!("zookeeper-{release}"),
        std::slice::from_ref(&pom),
        |output| {
            let mut command = java::maven(&pom);
            command.arg(format!("-Dzookeeper.version={release}"));
            command.arg(format!("-DoutputDirectory={}", output.display()));
            command.arg("dependency:copy-dependencies");
            prepare::run(&mut command)
        },
    )
}

/// The command that runs a server on a configuration file.
///
/// `QuorumPeerMain` runs a standalone server too, when the file names no members.
pub(crate) fn command(release: &str, config: &Path, settings: &Settings) -> io::Result<Command> {
    let jars = prepare_release(release)?;
    let jars = [jars.join("*")];
    let mut command = match settings.is_as_shipped() {
        true => java::shipped_vm(&jars),
        false => java::vm(&jars),
    };
    let logback = prepare::sources().join("java/servers/logback.xml");
    command.arg(format!("-Dlogback.configurationFile={}", logback.display()));
    command.arg("-Dzookeeper.admin.enableServer=false");
    command.arg("-Dzookeeper.4lw.commands.whitelist=*");
    command.arg("-Dzookeeper.extendedTypesEnabled=true");
    for (key, value) in settings.properties() {
        command.arg(format!("-D{key}={value}"));
    }
    command
        .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
        .arg(config);
    Ok(command)
}
