//! The one place where a chroot meets requests, replies and errors.
//!
//! Tables and frames hold the server's paths; callers see their own. Two reserved names go as they
//! are: reads of `/zookeeper/config`, which is the ensemble's and lies outside every chroot, and the
//! delete of `/`, which must be refused by the server and not take the chroot itself away. A
//! sequential create below `/` stays inside the chroot, where Java would put it beside.
//!
//! Differing from Apache's Java client, the prefix of getEphemerals and the paths it answers with,
//! and the paths in a multi's results, are translated too.

use lockkeeper_wire::multi::{MultiOp, MultiResult, ReadOp};
use lockkeeper_wire::{ByteStr, Chroot, CreateMode, Request, Response};

/// The configuration znode; no chroot applies to it.
pub const CONFIG_PATH: &str = "/zookeeper/config";

/// Puts the prefix before every path of a request.
pub(crate) fn prepend(chroot: &Chroot, request: &mut Request) {
    if *chroot == Chroot::NONE {
        return;
    }
    let put = |path: &mut ByteStr| *path = chroot.prepend(path);
    match request {
        Request::Create(body) | Request::Create2(body) | Request::CreateContainer(body) => {
            put_created(chroot, &mut body.path, body.flags)
        }
        Request::CreateTtl(body) => put_created(chroot, &mut body.path, body.flags),
        Request::Delete(body) if body.path == "/" => {}
        Request::Delete(body) => put(&mut body.path),
        Request::Exists(body) | Request::GetData(body) if body.path == CONFIG_PATH => {}
        Request::Exists(body)
        | Request::GetData(body)
        | Request::GetChildren(body)
        | Request::GetChildren2(body) => put(&mut body.path),
        Request::SetData(body) => put(&mut body.path),
        Request::GetAcl(body) | Request::GetAllChildrenNumber(body) => put(&mut body.path),
        Request::SetAcl(body) => put(&mut body.path),
        Request::Sync(body) => {
            body.path.iter_mut().for_each(put);
        }
        Request::Multi(body) => body.ops.iter_mut().for_each(|op| match op {
            MultiOp::Create(part) | MultiOp::Create2(part) | MultiOp::CreateContainer(part) => {
                put_created(chroot, &mut part.path, part.flags)
            }
            MultiOp::CreateTtl(part) => put_created(chroot, &mut part.path, part.flags),
            MultiOp::Delete(part) if part.path == "/" => {}
            MultiOp::Delete(_) | MultiOp::SetData(_) | MultiOp::Check(_) => put(op.path_mut()),
        }),
        Request::MultiRead(body) => body.ops.iter_mut().for_each(|op| match op {
            ReadOp::GetData(part) | ReadOp::GetChildren(part) => put(&mut part.path),
            ReadOp::Foreign(part) => put(part.path_mut()),
        }),
        Request::CheckWatches(body) | Request::RemoveWatches(body) => put(&mut body.path),
        Request::GetEphemerals(body) => {
            let prefix = body.prefix.get_or_insert_with(|| ByteStr::from_static("/"));
            put(prefix);
        }
        Request::AddWatch(body) => {
            body.path.iter_mut().for_each(put);
        }
        Request::Ping
        | Request::Reconfig(_)
        | Request::Auth(_)
        | Request::SetWatches(_)
        | Request::SetWatches2(_)
        | Request::Sasl(_)
        | Request::WhoAmI
        | Request::CloseSession => {}
    }
}

/// A number is appended to a sequential path, so the root must keep its slash: the znode belongs
/// into the chroot and not beside it.
fn put_created(chroot: &Chroot, path: &mut ByteStr, flags: i32) {
    let sequential = CreateMode::try_from(flags).is_ok_and(CreateMode::is_sequential);
    *path = if sequential && *path == "/" {
        format!("{}/", chroot.as_str()).into()
    } else {
        chroot.prepend(path)
    };
}

