//! A parent under which nearly as many znodes were created as the server can count.

use lockkeeper_e2e::scratch::Scratch;
use lockkeeper_journal::{Journal, RealDisk, Settings};
use lockkeeper_recipes::{LockError, Mutex};
use lockkeeper_server::embed::{Embedded, embed};
use lockkeeper_wire::txn::{CreateTxn, Txn, TxnEntry, TxnHeader};
use lockkeeper_wire::{Acl, Record, SessionId, Zxid};

use crate::common::{connect, eventually};

const PATH: &str = "/lock";

/// A server by whose log so many znodes were created under `PATH`.
fn server(folder: &Scratch, creations: i32) -> Embedded {
    let start = || {
        let server = embed().data_dir(folder.path()).tick_time_ms(500);
        server.start().expect("it can start")
    };
    start().stop();
    let settings = Settings::new(folder.path());
    let (mut journal, _) = Journal::open(RealDisk, settings).expect("the server has stopped");
    let foreign = format!("{PATH}/foreign");
    let creates = [(1, PATH, 1), (2, foreign.as_str(), creations)];
    let records = creates.map(|(zxid, path, parent_cversion)| {
        let txn = Txn::Create(CreateTxn {
            path: path.into(),
            data: None,
            acl: Acl::open(),
            ephemeral: false,
            parent_cversion,
        });
        let header = TxnHeader {
            client_id: SessionId(1),
            cxid: 1,
            zxid: Zxid(zxid),
            time_ms: 0,
            op: txn.op().into(),
        };
        let digest = None;
        let entry = TxnEntry {
            header,
            txn,
            digest,
        };
        (zxid, entry.to_bytes())
    });
    journal.append(records).expect("the disk has room");
    journal.sync().expect("the disk has room");
    drop(journal);
    start()
}

#[tokio::test(flavor = "multi_thread")]
async fn t55_the_alarm_comes_at_2_to_the_30_creations() {
    let folder = Scratch::new("t55").unwrap();
    let server = server(&folder, (1 << 30) - 1);
    let client = connect(&server.connect_string()).await;
    let lock = Mutex::new(&client, PATH).unwrap();
    for (number, alarm) in [("-1073741823", false), ("-1073741824", true)] {
        let guard = lock.lock().await.unwrap();
        assert!(guard.path().ends_with(number), "{}", guard.path());
        assert_eq!(lock.numbers_run_out(), alarm);
        guard.release().await.unwrap();
    }
}

/// The server gives the same number to all, and two who cannot be told apart must not both enter.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_are_used_up_let_nobody_in() {
    let folder = Scratch::new("used-up").unwrap();
    let server = server(&folder, i32::MAX - 1);
    let client = connect(&server.connect_string()).await;
    let lock = Mutex::new(&client, PATH).unwrap();
    let last = lock.lock().await.unwrap();
    for _ in 0..10 {
        let error = lock.lock().await.unwrap_err();
        assert_eq!(error, LockError::NumbersUsedUp);
    }
    last.release().await.unwrap();
    assert_eq!(lock.lock().await.unwrap_err(), LockError::NumbersUsedUp);

    eventually("unused", async || {
        client.children(PATH).await.unwrap() == ["foreign"]
    })
    .await;
    let foreign = format!("{PATH}/foreign");
    client.delete(&foreign, None).await.unwrap();
    client.delete(PATH, None).await.unwrap();
    lock.lock().await.unwrap().release().await.unwrap();
}
