//! Access lists: what may be stored, who passes, what getACL shows, and what proves an identity.

mod common;

use std::net::IpAddr;

use bytes::BytesMut;
use common::{
    Server, acl_of, create, create_with, delete, local, multi, read_as, set, set_acl, watch,
};
use lockkeeper_store::{Identities, Reader, address_identity, authenticate, digest_identity};
use lockkeeper_wire::acl::{ADMIN, ALL, CREATE, DELETE, READ, WRITE};
use lockkeeper_wire::multi::{MultiOp, MultiResult};
use lockkeeper_wire::reply::{GetAclResponse, GetDataResponse, WhoAmIResponse};
use lockkeeper_wire::request::{CreateRequest, PathOnly};
use lockkeeper_wire::{Acl, ErrorCode, Id, Request};

const ALICE: &str = "alice:V55/p2T0OpjQ+low3NVAH4aLvm0=";

fn proven(identities: &Identities, credential: &str) -> Identities {
    authenticate(
        identities,
        Some("digest"),
        Some(credential.as_bytes()),
        None,
    )
    .expect("any credential proves something")
}

fn alice() -> Identities {
    proven(&local(), "alice:pw")
}

fn superuser() -> Identities {
    let digest = digest_identity(b"super:secret").id.to_string();
    authenticate(
        &local(),
        Some("digest"),
        Some(b"super:secret"),
        Some(&digest),
    )
    .expect("the super credential")
}

/// What is stored of a list that a connection with these identities gives.
fn stored(acl: Option<Vec<Acl>>, identities: &Identities) -> Result<Vec<Acl>, ErrorCode> {
    let mut server = Server::new();
    let request = Request::Create(CreateRequest {
        acl,
        ..common::body("/a", 0)
    });
    server.run_as(identities, &request)?;
    Ok(acl_of(&server.store, "/a"))
}

#[test]
fn a_list_is_stored_without_duplicates_and_with_auth_expanded() {
    let open = Acl::new(ALL, "world", "anyone");
    let read = Acl::new(READ, "world", "anyone");
    let ip = Acl::new(READ, "ip", "10.0.0.0/8");
    let of_alice = |perms| Acl::new(perms, "digest", ALICE);
    let auth = |perms| Acl::new(perms, "auth", "ignored");
    let both = proven(&alice(), "bob");
    let bob = digest_identity(b"bob");
    let of_bob = Acl {
        perms: READ,
        id: bob.clone(),
    };
    let odd = Acl::new(i32::MIN, "world", "anyone");
    let none = Acl::new(0, "world", "anyone");
    let cases = [
        (vec![open.clone()], alice(), vec![open.clone()]),
        (
            vec![read.clone(), ip.clone(), read.clone()],
            alice(),
            vec![read.clone(), ip.clone()],
        ),
        (
            vec![open.clone(), open.clone()],
            alice(),
            vec![open.clone()],
        ),
        (vec![ip.clone(), open.clone()], alice(), vec![ip, open]),
        (vec![auth(ALL)], alice(), vec![of_alice(ALL)]),
        (vec![auth(READ)], both, vec![of_alice(READ), of_bob]),
        // What the expansion gives is not compared with the rest.
        (
            vec![of_alice(READ), auth(READ)],
            alice(),
            vec![of_alice(READ), of_alice(READ)],
        ),
        (
            vec![auth(ALL)],
            superuser(),
            vec![Acl {
                perms: ALL,
                id: digest_identity(b"super:secret"),
            }],
        ),
        // Bits that mean nothing are kept.
        (vec![odd.clone(), none.clone()], alice(), vec![odd, none]),
    ];
    for (given, identities, expected) in cases {
        assert_eq!(
            stored(Some(given.clone()), &identities),
            Ok(expected),
            "{given:?}"
        );
    }
}

