//! What is told to the operator about a setting: where it stands, and what is wrong with it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A setting as the operator wrote it.
///
/// Printed as `conf/zoo.cfg:3: tickTime=0`, as `--tick-time 0`, or, when it is missing, as
/// `conf/zoo.cfg: dataDir is not set`. Values of secrets are never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Where it stands.
    pub origin: Origin,
    /// Its name as written, dashes included.
    pub key: String,
    /// Its value as written; none if it is not set.
    pub value: Option<String>,
}

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// In the arguments of the process.
    CommandLine,
    /// In a file; line 0 stands for the whole file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// A configuration that the server refuses to start with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value has no meaning, or contradicts another setting.
    #[error("{setting}: {need}")]
    Invalid {
        /// The setting.
        setting: Box<Setting>,
        /// What it has to be.
        need: String,
    },
    /// A properties file breaks the format.
    #[error("{}:{line}: \\u must be followed by four hexadecimal digits; write a backslash as \\\\", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The file that says which member the server is does not say so.
    #[error("{}: {need}", path.display())]
    MyId {
        /// The file.
        path: PathBuf,
        /// What it has to be.
        need: String,
    },
    /// A file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// A setting asks for what this server does not do, and to go on without it would be unsafe.
    #[error("{setting}: {instead}")]
    Unsupported {
        /// The setting.
        setting: Box<Setting>,
        /// What is missing and what to change.
        instead: String,
    },
    /// The arguments do not form a command.
    #[error("{reason}; --help shows the usage")]
    Usage {
        /// What is wrong with them.
        reason: String,
    },
}

/// Something the operator should know about a setting that is followed, or not, all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The setting.
    pub setting: Setting,
    /// What sort of news it is.
    pub kind: WarningKind,
    /// A sentence without the setting's name.
    pub text: String,
}

/// Sorts of [`Warning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// Followed with another value than written, or differently from Apache's server.
    Adjusted,
    /// Has no effect, and none is missed.
    Ignored,
    /// Has no effect, because this server lacks what it asks for.
    Missing,
    /// Opens the server or its data to anyone who can reach it.
    Open,
    /// May lose acknowledged writes.
    Unsafe,
    /// Not a setting of this server or of Apache's.
    Unknown,
}

impl ConfigError {
    /// The process exit code, 2: Apache's for a bad invocation or configuration.
    pub fn exit_code(&self) -> u8 {
        2
    }

    pub(super) fn invalid(setting: Setting, need: impl Into<String>) -> Self {
        Self::Invalid {
            setting: Box::new(setting),
            need: need.into(),
        }
    }

    pub(super) fn unsupported(setting: Setting, instead: impl Into<String>) -> Self {
        Self::Unsupported {
            setting: Box::new(setting),
            instead: instead.into(),
        }
    }

    pub(super) fn usage(reason: impl Into<String>) -> Self {
        Self::Usage {
            reason: reason.into(),
        }
    }
}

impl Setting {
    /// A setting of the command line.
    pub(super) fn argument(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            origin: Origin::CommandLine,
            key: key.into(),
            value: Some(value.into()),
        }
    }

    /// The value, or nothing.
    pub(super) fn value(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let separator = match &self.origin {
            Origin::File { path, line: 0 } => {
                write!(f, "{}: ", path.display())?;
                "="
            }
            Origin::File { path, line } => {
                write!(f, "{}:{line}: ", path.display())?;
                "="
            }
            Origin::CommandLine => " ",
        };
        match &self.value {
            Some(value) => write!(f, "{key}{separator}{value}"),
            None => write!(f, "{key} is not set"),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.text)
    }
}
