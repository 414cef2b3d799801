//! Who leads, for those who do not stand.
//!
//! Watching the candidates would wake every observer for each that comes or goes. So the leader
//! writes a record beside the election, and observers watch that one znode: one event each per
//! leader. A record outlives its leader, so it names the leader's znode, and whether that is there
//! says whether the record can be trusted.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use lockkeeper::path::join;
use lockkeeper::{Client, CreateMode, CreateOptions, ErrorCode, Op, path};

use super::Leader;
use crate::error::LockError;
use crate::fence::Fence;
use crate::json;
use crate::look::{Sight, insist};
use crate::queue::Queue;
use crate::retry::{Retry, is_transient};

/// A leader as an observer knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownLeader {
    /// What it calls itself.
    pub id: String,
    /// The fence of its term; every later leader's is larger.
    pub fence: Fence,
    /// Path of its znode.
    pub path: String,
    /// Whether that znode was there when the record was read. If it was not, the term is over, and
    /// the next leader has not written yet.
    pub is_confirmed: bool,
}

/// Path of the record: a sibling of the election, whose children are all candidates to others.
fn path_of(queue: &Queue) -> String {
    format!("{}-leader", queue.entry.parent)
}

/// Writes the leader's record, while it leads.
pub(super) async fn publish(queue: &Queue, leader: &Leader, id: &str) -> Result<(), LockError> {
    let record = path_of(queue);
    let data = Record {
        id: id.to_owned(),
        fence: leader.fence(),
        node: path::name(leader.path()).to_owned(),
    }
    .to_json();
    let mut options = CreateOptions::from(CreateMode::Persistent);
    options.acl.clone_from(&queue.entry.acl);
    let mut retry = Retry::new(&queue.client);
    let mut is_there = true;
    loop {
        let op = match is_there {
            true => Op::set(&record, data.clone(), None),
            false => Op::create(&record, data.clone(), options.clone()),
        };
        match leader.write(vec![op]).await {
            Err(LockError::Client(error)) => match error.code() {
                Some(ErrorCode::NO_NODE) if is_there => is_there = false,
                Some(ErrorCode::NODE_EXISTS) => is_there = true,
                _ if is_transient(&error) => retry.pause().await?,
                _ => return Err(error.into()),
            },
            known => return known.map(drop),
        }
    }
}

/// The leaders' records as they are written. Any number of observers costs candidates nothing.
pub struct Observer {
    client: Client,
    election: Arc<str>,
    record: Sight,
    /// Read, but not looked up yet.
    unchecked: Option<Record>,
    known: Option<KnownLeader>,
}

impl Observer {
    pub(super) fn new(queue: &Queue) -> Self {
        Self {
            client: queue.client.clone(),
            election: Arc::clone(&queue.entry.parent),
            record: Sight::new(&queue.client, &path_of(queue).into()),
            unchecked: None,
            known: None,
        }
    }

    /// The present record the first time, then the next one; waits while there is none.
    ///
    /// Each leader is told of at most once, in the order of fences, and leaders whose terms were
    /// short may be left out; one that could not be confirmed is told of again if it is confirmed
    /// later. That a leader is gone is not told: only the next one is. Records whose fence is
    /// smaller than one seen before are not believed. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] when the session ends or the server refuses to show the record.
    pub async fn next(&mut self) -> Result<KnownLeader, LockError> {
        loop {
            if self.unchecked.is_none() {
                let znode = self.record.next().await?;
                self.unchecked = znode.and_then(|znode| Record::from_json(znode.bytes()));
            }
            let Some(record) = &self.unchecked else {
                continue;
            };
            let path = join(&self.election, &record.node);
            // A server that shows the record has also applied what came before it.
            let stat = insist(&self.client, || self.client.exists(&path)).await?;
            let leader = KnownLeader {
                id: record.id.clone(),
                fence: record.fence,
                is_confirmed: stat.is_some_and(|stat| stat.czxid.0 == record.fence.0),
                path,
            };
            self.unchecked = None;
            if self.is_news(&leader) {
                self.known = Some(leader.clone());
                return Ok(leader);
            }
        }
    }

    fn is_news(&self, leader: &KnownLeader) -> bool {
        self.known.as_ref().is_none_or(|known| {
            leader.fence > known.fence
                || leader.fence == known.fence && leader.is_confirmed && !known.is_confirmed
        })
    }
}

/// What a leader writes.
#[derive(Debug, PartialEq, Eq)]
struct Record {
    id: String,
    fence: Fence,
    /// Name of its znode below the election's path.
    node: String,
}

impl Record {
    /// `{"id":"…","fence":1,"node":"…"}`.
    fn to_json(&self) -> Bytes {
        let mut text = String::from("{\"id\":");
        json::put_string(&self.id, &mut text);
        write!(text, ",\"fence\":{},\"node\":", self.fence)
            .expect("writing to a String cannot fail");
        json::put_string(&self.node, &mut text);
        text.push('}');
        text.into()
    }

    /// `None` for what is no record, or names no child of the election.
    fn from_json(data: &[u8]) -> Option<Self> {
        let (mut id, mut fence, mut node) = (None, None, None);
        json::read(data, |name, value| {
            match name {
                "id" => id = Some(value.string()?),
                "fence" => fence = Some(Fence(value.scalar()?.parse().ok()?)),
                "node" => node = Some(value.string()?),
                _ => value.skip()?,
            }
            Some(())
        })?;
        let (id, fence, node) = (id?, fence?, node?);
        let is_name = !node.is_empty() && !node.contains('/');
        let is_child = is_name && path::check(&join("/", &node)).is_ok();
        is_child.then_some(Self { id, fence, node })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record {
            id: "say \"me\"".into(),
            fence: Fence(7),
            node: "_c_x-latch-0000000001".into(),
        };
        assert_eq!(Record::from_json(&record.to_json()), Some(record));
    }

    #[test]
    fn what_is_no_record_is_not_believed() {
        for data in [
            "",
            "leader-1",
            "{}",
            r#"{"id":"a","fence":1}"#,
            r#"{"id":"a","fence":"x","node":"b"}"#,
            r#"{"id":"a","fence":99999999999999999999,"node":"b"}"#,
            r#"{"id":"a","fence":1,"node":""}"#,
            r#"{"id":"a","fence":1,"node":"."}"#,
            r#"{"id":"a","fence":1,"node":"../b"}"#,
        ] {
            assert_eq!(Record::from_json(data.as_bytes()), None, "{data}");
        }
    }
}
