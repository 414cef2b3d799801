//! The one place where a chroot meets requests, replies and errors.
//!
//! Tables and frames hold the server's paths; callers see their own. Two reserved names go as they
//! are: reads of `/zookeeper/config`, which is the ensemble's and lies outside every chroot, and the
//! delete of `/`, which must be refused by the server and not take the chroot itself away.
//!
//! Differing from Apache's Java client, the prefix of getEphemerals and the paths it answers with,
//! and the paths in a multi's results, are translated too.

use lockkeeper_wire::multi::{MultiResult, ReadOp};
use lockkeeper_wire::{ByteStr, Chroot, Request, Response};

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
            put(&mut body.path)
        }
        Request::CreateTtl(body) => put(&mut body.path),
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
        Request::Multi(body) => body.ops.iter_mut().for_each(|op| put(op.path_mut())),
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
