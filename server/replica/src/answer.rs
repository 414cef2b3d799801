//! Reads and watch requests: answered at once by whoever holds the tree.

use bytes::BytesMut;
use lockkeeper_store::{ConnectionId, EventSink, Reader, Store, Watches, widen};
use lockkeeper_wire::multi::{MultiReadResponse, ReadOp};
use lockkeeper_wire::reply::ErrorResponse;
use lockkeeper_wire::request::{PathWatcherType, SyncPath};
use lockkeeper_wire::watch::SetWatches2;
use lockkeeper_wire::{
    AddWatchMode, ErrorCode, EventType, Id, Record, ReplyHeader, Request, SessionId, WatcherType,
    Xid, Zxid, frame, watch,
};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Answering<'a> {
    /// The connection.
    pub connection: ConnectionId,
    /// Its session.
    pub session: SessionId,
    /// Its identities.
    pub identities: &'a [Id],
    /// No access list is looked at.
    pub skip_acl: bool,
    /// Watches the connection may have.
    pub watches_max: usize,
}

/// Whether a request is answered from the state as it is, without a word to anybody.
///
/// A sync is not: the leader has to be asked. An ensemble of one has nobody to ask, so its owner
/// may [`answer`] that as well.
pub fn is_read(request: &Request) -> bool {
    match request {
        Request::Exists(_)
        | Request::GetData(_)
        | Request::GetAcl(_)
        | Request::GetChildren(_)
        | Request::GetChildren2(_)
        | Request::Ping
        | Request::MultiRead(_)
        | Request::CheckWatches(_)
        | Request::RemoveWatches(_)
        | Request::SetWatches(_)
        | Request::SetWatches2(_)
        | Request::GetEphemerals(_)
        | Request::GetAllChildrenNumber(_)
        | Request::AddWatch(_)
        | Request::WhoAmI => true,
        Request::Sync(_)
        | Request::Create(_)
        | Request::Create2(_)
        | Request::CreateContainer(_)
        | Request::CreateTtl(_)
        | Request::Delete(_)
        | Request::SetData(_)
        | Request::SetAcl(_)
        | Request::Multi(_)
        | Request::Reconfig(_)
        | Request::Auth(_)
        | Request::Sasl(_)
        | Request::CloseSession => false,
    }
}

/// Whether [`answer`] needs the watches for this request.
pub fn needs_watches(request: &Request) -> bool {
    match request {
        Request::Exists(body)
        | Request::GetData(body)
        | Request::GetChildren(body)
        | Request::GetChildren2(body) => body.watch,
        Request::CheckWatches(_)
        | Request::RemoveWatches(_)
        | Request::SetWatches(_)
        | Request::SetWatches2(_)
        | Request::AddWatch(_) => true,
        _ => false,
    }
}

/// Appends the reply of a read, behind the events that setWatches makes.
///
/// `watches` may be `None` when [`needs_watches`] says so. The caller holds the tree until the
/// reply is in the connection's buffer.
pub fn answer(
    store: &Store,
    watches: Option<&mut Watches>,
    who: Answering<'_>,
    xid: Xid,
    request: &Request,
    out: &mut BytesMut,
) {
    let start = out.len();
    let header = ReplyHeader {
        xid,
        zxid: store.last_zxid(),
        err: ErrorCode::OK,
    };
    let outcome = match (request, watches) {
        (Request::Ping, _) => {
            let header = ReplyHeader {
                xid: Xid::PING,
                ..header
            };
            return frame::encode(out, |out| header.encode(out));
        }
        (Request::SetWatches(body), Some(watches)) => {
            return set_watches(store, watches, who, header, &widen(body.clone()), out);
        }
        (Request::SetWatches2(body), Some(watches)) => {
            return set_watches(store, watches, who, header, body, out);
        }
        (request, watches) => reply(store, watches, who, header, request, out),
    };
    if let Err(err) = outcome {
        out.truncate(start);
        fail(ReplyHeader { err, ..header }, out);
    }
}

fn fail(header: ReplyHeader, out: &mut BytesMut) {
    frame::encode(out, |out| header.encode(out));
}

