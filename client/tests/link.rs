//! The client over real sockets against a server that does what the test says.

mod common;

use std::time::Duration;

use common::{ID, Server, data, soon, stat};
use futures::FutureExt as _;
use lockkeeper::{
    AddWatchMode, Client, CreateMode, Error, ErrorCode, EventType, LinkLoss, Misuse, Op, Outcome,
    SessionId, State, WatchEnd, WatchItem, Zxid,
};
use lockkeeper_wire::multi::MultiResponse;
use lockkeeper_wire::reply::ErrorResponse;
use lockkeeper_wire::{ReplyHeader, Request, Response, reply, watch};

#[tokio::test]
async fn calls_go_out_in_order_awaited_or_not() {
    let server = Server::new().await;
    let (client, mut peer) = server.connected().await;
    assert_eq!(client.session_id(), ID);
    assert_eq!(client.state(), State::Connected);
    assert!(client.lease_deadline().unwrap() > client.now());
    let second = {
        let _unwanted = client.get("/1");
        client.get("/2")
    };
    for expected in ["/1", "/2"] {
        let (xid, request) = soon(peer.take()).await;
        assert!(matches!(request, Request::GetData(body) if body.path == expected));
        peer.reply(xid, ErrorCode::OK, &data("x")).await;
    }
    assert_eq!(soon(second).await.unwrap().bytes(), b"x");
    assert_eq!(client.last_zxid(), Zxid(0x12));
}

#[tokio::test]
async fn an_event_is_there_before_a_later_reply() {
    let server = Server::new().await;
    let (client, mut peer) = server.connected().await;
    let watched = client.get_watched("/a");
    let (xid, _) = soon(peer.take()).await;
    peer.reply(xid, ErrorCode::OK, &data("1")).await;
    let (_, changed) = soon(watched).await.unwrap();
    let read = client.get("/a");
    let (xid, _) = soon(peer.take()).await;
    peer.notify(EventType::NodeDataChanged, "/a").await;
    peer.reply(xid, ErrorCode::OK, &data("2")).await;
    assert_eq!(soon(read).await.unwrap().bytes(), b"2");
    let event = changed
        .now_or_never()
        .expect("came before the reply")
        .unwrap();
    assert_eq!((event.path.as_str(), event.zxid), ("/a", Some(Zxid(0x11))));
}

#[tokio::test]
async fn a_lost_link_is_repaired_and_told_once() {
    let server = Server::new().await;
    let (client, mut peer) = server.connected().await;
    let mut states = client.states();
    assert_eq!(states.next().await.state, State::Connected);

    let watch = client.watch("/p", AddWatchMode::Persistent);
    let (xid, _) = soon(peer.take()).await;
    let good = Response::Error(ErrorResponse { err: ErrorCode::OK });
    peer.reply(xid, ErrorCode::OK, &good).await;
    let mut watch = soon(watch).await.unwrap();

    let read = client.get("/r");
    let write = client.set("/w", "1", None);
    soon(peer.take()).await;
    soon(peer.take()).await;
    drop(peer);
    let lost = soon(write).await.unwrap_err();
    assert_eq!(lost.outcome(), Outcome::Unknown);
    assert!(matches!(lost, Error::ConnectionLoss { .. }));
    let change = soon(states.next()).await;
    assert_eq!(change.state, State::Suspended);

    let (mut peer, request) = soon(server.welcome()).await;
    assert_eq!(
        (request.session_id, request.last_zxid_seen),
        (ID, Zxid(0x11))
    );
    let (xid, request) = soon(peer.take()).await;
    assert!(matches!(request, Request::SetWatches2(body) if body.persistent == ["/p"]));
    peer.reply(xid, ErrorCode::OK, &Response::Empty).await;
    let (xid, request) = soon(peer.take()).await;
    assert!(matches!(request, Request::GetData(body) if body.path == "/r"));
    peer.reply(xid, ErrorCode::OK, &data("x")).await;
    assert!(soon(read).await.is_ok());
    assert_eq!(watch.next().now_or_never(), Some(Ok(WatchItem::Rearmed)));
    let again = soon(states.next()).await;
    assert_eq!(again.state, State::Connected);
    assert_eq!(
        (again.generation, again.skipped),
        (change.generation + 1, 0)
    );
}