/// Takes the prefix off every path of a reply; a path that is not below it is left as it is.
pub(crate) fn strip(chroot: &Chroot, response: &mut Response) {
    if *chroot == Chroot::NONE {
        return;
    }
    let take = |path: &mut ByteStr| *path = strip_path(chroot, path);
    match response {
        Response::Create(body) => take(&mut body.path),
        Response::Create2(body) => take(&mut body.path),
        Response::Sync(body) => {
            body.path.iter_mut().for_each(take);
        }
        Response::Multi(body) => body.results.iter_mut().for_each(|result| match result {
            MultiResult::Create(part) => take(&mut part.path),
            MultiResult::Create2(part) => take(&mut part.path),
            MultiResult::Delete
            | MultiResult::SetData(_)
            | MultiResult::Check
            | MultiResult::Error(_) => {}
        }),
        // The server compares text, so `/app` also finds what lies below `/apple`.
        Response::GetEphemerals(body) => {
            body.ephemerals = body
                .ephemerals
                .iter()
                .filter_map(|path| chroot.strip(path))
                .collect();
        }
        _ => {}
    }
}

/// The client's path for a server's.
pub(crate) fn strip_path(chroot: &Chroot, path: &ByteStr) -> ByteStr {
    chroot.strip(path).unwrap_or_else(|| path.clone())
}

/// The path a request is about as its caller wrote it, for errors and watches; empty for none.
pub(crate) fn path_of(request: &Request) -> ByteStr {
    match request {
        Request::Create(body) | Request::Create2(body) | Request::CreateContainer(body) => {
            body.path.clone()
        }
        Request::CreateTtl(body) => body.path.clone(),
        Request::Delete(body) => body.path.clone(),
        Request::Exists(body)
        | Request::GetData(body)
        | Request::GetChildren(body)
        | Request::GetChildren2(body) => body.path.clone(),
        Request::SetData(body) => body.path.clone(),
        Request::GetAcl(body) | Request::GetAllChildrenNumber(body) => body.path.clone(),
        Request::SetAcl(body) => body.path.clone(),
        Request::Sync(body) => body.path.clone().unwrap_or_default(),
        Request::CheckWatches(body) | Request::RemoveWatches(body) => body.path.clone(),
        Request::GetEphemerals(body) => body.prefix.clone().unwrap_or_default(),
        Request::AddWatch(body) => body.path.clone().unwrap_or_default(),
        Request::Ping
        | Request::Multi(_)
        | Request::MultiRead(_)
        | Request::Reconfig(_)
        | Request::Auth(_)
        | Request::SetWatches(_)
        | Request::SetWatches2(_)
        | Request::Sasl(_)
        | Request::WhoAmI
        | Request::CloseSession => ByteStr::default(),
    }
}

#[cfg(test)]
mod tests {
    use lockkeeper_wire::multi::MultiRequest;
    use lockkeeper_wire::request::{CreateRequest, PathWatch};
    use proptest::prelude::*;

    use super::*;

    fn create(path: &str, mode: CreateMode) -> CreateRequest {
        CreateRequest {
            path: path.into(),
            data: None,
            acl: None,
            flags: mode.into(),
        }
    }

    fn get(path: &str) -> Request {
        Request::GetData(PathWatch {
            path: path.into(),
            watch: false,
        })
    }

    fn path() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("/".to_owned()),
            "(/[a-c]{1,3}){1,4}",
            "/app(/[a-c]{1,3}){0,2}",
        ]
    }

    proptest! {
        #[test]
        fn what_is_put_on_is_taken_off(prefix in path(), path in path()) {
            let chroot = Chroot::new(&prefix).unwrap();
            let mut request = get(&path);
            prepend(&chroot, &mut request);
            let sent = path_of(&request);
            prop_assert!(sent.starts_with(chroot.as_str()));
            prop_assert!(lockkeeper_wire::path::check(&sent).is_ok());
            prop_assert_eq!(&*strip_path(&chroot, &sent), path.as_str());
        }
    }

    #[test]
    fn a_sequential_child_of_the_root_stays_inside() {
        let chroot = Chroot::new("/app").unwrap();
        let mode = CreateMode::EphemeralSequential;
        let mut request = Request::Create2(create("/", mode));
        prepend(&chroot, &mut request);
        assert_eq!(path_of(&request), "/app/");
        let ops = vec![
            MultiOp::Create2(create("/", mode)),
            MultiOp::Create2(create("/", CreateMode::Persistent)),
        ];
        let mut request = Request::Multi(MultiRequest { ops });
        prepend(&chroot, &mut request);
        let Request::Multi(body) = request else {
            unreachable!("still a multi");
        };
        let paths: Vec<_> = body.ops.iter().map(|op| op.path().as_str()).collect();
        assert_eq!(paths, ["/app/", "/app"]);
    }
}
