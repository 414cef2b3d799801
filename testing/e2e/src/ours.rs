//! `lockkeeper-server`, started the way Apache's server is: with a configuration file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::Settings;

/// Environment variable with the path of our server's binary.
pub const BINARY_VARIABLE: &str = "LOCKKEEPER_SERVER";

/// The binary under test, if one was named; an empty name is none.
pub fn binary() -> Option<PathBuf> {
    let named = std::env::var_os(BINARY_VARIABLE)?;
    (!named.is_empty()).then(|| PathBuf::from(named))
}

/// The command that runs our server on a configuration file.
///
/// What Java takes as system properties our server reads from the file, so they are added there.
pub(crate) fn command(config: &Path, settings: &Settings) -> io::Result<Command> {
    let binary = binary().ok_or_else(|| {
        io::Error::other(format!(
            "{BINARY_VARIABLE} does not name a lockkeeper-server binary"
        ))
    })?;
    let mut text = fs::read_to_string(config)?;
    for (key, value) in settings.properties() {
        let key = key.strip_prefix("zookeeper.").unwrap_or(key);
        text.push_str(&format!("{key}={value}\n"));
    }
    text.push_str(
        "admin.enableServer=false\n4lw.commands.whitelist=*\nextendedTypesEnabled=true\n",
    );
    fs::write(config, text)?;
    let mut command = Command::new(binary);
    command.arg(config);
    Ok(command)
}