#[tokio::test]
async fn a_late_observer_is_told_the_latest_state_and_what_it_missed() {
    let server = Server::new().await;
    let (client, peer) = server.connected().await;
    let mut late = client.states();
    let mut states = late.clone();
    let first = late.next().await;
    drop(peer);
    let (_peer, _) = soon(server.welcome()).await;
    while soon(states.next()).await.generation < first.generation + 2 {}
    let change = soon(late.next()).await;
    assert_eq!((change.state, change.skipped), (State::Connected, 1));
    assert!(late.next().now_or_never().is_none());
}

#[tokio::test]
async fn another_session_ends_everything() {
    let server = Server::new().await;
    let (client, mut peer) = server.connected().await;
    let watched = client.get_watched("/a");
    let (xid, _) = soon(peer.take()).await;
    peer.reply(xid, ErrorCode::OK, &data("1")).await;
    let (_, changed) = soon(watched).await.unwrap();
    let waiting = client.get("/b");
    soon(peer.take()).await;
    drop(peer);
    let (mut peer, _) = soon(server.accept()).await;
    peer.answer_handshake(SessionId(0x78)).await;
    let error = soon(waiting).await.unwrap_err();
    assert!(matches!(
        error,
        Error::SessionExpired {
            outcome: Outcome::NotApplied
        }
    ));
    assert_eq!(soon(changed).await, Err(WatchEnd::SessionExpired));
    assert_eq!(client.state(), State::Expired);
    assert!(
        client
            .create("/x", "", CreateMode::Ephemeral)
            .await
            .unwrap_err()
            .is_final()
    );
    assert!(matches!(
        client.close().await,
        Err(Error::SessionExpired { .. })
    ));
}

