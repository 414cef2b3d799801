//! A whole tree as a client sees it.

use std::collections::BTreeMap;

use bytes::Bytes;
use lockkeeper::{Acl, Call, Client, SessionId, Stat, path::join};

/// Znodes by path.
pub(crate) type Tree = BTreeMap<String, Znode>;

#[derive(Debug, PartialEq)]
pub(crate) struct Znode {
    pub(crate) data: Option<Bytes>,
    acl: Vec<Acl>,
    pub(crate) stat: Stat,
}

impl Znode {
    /// One that nobody protects.
    pub(crate) fn new(data: Bytes, stat: Stat) -> Self {
        Self {
            data: Some(data),
            acl: Vec::new(),
            stat,
        }
    }

    pub(crate) fn is_ephemeral(&self) -> bool {
        self.stat.ephemeral_owner != SessionId::NONE
    }
}

/// Paths asked for before the first answer is awaited.
const AT_ONCE: usize = 100;

/// Reads everything. Nobody may write meanwhile.
pub(crate) async fn read(client: &Client) -> Tree {
    let mut tree = Tree::new();
    let mut left = vec!["/".to_owned()];
    while !left.is_empty() {
        let batch = left.split_off(left.len().saturating_sub(AT_ONCE));
        let asked: Vec<Asked> = batch
            .into_iter()
            .map(|path| Asked::of(client, path))
            .collect();
        for asked in asked {
            let (path, znode, children) = asked.answer().await;
            left.extend(children.iter().map(|name| join(&path, name)));
            tree.insert(path, znode);
        }
    }
    tree
}

/// What was asked about one znode.
struct Asked {
    path: String,
    data: Call<lockkeeper::Znode>,
    acl: Call<(Vec<Acl>, Stat)>,
    children: Call<Vec<String>>,
}

impl Asked {
    fn of(client: &Client, path: String) -> Self {
        Self {
            data: client.get(&path),
            acl: client.acl(&path),
            children: client.children(&path),
            path,
        }
    }

    /// The znode and its children's names.
    async fn answer(self) -> (String, Znode, Vec<String>) {
        let data = self.data.await.expect("the super user may read");
        let (acl, stat) = self.acl.await.expect("the super user may read");
        assert_eq!(stat, data.stat, "{} changes", self.path);
        let mut znode = Znode {
            data: data.data,
            acl,
            stat,
        };
        // The usage behind a quota: Apache's server counts it anew at each start, outside of any
        // transaction, and ours does not count it.
        if self.path.ends_with("/zookeeper_stats") {
            znode.data = None;
            znode.stat.data_length = 0;
        }
        let children = self.children.await.expect("the super user may read");
        (self.path, znode, children)
    }
}

/// What differs, one line for each znode.
pub(crate) fn differences(before: &Tree, after: &Tree) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, old) in before {
        match after.get(path) {
            None => lines.push(format!("{path} is gone: {old:?}")),
            Some(new) if new != old => lines.push(format!("{path}\n  {old:?}\n  {new:?}")),
            Some(_) => {}
        }
    }
    let new = after.keys().filter(|path| !before.contains_key(*path));
    lines.extend(new.map(|path| format!("{path} is new")));
    lines
}
