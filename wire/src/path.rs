//! Znode paths: the rules of Apache's servers, checked once, and the arithmetic of chroots.

use thiserror::Error;

use crate::codec::ByteStr;

/// Why a text is not a znode path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// The text is empty.
    #[error("path is empty: the root is \"/\"")]
    Empty,
    /// The first character is not a slash.
    #[error("path must start with \"/\"")]
    NotAbsolute,
    /// The last character of a longer path is a slash.
    #[error("path must not end with \"/\"")]
    TrailingSlash,
    /// Two slashes in a row.
    #[error("path has an empty element at byte {0}")]
    EmptyElement(usize),
    /// An element is `.` or `..`.
    #[error("path has a relative element at byte {0}")]
    RelativeElement(usize),
    /// A character that ZooKeeper refuses: controls, surrogates, private use, specials.
    #[error("path has the character U+{code:04X} at byte {at}, which ZooKeeper does not allow")]
    Character {
        /// The character.
        code: u32,
        /// Where it stands.
        at: usize,
    },
}

/// Checks a text against the rules for paths (`PathUtils.validatePath`).
///
/// A character outside the basic plane counts as two surrogates and is refused.
pub fn check(path: &str) -> Result<(), PathError> {
    let Some(elements) = path.strip_prefix('/') else {
        return Err(if path.is_empty() {
            PathError::Empty
        } else {
            PathError::NotAbsolute
        });
    };
    if elements.is_empty() {
        return Ok(());
    }
    if let Some((at, code)) = path.char_indices().find(|&(_, c)| !is_allowed(c)) {
        return Err(PathError::Character {
            code: code.into(),
            at,
        });
    }
    let mut at = 1;
    for element in elements.split('/') {
        match element {
            "" if at == path.len() => return Err(PathError::TrailingSlash),
            "" => return Err(PathError::EmptyElement(at)),
            "." | ".." => return Err(PathError::RelativeElement(at)),
            _ => at += element.len() + 1,
        }
    }
    Ok(())
}

/// Checks a path given to a sequential create, where the number appended makes a trailing slash or
/// a last element of dots legal.
pub fn check_sequential(path: &str) -> Result<(), PathError> {
    let mut numbered = String::with_capacity(path.len() + 1);
    numbered.push_str(path);
    numbered.push('1');
    check(&numbered)
}

fn is_allowed(c: char) -> bool {
    !matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..)
}

/// The path above: `None` for the root and for a text without a slash.
pub fn parent(path: &str) -> Option<&str> {
    match path.rfind('/')? {
        0 if path.len() == 1 => None,
        0 => Some("/"),
        at => Some(&path[..at]),
    }
}

/// The last element: what stands behind the last slash.
pub fn name(path: &str) -> &str {
    path.rfind('/').map_or(path, |at| &path[at + 1..])
}

/// Joins a parent and a child's name.
pub fn join(parent: &str, name: &str) -> String {
    let mut path = String::with_capacity(parent.len() + 1 + name.len());
    path.push_str(parent.strip_suffix('/').unwrap_or(parent));
    path.push('/');
    path.push_str(name);
    path
}

/// A path that has passed [`check`]; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZnodePath(ByteStr);

impl ZnodePath {
    /// Checks and keeps a path.
    pub fn new(path: impl Into<ByteStr>) -> Result<Self, PathError> {
        let path = path.into();
        check(&path)?;
        Ok(Self(path))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of a child.
    pub fn child(&self, name: &str) -> Result<Self, PathError> {
        Self::new(join(&self.0, name))
    }
}

impl std::fmt::Display for ZnodePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ZnodePath> for ByteStr {
    fn from(path: ZnodePath) -> Self {
        path.0
    }
}

/// A prefix that a client puts before its paths and takes off those that come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chroot(Option<ByteStr>);

impl Chroot {
    /// No prefix.
    pub const NONE: Chroot = Chroot(None);

    /// Checks a prefix; empty and `/` stand for none.
    pub fn new(prefix: &str) -> Result<Self, PathError> {
        match prefix {
            "" | "/" => Ok(Self::NONE),
            _ => ZnodePath::new(prefix).map(|path| Self(Some(path.into()))),
        }
    }

    /// The prefix, empty for none.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// The server's path for a client's.
    pub fn prepend(&self, path: &str) -> ByteStr {
        match &self.0 {
            None => path.into(),
            Some(prefix) if path == "/" => prefix.clone(),
            Some(prefix) => format!("{prefix}{path}").into(),
        }
    }

    /// The client's path for a server's, or `None` for one that is not below the prefix.
    ///
    /// Paths below `/zookeeper` are no client's and are left as they are.
    pub fn strip(&self, path: &ByteStr) -> Option<ByteStr> {
        let Some(prefix) = &self.0 else {
            return Some(path.clone());
        };
        match path.strip_prefix(&**prefix) {
            Some("") => Some(ByteStr::from_static("/")),
            Some(rest) if rest.starts_with('/') => Some(rest.into()),
            _ if path.starts_with("/zookeeper/") => Some(path.clone()),
            _ => None,
        }
    }
}
