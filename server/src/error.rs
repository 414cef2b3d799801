//! Why the server does not start, or ends by itself.
//!
//! Supervisors and init scripts written for Apache's server act on its exit codes, so the codes
//! are Apache's (`ExitCode.java`); the messages are for a person and name the setting to change.

use std::io;
use std::path::PathBuf;

use lockkeeper_journal::JournalError;
use lockkeeper_replica::Fault;
use lockkeeper_wire::{DecodeError, Zxid};
use thiserror::Error;

use crate::config::{ConfigError, Listen};

/// The server cannot start; nothing has been answered to any client.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The command line or a configuration file cannot be followed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A directory for data cannot be used.
    #[error("{setting}: cannot use the directory {}; let it name a directory that the server may write", path.display())]
    DataDirectory {
        /// The setting that names the directory.
        setting: &'static str,
        /// The directory.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// Settings that an embedding program has changed do not go together.
    #[error("settings do not go together: {0}")]
    Settings(String),
    /// A file of TLS cannot be used.
    #[error("{setting}: cannot use {}: {reason}", path.display())]
    Certificates {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The files cannot be recovered or written.
    #[error("cannot use the data directory")]
    Journal(#[from] JournalError),
    /// A logged transaction cannot be read although its checksum is right.
    #[error("transaction {zxid} in the log cannot be read: was it written by a newer server?")]
    Transaction {
        /// The transaction.
        zxid: Zxid,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// The system gives no threads.
    #[error("cannot start a thread; raise the limit of processes")]
    Threads {
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// No socket can be opened for clients.
    #[error(
        "cannot listen on {listen}; is another server running there? change clientPort or --listen"
    )]
    Listen {
        /// The address as it was set.
        listen: Listen,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

impl StartError {
    /// The process exit code: 2 for a bad invocation or configuration, 3 for an unusable data
    /// directory, 1 for anything else, as Apache's server exits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(e) => e.exit_code(),
            Self::Certificates { .. } | Self::Settings(_) => 2,
            Self::DataDirectory { .. } | Self::Journal(_) | Self::Transaction { .. } => 3,
            Self::Listen { .. } | Self::Threads { .. } => 1,
        }
    }
}

/// Why a running server ends by itself. What clients have been told is on disk.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The disk failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What is left of the log after a leader had it cut cannot be read.
    #[error("the log cannot be read after it was cut")]
    Reload(#[from] StartError),
    /// The state of this server cannot be right any more.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Other members cannot reach this one to elect a leader.
    #[error(
        "cannot open the election port; is another server running there? change the server line or electionPortBindRetry"
    )]
    ElectionPort {
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

impl Failure {
    /// The process exit code: 14 for the election port, 1 for anything else, as Apache's server
    /// exits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ElectionPort { .. } => 14,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn exit_codes_are_those_supervisors_know() {
        let config = StartError::from(ConfigError::Usage {
            reason: "x".to_owned(),
        });
        let data = StartError::DataDirectory {
            setting: "dataDir",
            path: Path::new("/data").to_owned(),
            source: io::ErrorKind::PermissionDenied.into(),
        };
        let listen = StartError::Listen {
            listen: Listen::loopback(2181),
            source: io::ErrorKind::AddrInUse.into(),
        };
        assert_eq!(
            (config.exit_code(), data.exit_code(), listen.exit_code()),
            (2, 3, 1)
        );
        assert_eq!(
            data.to_string(),
            "dataDir: cannot use the directory /data; let it name a directory that the server may write"
        );
    }
}