#[tokio::test]
async fn heartbeats_carry_the_lease_on() {
    let server = Server::new().await;
    let connect = server.client().connect();
    let (client, mut peer) = tokio::join!(connect, async {
        let (mut peer, _) = server.accept().await;
        peer.answer_handshake_for(ID, 1_500).await;
        peer
    });
    let client = client.unwrap();
    assert_eq!(client.negotiated_timeout(), Duration::from_millis(1_500));
    let first = client.lease_deadline().unwrap();
    soon(peer.pong()).await;
    soon(async {
        while client.lease_deadline().unwrap() <= first {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(client.last_zxid(), Zxid(0), "pings show no zxid");
}

#[tokio::test]
async fn a_deadline_ends_the_call_and_not_the_link() {
    let server = Server::new().await;
    let builder = server.client().call_timeout(Duration::from_millis(20));
    let (client, mut peer) = server.connected_with(builder).await;
    let write = client.set("/a", "1", None);
    let (first, _) = soon(peer.take()).await;
    let outcome = Outcome::Unknown;
    assert_eq!(soon(write).await, Err(Error::Timeout { outcome }));
    let read = client.get("/b").timeout(Duration::from_secs(20));
    let (second, _) = soon(peer.take()).await;
    peer.reply(first, ErrorCode::OK, &stat()).await;
    peer.reply(second, ErrorCode::OK, &data("x")).await;
    assert!(soon(read).await.is_ok());
    assert_eq!(client.state(), State::Connected);
}

#[tokio::test]
async fn close_is_answered_and_may_be_repeated() {
    let server = Server::new().await;
    let (client, mut peer) = server.connected().await;
    let before = client.get("/a");
    let (closed, ()) = tokio::join!(client.close(), async {
        let (xid, _) = soon(peer.take()).await;
        peer.reply(xid, ErrorCode::OK, &data("x")).await;
        let (xid, request) = soon(peer.take()).await;
        assert_eq!(request, Request::CloseSession);
        peer.reply(xid, ErrorCode::OK, &Response::Empty).await;
    });
    assert_eq!(closed, Ok(()));
    assert!(soon(before).await.is_ok());
    assert_eq!(client.close().await, Ok(()));
    let outcome = Outcome::NotApplied;
    assert_eq!(client.get("/a").await, Err(Error::Closed { outcome }));
    assert_eq!(soon(peer.next()).await, None);
}

#[tokio::test]
async fn the_last_handle_closes_the_session_and_ends_its_tasks() {
    let server = Server::new().await;
    let (client, mut peer) = server.connected().await;
    let (alive, gone) = tokio::sync::oneshot::channel::<()>();
    client.spawn(async move {
        std::future::pending::<()>().await;
        drop(alive);
    });
    let clone = client.clone();
    drop(client);
    let read = clone.get("/a");
    let (xid, _) = soon(peer.take()).await;
    peer.reply(xid, ErrorCode::OK, &data("x")).await;
    assert!(soon(read).await.is_ok());
    drop(clone);
    assert_eq!(soon(peer.take()).await.1, Request::CloseSession);
    assert!(soon(gone).await.is_err());
}

#[tokio::test]
async fn a_dropped_watch_is_taken_back() {
    let server = Server::new().await;
    let (client, mut peer) = server.connected().await;
    let watched = client.exists_watched("/a");
    let (xid, _) = soon(peer.take()).await;
    peer.reply(xid, ErrorCode::NO_NODE, &Response::Empty).await;
    let (none, watch) = soon(watched).await.unwrap();
    assert_eq!(none, None);
    drop(watch);
    let (xid, request) = soon(peer.take()).await;
    assert!(matches!(request, Request::RemoveWatches(body) if body.path == "/a"));
    peer.reply(xid, ErrorCode::NO_WATCHER, &Response::Empty)
        .await;

    // A refused read has left none, so nothing is taken back; a dropped call may have.
    let refused = client.get_watched("/b");
    let (xid, _) = soon(peer.take()).await;
    peer.reply(xid, ErrorCode::NO_NODE, &Response::Empty).await;
    assert!(soon(refused).await.is_err());
    drop(client.get_watched("/c"));
    let (xid, _) = soon(peer.take()).await;
    peer.reply(xid, ErrorCode::OK, &data("x")).await;
    let (_, request) = soon(peer.take()).await;
    assert!(matches!(request, Request::RemoveWatches(body) if body.path == "/c"));
}

#[tokio::test]
async fn a_creation_told_in_one_piece_with_the_absence_is_not_lost() {
    let server = Server::new().await;
    let (client, mut peer) = server.connected().await;
    let watched = client.exists_watched("/a");
    let (xid, _) = soon(peer.take()).await;
    let (zxid, err) = (Zxid(0x11), ErrorCode::NO_NODE);
    peer.send(|out| {
        reply::encode_frame(ReplyHeader { xid, zxid, err }, &Response::Empty, out);
        watch::encode_frame(EventType::NodeCreated, Zxid(0x12), "/a", out);
    })
    .await;
    let (none, created) = soon(watched).await.unwrap();
    assert_eq!(none, None);
    assert_eq!(soon(created).await.unwrap().kind, EventType::NodeCreated);
}

#[tokio::test]
async fn a_persistent_watch_ends_behind_an_event_told_in_one_piece_with_the_end() {
    let server = Server::new().await;
    let (client, mut peer) = server.connected().await;
    let watch = client.watch("/p", AddWatchMode::Persistent);
    let (xid, _) = soon(peer.take()).await;
    let good = Response::Error(ErrorResponse { err: ErrorCode::OK });
    peer.reply(xid, ErrorCode::OK, &good).await;
    let mut watch = soon(watch).await.unwrap();
    let (closed, ()) = tokio::join!(client.close(), async {
        let (xid, _) = soon(peer.take()).await;
        let (zxid, err) = (Zxid(0x12), ErrorCode::OK);
        peer.send(|out| {
            watch::encode_frame(EventType::NodeDataChanged, zxid, "/p", out);
            reply::encode_frame(ReplyHeader { xid, zxid, err }, &Response::Empty, out);
        })
        .await;
    });
    assert_eq!(closed, Ok(()));
    assert!(matches!(soon(watch.next()).await, Ok(WatchItem::Event(_))));
    assert_eq!(soon(watch.next()).await, Err(WatchEnd::Closed));
}

#[tokio::test]
async fn a_multi_answered_with_fewer_parts_is_an_error() {
    let server = Server::new().await;
    let (client, mut peer) = server.connected().await;
    let multi = client.multi(vec![Op::check("/a", None)]);
    let (xid, _) = soon(peer.take()).await;
    let body = Response::Multi(MultiResponse { results: vec![] });
    peer.reply(xid, ErrorCode::OK, &body).await;
    let error = soon(multi).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[tokio::test]
async fn a_full_queue_refuses_and_tells_when_there_is_room() {
    let server = Server::new().await;
    let builder = server.client().queue_limits(1, usize::MAX);
    let (client, mut peer) = server.connected_with(builder).await;
    let first = client.get("/a");
    assert_eq!(client.get("/b").await, Err(Error::QueueFull));
    let mut room = Box::pin(client.capacity());
    assert!(room.as_mut().now_or_never().is_none());
    let (xid, _) = soon(peer.take()).await;
    peer.reply(xid, ErrorCode::OK, &data("x")).await;
    soon(room).await;
    assert!(soon(first).await.is_ok());
    drop(client.get("/b"));
    soon(peer.take()).await;
}

#[test]
fn threads_without_a_runtime_may_use_the_client() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::new());
    let (client, mut peer) = runtime.block_on(server.connected());
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let from_outside = client.clone();
    std::thread::spawn(move || {
        let at = from_outside.now();
        let sleep = from_outside.sleep_until(at);
        let read = from_outside.get("/a").timeout(Duration::from_secs(20));
        from_outside.spawn(async move {
            sleep.await;
            let _ = sender.send(read.await);
        });
    })
    .join()
    .unwrap();
    let result = runtime.block_on(async {
        let (xid, _) = soon(peer.take()).await;
        peer.reply(xid, ErrorCode::OK, &data("x")).await;
        soon(receiver).await
    });
    assert!(result.unwrap().is_ok());

    // A runtime that is gone takes the client with it, and every call still ends.
    let waiting = client.get("/b");
    drop(runtime);
    assert!(matches!(
        futures::executor::block_on(waiting),
        Err(Error::Closed { .. })
    ));
    assert!(matches!(
        futures::executor::block_on(client.get("/c")),
        Err(Error::Closed { .. })
    ));
    assert_eq!(client.state(), State::Closed);
    assert_eq!(futures::executor::block_on(client.close()), Ok(()));
}

#[tokio::test]
async fn settings_that_cannot_be_are_told_at_once() {
    let refused = Client::connect("a:b").await;
    assert!(matches!(
        refused,
        Err(Error::Misuse(Misuse::ConnectString(_)))
    ));
    let zero = Client::builder("a").session_timeout(Duration::ZERO);
    assert!(matches!(
        zero.connect().await,
        Err(Error::Misuse(Misuse::SessionTimeout))
    ));
    let outside = futures::executor::block_on(async {
        // Polled on a thread that has no runtime.
        std::thread::spawn(|| futures::executor::block_on(Client::connect("a")))
            .join()
            .unwrap()
    });
    assert!(matches!(outside, Err(Error::Misuse(Misuse::NoRuntime))));
}

#[tokio::test]
async fn an_ensemble_that_is_not_there_is_reported() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let connect = Client::builder(format!("127.0.0.1:{port}"))
        .connect_timeout(Duration::from_millis(100))
        .connect();
    let error = soon(connect).await.unwrap_err();
    let last = Some(LinkLoss::Io(std::io::ErrorKind::ConnectionRefused));
    assert_eq!(error, Error::Unreachable { last });
    assert_eq!(error.outcome(), Outcome::NotApplied);
}

#[tokio::test]
async fn paths_are_checked_before_anything_is_sent() {
    let server = Server::new().await;
    let (client, mut peer) = server.connected().await;
    for path in ["", "a", "/a/", "/a//b", "/a/./b"] {
        let error = client.get(path).await.unwrap_err();
        assert!(
            matches!(error, Error::Misuse(Misuse::Path { .. })),
            "{path}: {error}"
        );
    }
    let ttl = client.create("/a", "", CreateMode::PersistentTtl).await;
    assert!(matches!(ttl, Err(Error::Misuse(Misuse::Ttl))));
    drop(client);
    assert_eq!(soon(peer.take()).await.1, Request::CloseSession);
}