fn reply(
    store: &Store,
    watches: Option<&mut Watches>,
    who: Answering<'_>,
    header: ReplyHeader,
    request: &Request,
    out: &mut BytesMut,
) -> Result<(), ErrorCode> {
    let mut outcome = Ok(());
    let reader = Reader {
        session: who.session,
        identities: who.identities,
        skip_acl: who.skip_acl,
    };
    match (request, watches) {
        // A part that is no read makes the code that of a body that cannot be decoded, yet what
        // was collected before follows, as from Apache's servers.
        (Request::MultiRead(body), _)
            if body.ops.iter().any(|op| matches!(op, ReadOp::Foreign(_))) =>
        {
            frame::encode(out, |out| {
                ReplyHeader {
                    err: ErrorCode::MARSHALLING_ERROR,
                    ..header
                }
                .encode(out);
                MultiReadResponse::default().encode(out);
            });
        }
        (Request::Sync(body), _) => frame::encode(out, |out| {
            header.encode(out);
            SyncPath {
                path: body.path.clone(),
            }
            .encode(out);
        }),
        (Request::CheckWatches(body), Some(watches)) => {
            let kind = watcher_type(body)?;
            watches.check(who.connection, &body.path, kind)?;
            frame::encode(out, |out| header.encode(out));
        }
        (Request::RemoveWatches(body), Some(watches)) => {
            let kind = watcher_type(body)?;
            watches.remove(who.connection, &body.path, kind)?;
            frame::encode(out, |out| header.encode(out));
        }
        (Request::AddWatch(body), Some(watches)) => {
            let mode =
                AddWatchMode::try_from(body.mode).map_err(|_| ErrorCode::MARSHALLING_ERROR)?;
            check_room(watches, who, 1)?;
            watches.add_persistent(
                who.connection,
                body.path.as_deref().unwrap_or_default(),
                mode,
            );
            frame::encode(out, |out| {
                header.encode(out);
                ErrorResponse { err: ErrorCode::OK }.encode(out);
            });
        }
        (request, watches) => {
            if let Some(watches) = &watches {
                check_room(watches, who, 1)?;
            }
            frame::encode(out, |out| {
                header.encode(out);
                outcome = store.read(request, reader, out);
            });
            if let Some(watches) = watches {
                leave_watch(watches, who.connection, request, outcome);
            }
        }
    }
    outcome
}

fn watcher_type(body: &PathWatcherType) -> Result<WatcherType, ErrorCode> {
    WatcherType::try_from(body.kind).map_err(|_| ErrorCode::MARSHALLING_ERROR)
}

fn check_room(watches: &Watches, who: Answering<'_>, more: usize) -> Result<(), ErrorCode> {
    if watches.count_of(who.connection) + more > who.watches_max {
        return Err(ErrorCode::QUOTA_EXCEEDED);
    }
    Ok(())
}

/// A read leaves its watch when it succeeds; exists also when there is no znode yet.
fn leave_watch(
    watches: &mut Watches,
    connection: ConnectionId,
    request: &Request,
    outcome: Result<(), ErrorCode>,
) {
    match (request, outcome) {
        (Request::GetData(body), Ok(()))
        | (Request::Exists(body), Ok(()) | Err(ErrorCode::NO_NODE)) => {
            watches.add_data(connection, &body.path);
        }
        (Request::GetChildren(body) | Request::GetChildren2(body), Ok(())) => {
            watches.add_child(connection, &body.path);
        }
        _ => {}
    }
}

fn set_watches(
    store: &Store,
    watches: &mut Watches,
    who: Answering<'_>,
    header: ReplyHeader,
    body: &SetWatches2,
    out: &mut BytesMut,
) {
    let more = body.data.len()
        + body.exist.len()
        + body.child.len()
        + 2 * body.persistent.len()
        + body.persistent_recursive.len();
    if let Err(err) = check_room(watches, who, more) {
        return fail(ReplyHeader { err, ..header }, out);
    }
    watches.set_watches(who.connection, store, body, &mut OwnEvents { who, out });
    frame::encode(out, |out| header.encode(out));
}

/// Events for the connection that asks, in front of its reply.
struct OwnEvents<'a> {
    who: Answering<'a>,
    out: &'a mut BytesMut,
}

impl EventSink for OwnEvents<'_> {
    fn with_identities<R>(&self, _: ConnectionId, f: impl FnOnce(&[Id]) -> R) -> R {
        f(self.who.identities)
    }

    fn event(&mut self, _: ConnectionId, kind: EventType, zxid: Zxid, path: &str) {
        watch::encode_frame(kind, zxid, path, self.out);
    }
}
