//! Access control lists.

use crate::codec::{ByteStr, record};

/// Permission to read data, children and the ACL, and to receive events.
pub const READ: i32 = 1;
/// Permission to set data.
pub const WRITE: i32 = 2;
/// Permission to create children.
pub const CREATE: i32 = 4;
/// Permission to delete children.
pub const DELETE: i32 = 8;
/// Permission to set the ACL.
pub const ADMIN: i32 = 16;
/// Every permission.
pub const ALL: i32 = 31;

record! {
    /// Who: a scheme and what it calls somebody.
    #[derive(PartialOrd, Ord, Hash)]
    pub struct Id {
        /// `world`, `auth`, `digest`, `ip`, ...; null is legal on the wire and never valid.
        pub scheme: Option<ByteStr>,
        /// The scheme's own notation.
        pub id: ByteStr,
    }

    /// One entry of an ACL: permission bits for an id.
    #[derive(PartialOrd, Ord, Hash)]
    pub struct Acl {
        /// [`READ`] and the others, or'ed; unknown bits are kept.
        pub perms: i32,
        /// Whom they are given to.
        pub id: Id,
    }
}

impl Id {
    /// An id of a scheme.
    pub fn new(scheme: impl Into<ByteStr>, id: impl Into<ByteStr>) -> Self {
        Self {
            scheme: Some(scheme.into()),
            id: id.into(),
        }
    }

    /// The scheme, empty when null.
    pub fn scheme(&self) -> &str {
        self.scheme.as_deref().unwrap_or_default()
    }
}

impl Acl {
    /// Permission bits for an id of a scheme.
    pub fn new(perms: i32, scheme: impl Into<ByteStr>, id: impl Into<ByteStr>) -> Self {
        Self {
            perms,
            id: Id::new(scheme, id),
        }
    }

    /// `world:anyone` with every permission: no protection at all.
    pub fn open() -> Vec<Acl> {
        vec![Self {
            perms: ALL,
            id: Id {
                scheme: Some(ByteStr::from_static("world")),
                id: ByteStr::from_static("anyone"),
            },
        }]
    }

    /// `world:anyone` may read.
    pub fn read_only() -> Vec<Acl> {
        vec![Self::new(READ, "world", "anyone")]
    }

    /// Every permission for whoever is authenticated on the creating connection.
    pub fn creator_all() -> Vec<Acl> {
        vec![Self::new(ALL, "auth", "")]
    }
}
