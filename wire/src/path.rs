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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_character_is_a_slash() {
        assert_eq!(check(""), Err(PathError::Empty));
        for path in ["a", "a/", "a/b", ".", " /a", "é"] {
            assert_eq!(check(path), Err(PathError::NotAbsolute), "{path}");
        }
        for path in ["/", "/a", "/a/b", "/zookeeper/config"] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn only_the_root_ends_with_a_slash() {
        assert_eq!(check("/"), Ok(()));
        for path in ["/a/", "/a/b/", "/é/"] {
            assert_eq!(check(path), Err(PathError::TrailingSlash), "{path}");
        }
    }

    #[test]
    fn no_element_is_empty() {
        for (path, at) in [
            ("//", 1),
            ("//a", 1),
            ("/a//b", 3),
            ("/é//b", 4),
            ("/a/b//", 5),
        ] {
            assert_eq!(check(path), Err(PathError::EmptyElement(at)), "{path}");
        }
    }

    #[test]
    fn no_element_is_relative() {
        for (path, at) in [
            ("/.", 1),
            ("/..", 1),
            ("/a/.", 3),
            ("/a/..", 3),
            ("/./a", 1),
            ("/../a", 1),
            ("/a/./b", 3),
            ("/a/../b", 3),
        ] {
            assert_eq!(check(path), Err(PathError::RelativeElement(at)), "{path}");
        }
        for element in [
            ".a", "..a", "a.", "a..", "...", "....", "a.b", "a..b", ". ", " .",
        ] {
            assert_eq!(check(&format!("/{element}")), Ok(()), "{element}");
            assert_eq!(check(&format!("/a/{element}/b")), Ok(()), "{element}");
        }
    }

    /// All of Unicode against the ranges as the rules state them, in UTF-16 code units.
    #[test]
    fn characters_that_are_not_allowed() {
        for c in '\0'..=char::MAX {
            let mut units = [0; 2];
            let refused = c.encode_utf16(&mut units).iter().any(
                |unit| matches!(unit, 0..=0x1f | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..=0xffff),
            );
            // Slash and dot are judged by their place.
            let path = format!("/a{c}a");
            let expected = if refused {
                Err(PathError::Character {
                    code: c.into(),
                    at: 2,
                })
            } else {
                Ok(())
            };
            assert_eq!(check(&path), expected, "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn characters_at_the_ends_of_the_ranges() {
        for c in [' ', '~', '\u{a0}', '\u{d7ff}', '\u{f900}', '\u{ffef}'] {
            assert_eq!(check(&format!("/{c}")), Ok(()), "{c:?}");
        }
        for c in [
            '\0',
            '\u{1}',
            '\u{1f}',
            '\u{7f}',
            '\u{9f}',
            '\u{e000}',
            '\u{f8ff}',
            '\u{fff0}',
            '\u{fffd}',
            '\u{ffff}',
            '\u{10000}',
            '\u{1f600}',
            '\u{10ffff}',
        ] {
            for path in [format!("/{c}"), format!("/{c}/b"), format!("/{c}/")] {
                let error = PathError::Character {
                    code: c.into(),
                    at: 1,
                };
                assert_eq!(check(&path), Err(error), "{c:?}");
            }
        }
    }

    #[test]
    fn a_path_may_be_long() {
        let path = "/a".repeat(500_000);
        assert_eq!(check(&path), Ok(()));
        assert_eq!(check(&format!("/{}", "a".repeat(1_000_000))), Ok(()));
    }

    #[test]
    fn a_number_to_come_makes_up_for_the_end() {
        for path in ["/", "/a/", "/a/.", "/a/..", "/.", "/a"] {
            assert_eq!(check_sequential(path), Ok(()), "{path}");
        }
        assert_eq!(check_sequential("/a//"), Err(PathError::EmptyElement(3)));
        assert_eq!(check_sequential("//"), Err(PathError::EmptyElement(1)));
        assert_eq!(
            check_sequential("/../a"),
            Err(PathError::RelativeElement(1))
        );
        assert_eq!(check_sequential("a"), Err(PathError::NotAbsolute));
        assert!(check_sequential("").is_err());
        assert!(check_sequential("/a\0").is_err());
    }

    #[test]
    fn parents_and_names() {
        for (path, above, last) in [
            ("/a", Some("/"), "a"),
            ("/a/b", Some("/a"), "b"),
            ("/a/b/c", Some("/a/b"), "c"),
            ("/é/ü", Some("/é"), "ü"),
            ("/", None, ""),
            ("", None, ""),
            ("a", None, "a"),
        ] {
            assert_eq!(parent(path), above, "{path}");
            assert_eq!(name(path), last, "{path}");
        }
    }

    #[test]
    fn joins() {
        assert_eq!(join("/", "a"), "/a");
        assert_eq!(join("/a", "b"), "/a/b");
        assert_eq!(join("/a/b", "c-"), "/a/b/c-");
    }

    #[test]
    fn children_are_checked() {
        let root = ZnodePath::new("/").expect("the root");
        let a = root.child("a").expect("a child");
        assert_eq!(a.as_str(), "/a");
        assert_eq!(a.child("b").expect("a child").to_string(), "/a/b");
        assert_eq!(a.child(""), Err(PathError::TrailingSlash));
        assert_eq!(a.child(".."), Err(PathError::RelativeElement(3)));
        assert_eq!(a.child("b/"), Err(PathError::TrailingSlash));
        assert!(a.child("\u{7}").is_err());
    }

    #[test]
    fn no_chroot_changes_nothing() {
        for prefix in ["", "/"] {
            let chroot = Chroot::new(prefix).expect("none");
            assert_eq!(chroot, Chroot::NONE);
            assert_eq!(chroot.as_str(), "");
            for path in ["/", "/a", "/zookeeper/config"] {
                assert_eq!(chroot.prepend(path), path);
                assert_eq!(chroot.strip(&path.into()), Some(path.into()));
            }
        }
    }

    #[test]
    fn chroots_are_checked() {
        for prefix in ["a", "/a/", "/a//b", "/a/..", "//"] {
            assert!(Chroot::new(prefix).is_err(), "{prefix}");
        }
    }

    #[test]
    fn a_chroot_goes_before_and_comes_off() {
        let chroot = Chroot::new("/app/x").expect("a chroot");
        assert_eq!(chroot.as_str(), "/app/x");
        for (path, whole) in [
            ("/", "/app/x"),
            ("/a", "/app/x/a"),
            ("/app/x", "/app/x/app/x"),
            ("/zookeeper", "/app/x/zookeeper"),
        ] {
            assert_eq!(chroot.prepend(path), whole, "{path}");
            assert_eq!(chroot.strip(&whole.into()), Some(path.into()), "{whole}");
        }
        for foreign in ["/", "/app", "/app/xy", "/app/xy/a", "/app/y", "/zookeeper"] {
            assert_eq!(chroot.strip(&foreign.into()), None, "{foreign}");
        }
        for reserved in ["/zookeeper/config", "/zookeeper/quota/a"] {
            assert_eq!(chroot.strip(&reserved.into()), Some(reserved.into()));
        }
    }

    /// The prefix matters before the reserved subtree does.
    #[test]
    fn a_chroot_in_the_reserved_subtree_comes_off() {
        let chroot = Chroot::new("/zookeeper/quota").expect("a chroot");
        let strip = |path: &str| chroot.strip(&path.into());
        assert_eq!(strip("/zookeeper/quota/a"), Some("/a".into()));
        assert_eq!(strip("/zookeeper/config"), Some("/zookeeper/config".into()));
    }

    fn path() -> impl Strategy<Value = String> {
        prop_oneof![Just("/".to_owned()), "(/[a-z.é]{3,6}){1,4}"]
    }

    proptest! {
        #[test]
        fn strip_undoes_prepend(prefix in path(), path in path()) {
            let chroot = Chroot::new(&prefix).expect("a chroot");
            let whole = chroot.prepend(&path);
            prop_assert_eq!(check(&whole), Ok(()));
            prop_assert_eq!(chroot.strip(&whole), Some(path.as_str().into()));
        }

        #[test]
        fn join_undoes_parent_and_name(path in "(/[a-z.é]{3,6}){1,4}") {
            let above = parent(&path).expect("not the root");
            prop_assert_eq!(check(above), Ok(()));
            prop_assert_eq!(join(above, name(&path)), path);
        }

        #[test]
        fn nothing_panics(path in any::<String>(), prefix in any::<String>()) {
            let _ = (check(&path), check_sequential(&path), parent(&path), name(&path));
            if let Ok(chroot) = Chroot::new(&prefix) {
                chroot.strip(&path.as_str().into());
            }
        }
    }
}
