//! The client in a world without sockets, whose clock jumps to whatever is waited for.

mod common;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use common::{ID, Peer};
use futures::future::BoxFuture;
use lockkeeper::runtime::{Link, Runtime, TokioRuntime};
use lockkeeper::{Builder, Client, Error, HostPort, LinkLoss, Outcome, State};
use lockkeeper_wire::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};

const T: Duration = Duration::from_secs(10);

/// An attempt to connect, to be answered by the test; dropping it refuses.
struct Dial {
    server: HostPort,
    link: oneshot::Sender<DuplexStream>,
}

impl Dial {
    async fn accept(self) -> Peer {
        let (ours, theirs) = duplex(1 << 16);
        assert!(self.link.send(ours).is_ok());
        let (mut peer, _) = Peer::take_link(theirs).await;
        peer.answer_handshake(ID).await;
        peer
    }
}

struct World {
    tokio: TokioRuntime,
    dials: mpsc::UnboundedSender<Dial>,
    seed: u64,
}

impl Runtime for World {
    fn connect(&self, server: HostPort) -> BoxFuture<'static, Result<Box<dyn Link>, LinkLoss>> {
        let (link, opened) = oneshot::channel();
        let asked = self.dials.send(Dial { server, link });
        Box::pin(async move {
            let refused = LinkLoss::Io(io::ErrorKind::ConnectionRefused);
            asked.map_err(|_| refused)?;
            match opened.await {
                Ok(stream) => Ok(Box::new(Pipe(stream)) as Box<dyn Link>),
                Err(_) => Err(refused),
            }
        })
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        self.tokio.sleep_until(at)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.tokio.spawn(task);
    }

    fn now(&self) -> Instant {
        self.tokio.now()
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}

struct Pipe(DuplexStream);

impl Link for Pipe {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<usize>> {
        pin!(self.0.read_buf(into)).poll(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        pin!(self.0.write(bytes)).poll(cx)
    }
}

fn world(seed: u64) -> (Builder, mpsc::UnboundedReceiver<Dial>) {
    let (dials, asked) = mpsc::unbounded_channel();
    let world = World {
        tokio: TokioRuntime::current().unwrap(),
        dials,
        seed,
    };
    let builder = Client::builder("a:1,b:2,c:3")
        .session_timeout(T)
        .runtime(Arc::new(world));
    (builder, asked)
}

async fn connected(seed: u64) -> (Client, Peer, mpsc::UnboundedReceiver<Dial>) {
    let (builder, mut dials) = world(seed);
    let (client, peer) = tokio::join!(builder.connect(), async {
        dials.recv().await.unwrap().accept().await
    });
    (client.unwrap(), peer, dials)
}

/// Timers are rounded up to whole milliseconds.
fn at_about(time: Duration, expected: Duration) -> bool {
    time >= expected && time < expected + Duration::from_millis(2)
}

async fn wait_for(client: &Client, state: State) {
    let mut states = client.states();
    while states.next().await.state != state {}
}

#[tokio::test(start_paused = true)]
async fn an_ensemble_that_vanishes_ends_the_session_after_its_lease() {
    let (client, peer, mut dials) = connected(1).await;
    let start = client.now();
    let lease = client.lease_deadline().unwrap();
    assert!(lease <= start + T * 7 / 10);
    let waiting = client.get("/a");
    drop(peer);
    let refusing = async {
        let mut attempts = 0;
        while let Some(dial) = dials.recv().await {
            drop(dial);
            attempts += 1;
        }
        attempts
    };
    let (attempts, error) = tokio::join!(refusing, async {
        let error = waiting.await.unwrap_err();
        assert!(at_about(client.now() - start, T * 4 / 3));
        assert_eq!(client.state(), State::Expired);
        assert_eq!(client.lease_deadline(), None);
        drop(client);
        error
    });
    let outcome = Outcome::NotApplied;
    assert_eq!(error, Error::SessionExpired { outcome });
    assert!((20..200).contains(&attempts), "{attempts} attempts");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_is_left_after_two_thirds() {
    let (client, peer, mut dials) = connected(2).await;
    let start = client.now();
    wait_for(&client, State::Suspended).await;
    // A clock of milliseconds rounds up.
    let left = client.now() - start;
    assert!(
        left >= T * 2 / 3 && left < T * 2 / 3 + Duration::from_millis(2),
        "{left:?}"
    );
    let mut next = dials.recv().await.unwrap().accept().await;
    wait_for(&client, State::Connected).await;
    drop(peer);
    drop(client);
    loop {
        let (_, request) = next.take().await;
        if request == Request::CloseSession {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_seed_gives_one_story() {
    let mut stories = Vec::new();
    for seed in [7, 7, 8, 9, 10] {
        let (builder, mut dials) = world(seed);
        let start = tokio::time::Instant::now();
        let story = async {
            let mut story = Vec::new();
            for _ in 0..12 {
                let dial = dials.recv().await.unwrap();
                story.push((dial.server.port, start.elapsed()));
            }
            story
        };
        tokio::select! {
            biased;
            story = story => stories.push(story),
            _ = builder.connect() => panic!("nobody is there"),
        }
    }
    assert_eq!(stories[0], stories[1]);
    assert!(stories[2..].iter().any(|other| *other != stories[0]));
}
