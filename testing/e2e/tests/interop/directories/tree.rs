//! A whole tree as a client sees it.

use std::collections::BTreeMap;

use bytes::Bytes;
use lockkeeper::{Acl, Client, SessionId, Stat, path::join};

/// Znodes by path.
pub(super) type Tree = BTreeMap<String, Znode>;

#[derive(Debug, PartialEq)]
pub(super) struct Znode {
    data: Option<Bytes>,
    acl: Vec<Acl>,
    stat: Stat,
}

impl Znode {
    pub(super) fn is_ephemeral(&self) -> bool {
        self.stat.ephemeral_owner != SessionId::NONE
    }
}

/// Reads everything. Nobody may write meanwhile.
pub(super) async fn read(client: &Client) -> Tree {
    let mut tree = Tree::new();
    let mut left = vec!["/".to_owned()];
    while let Some(path) = left.pop() {
        let (data, acl, children) = (client.get(&path), client.acl(&path), client.children(&path));
        let data = data.await.expect("the super user may read");
        let (acl, stat) = acl.await.expect("the super user may read");
        assert_eq!(stat, data.stat, "{path} changes");
        let children = children.await.expect("the super user may read");
        left.extend(children.iter().map(|name| join(&path, name)));
        let mut znode = Znode {
            data: data.data,
            acl,
            stat,
        };
        // The usage behind a quota: Apache's server counts it anew at each start, outside of any
        // transaction, and ours does not count it.
        if path.ends_with("/zookeeper_stats") {
            znode.data = None;
            znode.stat.data_length = 0;
        }
        tree.insert(path, znode);
    }
    tree
}

/// What differs, one line for each znode.
pub(super) fn differences(before: &Tree, after: &Tree) -> Vec<String> {
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