#[test]
fn a_list_that_is_not_valid_is_refused() {
    let one = |scheme: &str, id: &str| Some(vec![Acl::new(READ, scheme, id)]);
    let null_scheme = Acl {
        perms: READ,
        id: Id {
            scheme: None,
            id: "anyone".into(),
        },
    };
    let cases = [
        None,
        Some(vec![]),
        one("auth", ""),
        one("world", "someone"),
        one("world", ""),
        one("super", ""),
        one("sasl", "alice"),
        one("x509", "CN=alice"),
        one("nonsense", "alice"),
        one("", ""),
        Some(vec![null_scheme]),
        Some(vec![
            Acl::new(ALL, "world", "anyone"),
            Acl::new(ALL, "nonsense", ""),
        ]),
        one("digest", "ab"),
        one("digest", "a:"),
        one("digest", ":"),
        one("digest", ""),
        one("digest", "a:b:c"),
        one("ip", ""),
        one("ip", "localhost"),
        one("ip", "10.0.0"),
        one("ip", "10.0.0.256"),
        one("ip", "10.0.0.0/33"),
        one("ip", "10.0.0.0/-1"),
        one("ip", "10.0.0.0/"),
        one("ip", "10.0.0.0/8/8"),
        one("ip", "::1/129"),
        one("ip", "::g"),
    ];
    for acl in cases {
        assert_eq!(
            stored(acl.clone(), &local()),
            Err(ErrorCode::INVALID_ACL),
            "{acl:?}"
        );
        let mut server = Server::new();
        let request = set_acl("/", acl.unwrap_or_default(), -1);
        assert_eq!(server.err(&request), ErrorCode::INVALID_ACL);
    }
    // Java's split drops what is empty at the end, so these are two parts.
    for id in ["a:b", ":b", "a:b:"] {
        assert!(stored(one("digest", id), &local()).is_ok(), "{id}");
    }
}

/// Whether a connection from an address may read what an `ip` entry protects.
fn admits(entry: &str, address: &str) -> bool {
    let mut server = Server::new();
    server.must(&create_with("/a", vec![Acl::new(READ, "ip", entry)]));
    let address: IpAddr = address.parse().expect("an address");
    let request = Request::GetData(watch("/a"));
    read_as::<GetDataResponse>(&server.store, &address_identity(address), false, &request).is_ok()
}

