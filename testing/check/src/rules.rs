//! The single checks that the naive model makes; [`crate::tree`] puts them in order.

use std::collections::BTreeSet;

use lockkeeper_wire::{Acl, ErrorCode, Id};

pub(crate) fn parent_of(path: &str) -> Result<&str, ErrorCode> {
    match path.rfind('/') {
        None => Err(ErrorCode::BAD_ARGUMENTS),
        Some(0) => Ok("/"),
        Some(at) => Ok(&path[..at]),
    }
}

pub(crate) fn check_path(path: &str) -> Result<(), ErrorCode> {
    let legal = path == "/"
        || path.starts_with('/')
            && path[1..]
                .split('/')
                .all(|element| !["", ".", ".."].contains(&element));
    legal.then_some(()).ok_or(ErrorCode::BAD_ARGUMENTS)
}

pub(crate) fn check_version(expected: i32, current: i32) -> Result<(), ErrorCode> {
    (expected == -1 || expected == current)
        .then_some(())
        .ok_or(ErrorCode::BAD_VERSION)
}

pub(crate) fn may(acl: &[Acl], perm: i32, identities: &[Id]) -> Result<(), ErrorCode> {
    let is_super = identities.contains(&Id::new("super", ""));
    let granted = acl.iter().any(|entry| {
        entry.perms & perm != 0
            && (entry.id == Id::new("world", "anyone") || identities.contains(&entry.id))
    });
    (is_super || granted)
        .then_some(())
        .ok_or(ErrorCode::NO_AUTH)
}

/// Knows world, auth and digest, which is all that random writes use.
pub(crate) fn expand(acl: &Option<Vec<Acl>>, identities: &[Id]) -> Result<Vec<Acl>, ErrorCode> {
    let mut expanded = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in acl.as_deref().unwrap_or_default() {
        if !seen.insert(entry) {
            continue;
        }
        if entry.id.scheme() == "auth" {
            let digests = identities.iter().filter(|id| id.scheme() == "digest");
            if digests.clone().count() == 0 {
                return Err(ErrorCode::INVALID_ACL);
            }
            expanded.extend(digests.map(|id| Acl::new(entry.perms, id.scheme(), &*id.id)));
        } else {
            expanded.push(entry.clone());
        }
    }
    (!expanded.is_empty())
        .then_some(expanded)
        .ok_or(ErrorCode::INVALID_ACL)
}
