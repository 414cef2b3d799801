//! Who may do what: identities, access lists, and the only place that says yes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use sha1::{Digest as _, Sha1};

use lockkeeper_wire::acl::{ADMIN, ALL, READ};
use lockkeeper_wire::{Acl, ByteStr, ErrorCode, Id};

/// The scheme that everybody has.
const WORLD: &str = "world";
/// The only id of [`WORLD`].
const ANYONE: &str = "anyone";

/// Somebody's identities on one connection: the address it comes from and what `auth` has added.
pub type Identities = Arc<[Id]>;

/// An access list as the tree keeps it. `None` is `world:anyone` with every permission, the list
/// that nearly every znode has; it stands as -1 in snapshots.
pub type AclRef = Option<Arc<[Acl]>>;

/// The list that says the same in fewer bytes.
pub(crate) fn compact(acl: &[Acl]) -> AclRef {
    match acl {
        [only] if only.perms == ALL && is_anyone(&only.id) => None,
        _ => Some(acl.into()),
    }
}

/// The list written out.
pub(crate) fn expand(acl: &AclRef) -> Vec<Acl> {
    acl.as_deref().map_or_else(Acl::open, <[Acl]>::to_vec)
}

fn is_anyone(id: &Id) -> bool {
    id.scheme() == WORLD && id.id == ANYONE
}

/// Whether one of the identities has one of the permissions, or is super.
pub(crate) fn is_allowed(acl: &AclRef, perms: i32, identities: &[Id]) -> bool {
    let Some(acl) = acl.as_deref() else {
        return perms & ALL != 0;
    };
    identities.iter().any(|id| id.scheme() == "super")
        || acl.iter().any(|entry| {
            entry.perms & perms != 0
                && (is_anyone(&entry.id) || identities.iter().any(|id| matches(&entry.id, id)))
        })
}

/// [`is_allowed`] as a result with the code of a refusal.
pub(crate) fn require(acl: &AclRef, perms: i32, identities: &[Id]) -> Result<(), ErrorCode> {
    if is_allowed(acl, perms, identities) {
        Ok(())
    } else {
        Err(ErrorCode::NO_AUTH)
    }
}

fn matches(entry: &Id, identity: &Id) -> bool {
    if entry.scheme() != identity.scheme() {
        return false;
    }
    match entry.scheme() {
        "ip" => parse_network(&entry.id)
            .zip(identity.id.parse().ok())
            .is_some_and(|(network, address)| network.contains(address)),
        _ => entry.id == identity.id,
    }
}

/// Makes the list of a create or setACL into one to store, or says that it is not valid.
///
/// Exact duplicates go; `auth` becomes one entry for each authenticated identity.
pub(crate) fn resolve(acl: Option<&[Acl]>, identities: &[Id]) -> Result<Vec<Acl>, ErrorCode> {
    let mut seen = BTreeSet::new();
    let entries = acl.unwrap_or_default().iter();
    let wanted: Vec<&Acl> = entries.filter(|&entry| seen.insert(entry)).collect();
    if wanted.is_empty() {
        return Err(ErrorCode::INVALID_ACL);
    }
    let mut resolved = Vec::with_capacity(wanted.len());
    for entry in wanted {
        match entry.id.scheme() {
            WORLD if is_anyone(&entry.id) => resolved.push(entry.clone()),
            "auth" => {
                let before = resolved.len();
                let authenticated = identities.iter().filter(|id| is_authenticated(id));
                resolved.extend(authenticated.map(|id| Acl {
                    perms: entry.perms,
                    id: id.clone(),
                }));
                if resolved.len() == before {
                    return Err(ErrorCode::INVALID_ACL);
                }
            }
            "digest" if is_digest_id(&entry.id.id) => resolved.push(entry.clone()),
            "ip" if parse_network(&entry.id.id).is_some() => resolved.push(entry.clone()),
            _ => return Err(ErrorCode::INVALID_ACL),
        }
    }
    Ok(resolved)
}

/// Whether `auth` in a list stands for this identity: an address is nobody's proof.
fn is_authenticated(id: &Id) -> bool {
    id.scheme() == "digest"
}

/// Two parts around a colon, where empty ones at the end do not count: what Java's `split` gives.
fn is_digest_id(id: &str) -> bool {
    id.trim_end_matches(':').split(':').count() == 2
}

struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let shift = 32 - self.bits;
                u32::from(a).checked_shr(shift) == u32::from(b).checked_shr(shift)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let shift = 128 - self.bits;
                u128::from(a).checked_shr(shift) == u128::from(b).checked_shr(shift)
            }
            _ => false,
        }
    }
}

fn parse_network(text: &str) -> Option<Network> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(bits_max), |bits| bits.parse().ok())?;
    (bits <= bits_max).then_some(Network { address, bits })
}

/// What getACL shows: without the right to administer the znode, digests are hidden.
pub(crate) fn shown(acl: &AclRef, identities: &[Id]) -> Vec<Acl> {
    let mut entries = expand(acl);
    if !is_allowed(acl, ADMIN, identities) {
        for entry in &mut entries {
            if entry.id.scheme() == "digest" {
                let user = entry.id.id.split(':').next().unwrap_or_default();
                entry.id.id = format!("{user}:x").into();
            }
        }
    }
    entries
}

/// Checks that getACL is permitted: reading or administering will do.
pub(crate) fn require_acl_read(acl: &AclRef, identities: &[Id]) -> Result<(), ErrorCode> {
    require(acl, READ | ADMIN, identities)
}

/// The identity that a digest credential `user:password` proves
/// (`DigestAuthenticationProvider.generateDigest`). What is not UTF-8 in it is replaced first, as
/// Java does on reading.
pub fn digest_identity(credential: &[u8]) -> Id {
    let credential = String::from_utf8_lossy(credential);
    let user = credential.split(':').next().unwrap_or_default();
    let hash = Sha1::digest(credential.as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(hash);
    Id::new("digest", format!("{user}:{hash}"))
}

/// Adds the identities that an `auth` packet proves.
///
/// `super_digest` is the `user:hash` that stands above every list. The error is the code to answer
/// with before closing: an unknown scheme, a missing credential, or one that proves nothing.
pub fn authenticate(
    identities: &Identities,
    scheme: Option<&str>,
    credential: Option<&[u8]>,
    super_digest: Option<&str>,
) -> Result<Identities, ErrorCode> {
    let mut added = Vec::new();
    match (scheme, credential) {
        (Some("digest"), Some(credential)) => {
            let id = digest_identity(credential);
            if super_digest.is_some_and(|digest| id.id == digest) {
                added.push(Id::new("super", ""));
            }
            added.push(id);
        }
        // The address is an identity from the start.
        (Some("ip"), _) => {}
        _ => return Err(ErrorCode::AUTH_FAILED),
    }
    added.retain(|id| !identities.contains(id));
    Ok(identities.iter().cloned().chain(added).collect())
}

/// The identities of a connection nobody has authenticated yet: its address.
///
/// An IPv4 address that a socket for both families shows in the form of IPv6 is one of IPv4.
pub fn address_identity(address: IpAddr) -> Identities {
    [Id::new("ip", address.to_canonical().to_string())].into()
}

/// What whoAmI calls an identity.
pub(crate) fn user_of(id: &Id) -> ByteStr {
    match id.scheme() {
        "digest" => id.id.split(':').next().unwrap_or_default().into(),
        _ => id.id.clone(),
    }
}