#[test]
fn networks_admit_the_addresses_in_them() {
    for (entry, address, expected) in [
        ("10.1.2.3", "10.1.2.3", true),
        ("10.1.2.3", "10.1.2.4", false),
        ("10.1.2.3/32", "10.1.2.3", true),
        ("10.1.2.3/32", "10.1.2.2", false),
        ("10.1.2.3/31", "10.1.2.2", true),
        ("10.1.2.3/8", "10.255.255.255", true),
        ("10.1.2.3/8", "11.0.0.0", false),
        ("10.1.2.3/9", "10.127.0.1", true),
        ("10.1.2.3/9", "10.128.0.1", false),
        ("128.0.0.0/1", "255.0.0.1", true),
        ("128.0.0.0/1", "127.0.0.1", false),
        ("10.1.2.3/0", "192.168.0.1", true),
        ("0.0.0.0/0", "::1", false),
        ("::1", "::1", true),
        ("::1", "0:0:0:0:0:0:0:1", true),
        ("::1", "::2", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("2001:db8::1/127", "2001:db8::", true),
        ("2001:db8::1/128", "2001:db8::", false),
        ("::/0", "2001:db8::1", true),
        ("::/0", "10.0.0.1", false),
        // A socket for both families shows an IPv4 peer in the form of IPv6.
        ("10.0.0.0/8", "::ffff:10.0.0.1", true),
        ("::/0", "::ffff:10.0.0.1", false),
    ] {
        assert_eq!(admits(entry, address), expected, "{entry} {address}");
    }
}

#[test]
fn an_entry_admits_by_bit_and_identity() {
    let bob = proven(&local(), "bob:pw");
    let nobody: Identities = [].into();
    let of_alice = |perms| vec![Acl::new(perms, "digest", ALICE)];
    let world = |perms| vec![Acl::new(perms, "world", "anyone")];
    let cases = [
        (world(READ), nobody.clone(), true),
        (world(ALL & !READ), alice(), false),
        (world(0), alice(), false),
        (world(0), superuser(), true),
        (of_alice(READ), alice(), true),
        (of_alice(READ), bob.clone(), false),
        (of_alice(READ), local(), false),
        (of_alice(READ), superuser(), true),
        (of_alice(ALL & !READ), alice(), false),
        // Bits of different entries add up to nothing; one entry must have both.
        ([of_alice(WRITE), world(CREATE)].concat(), alice(), false),
        ([of_alice(WRITE), world(READ)].concat(), bob, true),
    ];
    for (acl, identities, expected) in cases {
        let mut server = Server::new();
        server.must(&create_with("/a", acl.clone()));
        let request = Request::GetData(watch("/a"));
        let answer = read_as::<GetDataResponse>(&server.store, &identities, false, &request);
        let expected = expected.then_some(()).ok_or(ErrorCode::NO_AUTH);
        assert_eq!(answer.map(|_| ()), expected, "{acl:?} {identities:?}");
        let skipped = read_as::<GetDataResponse>(&server.store, &identities, true, &request);
        assert!(skipped.is_ok());
    }
}

/// The one bit that each write needs, and on which znode.
#[test]
fn each_write_needs_its_bit() {
    let child = |name: &str| format!("/p/{name}");
    let writes = [
        (CREATE, create(&child("new"), 0)),
        (CREATE, create(&child("new"), 2)),
        (DELETE, delete(&child("a"), -1)),
        (WRITE, set("/p", "", -1)),
        (ADMIN, set_acl("/p", Acl::open(), -1)),
        (READ, multi(vec![MultiOp::Check(common::at("/p", -1))])),
    ];
    for (needed, request) in writes {
        for bit in [READ, WRITE, CREATE, DELETE, ADMIN] {
            for skip_acl in [false, true] {
                let mut server = Server::new();
                server.must(&create("/p", 0));
                server.must(&create_with("/p/a", vec![Acl::new(bit, "world", "anyone")]));
                server.must(&set_acl("/p", vec![Acl::new(bit, "world", "anyone")], -1));
                server.settings.skip_acl = skip_acl;
                let code = match server.run(&request) {
                    Ok(lockkeeper_wire::Response::Multi(reply)) => match reply.results[..] {
                        [MultiResult::Error(code)] => code,
                        _ => ErrorCode::OK,
                    },
                    outcome => outcome.err().unwrap_or(ErrorCode::OK),
                };
                let allowed = bit == needed || skip_acl;
                let expected = if allowed {
                    ErrorCode::OK
                } else {
                    ErrorCode::NO_AUTH
                };
                assert_eq!(code, expected, "{request:?} {bit}");
            }
        }
    }
}

#[test]
fn each_read_needs_read_and_get_acl_takes_admin_too() {
    let path = || PathOnly { path: "/a".into() };
    let reads = [
        (READ, Request::GetData(watch("/a"))),
        (READ, Request::Exists(watch("/a"))),
        (READ, Request::GetChildren(watch("/a"))),
        (READ, Request::GetChildren2(watch("/a"))),
        (READ, Request::GetAllChildrenNumber(path())),
        (READ | ADMIN, Request::GetAcl(path())),
    ];
    for bit in [READ, WRITE, CREATE, DELETE, ADMIN] {
        let mut server = Server::new();
        server.must(&create_with("/a", vec![Acl::new(bit, "world", "anyone")]));
        for (needed, request) in &reads {
            let reader = Reader {
                session: common::SESSION,
                identities: &local(),
                skip_acl: false,
            };
            let mut out = BytesMut::new();
            let expected = match needed & bit {
                0 => Err(ErrorCode::NO_AUTH),
                _ => Ok(()),
            };
            let answer = server.store.read(request, reader, &mut out);
            assert_eq!(answer, expected, "{request:?} {bit}");
            assert_eq!(out.is_empty(), answer.is_err());
        }
    }
}

#[test]
fn get_acl_hides_digests_from_who_may_not_administer() {
    let whole = vec![
        Acl::new(READ, "world", "anyone"),
        Acl::new(READ, "ip", "10.0.0.0/8"),
        Acl::new(READ, "digest", "bob:hash"),
        Acl::new(ALL, "digest", ALICE),
    ];
    let mut hidden = whole.clone();
    hidden[2].id.id = "bob:x".into();
    hidden[3].id.id = "alice:x".into();
    let mut server = Server::new();
    server.must(&create_with("/a", whole.clone()));
    let request = Request::GetAcl(PathOnly { path: "/a".into() });
    let shown = |identities: &Identities, skip_acl| {
        read_as::<GetAclResponse>(&server.store, identities, skip_acl, &request).map(|r| r.acl)
    };
    assert_eq!(shown(&local(), false), Ok(hidden));
    assert_eq!(shown(&local(), true), Ok(whole.clone()));
    assert_eq!(shown(&alice(), false), Ok(whole.clone()));
    assert_eq!(shown(&superuser(), false), Ok(whole));
}

#[test]
fn a_digest_is_the_user_and_a_hash_of_all() {
    for (credential, id) in [
        (&b"alice:pw"[..], ALICE),
        (b"super:secret", "super:lK75jTNcA+U9vtVEw5vB51mj/w4="),
        (b"", ":2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
        (b"bob", "bob:SBgazSKz7a68ikR4aKfffOYpkgo="),
        // Text that is no UTF-8 is hashed as Java reads it.
        (b"\xff", "\u{fffd}:m9t3J2wYUuH7BnggRygS/PYIQCQ="),
    ] {
        assert_eq!(digest_identity(credential), Id::new("digest", id));
    }
}

#[test]
fn an_auth_packet_adds_what_it_proves() {
    let refused = [
        (Some("digest"), None),
        (Some("world"), Some(&b"anyone"[..])),
        (Some("sasl"), Some(b"x")),
        (Some("nonsense"), Some(b"x")),
        (Some("super"), Some(b"")),
        (None, Some(b"alice:pw")),
        (None, None),
    ];
    for (scheme, credential) in refused {
        let answer = authenticate(&local(), scheme, credential, None);
        assert_eq!(answer, Err(ErrorCode::AUTH_FAILED), "{scheme:?}");
    }
    let ip = authenticate(&local(), Some("ip"), None, None).expect("always there");
    assert_eq!(ip, local());
    let both = proven(&alice(), "bob:pw");
    assert_eq!(both.len(), 3);
    assert_eq!(proven(&both, "alice:pw"), both, "a second time is harmless");
    assert!(superuser().contains(&Id::new("super", "")));
    let wrong = authenticate(&local(), Some("digest"), Some(b"super:wrong"), Some(ALICE));
    assert!(
        !wrong
            .expect("a digest all the same")
            .contains(&Id::new("super", ""))
    );
}

#[test]
fn who_am_i_names_users_without_their_hash() {
    let server = Server::new();
    let identities = proven(&superuser(), "alice:pw");
    let reply: WhoAmIResponse =
        read_as(&server.store, &identities, false, &Request::WhoAmI).expect("never refused");
    let mut shown: Vec<_> = reply
        .identities
        .iter()
        .map(|info| format!("{}={}", info.scheme, info.user))
        .collect();
    shown.sort();
    assert_eq!(
        shown,
        ["digest=alice", "digest=super", "ip=127.0.0.1", "super="]
    );
}
