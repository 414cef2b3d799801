//! The reader's side: whole configurations, one after the other.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use lockkeeper::path::join;
use lockkeeper::{Client, Error, ErrorCode, Znode, Zxid};

use super::{CURRENT, READY, SetLayout, VERSIONS};
use crate::config::{Keys, Seen, Source};
use crate::look::Sight;
use crate::retry::{Retry, is_transient};

/// Reads sent before the first of them is awaited.
const READS_MAX: usize = 128;

/// Follows the one znode that every publication touches.
pub(super) struct Reading {
    client: Client,
    path: Arc<str>,
    layout: SetLayout,
    mark: Sight,
    /// Whether anything has been told yet: who asks first wants to know that there is nothing.
    has_told: bool,
}

/// What became of one try to read all keys.
enum Attempt {
    Whole(Keys),
    /// Something has changed meanwhile, or is missing.
    Torn(String),
}

impl Reading {
    pub(super) fn new(client: &Client, path: &Arc<str>, layout: SetLayout) -> Self {
        let mark = match layout {
            SetLayout::Ready => join(path, READY),
            SetLayout::Versions => join(path, CURRENT),
        };
        Self {
            client: client.clone(),
            path: Arc::clone(path),
            layout,
            mark: Sight::new(client, &mark.into()).synced(),
            has_told: false,
        }
    }

    pub(super) fn looks(self) -> Source<Keys> {
        stream::unfold(self, async |mut reading| {
            let seen = reading.next().await;
            reading.has_told = true;
            if seen.is_err() {
                // The mark may have been seen, and what went wrong is not told by it.
                reading.mark.again();
            }
            Some((seen, reading))
        })
        .boxed()
    }

    async fn next(&mut self) -> Result<Seen<Keys>, Error> {
        let mut torn: Option<Zxid> = None;
        loop {
            let Some(mark) = self.mark.next().await? else {
                match self.layout {
                    // Somebody is publishing; what was whole before stands until that is done.
                    SetLayout::Ready if self.has_told => continue,
                    _ => return Ok(Seen::Absent),
                }
            };
            let revision = mark.stat.mzxid;
            match self.read(&mark).await? {
                Attempt::Whole(keys) => return Ok(Seen::Whole(revision, keys)),
                // Nothing has moved the mark, and still it is not whole: nobody will mend it.
                Attempt::Torn(why) if torn == Some(revision) => {
                    return Ok(Seen::Broken(revision, why));
                }
                Attempt::Torn(_) => {
                    torn = Some(revision);
                    self.mark.again();
                }
            }
        }
    }

    async fn read(&self, mark: &Znode) -> Result<Attempt, Error> {
        let mut retry = Retry::new(&self.client);
        loop {
            let attempt = match self.layout {
                SetLayout::Ready => self.read_in_place(mark).await,
                SetLayout::Versions => self.read_version(mark).await,
            };
            match attempt {
                Err(error) if is_transient(&error) => retry.pause().await?,
                attempt => return attempt,
            }
        }
    }

    /// A version is complete before it is pointed to, and its count tells if it is no more.
    async fn read_version(&self, pointer: &Znode) -> Result<Attempt, Error> {
        let Ok(name) = std::str::from_utf8(pointer.bytes()) else {
            return Ok(Attempt::Torn("the pointer is no text".into()));
        };
        let is_name = name.starts_with("v-") && !name.contains('/');
        let directory = join(&join(&self.path, VERSIONS), name);
        if !is_name || lockkeeper::path::check(&directory).is_err() {
            return Ok(Attempt::Torn("the pointer names no version".into()));
        }
        let count = self.client.get(&directory);
        let names = self.client.children(&directory);
        let (count, names) = match (count.await, names.await) {
            (Ok(count), Ok(names)) => (count, names),
            (Err(error), _) | (_, Err(error)) if error.code() == Some(ErrorCode::NO_NODE) => {
                return Ok(Attempt::Torn(format!("{directory} is missing")));
            }
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        if count.bytes() != names.len().to_string().as_bytes() {
            return Ok(Attempt::Torn(format!("{directory} is not complete")));
        }
        self.read_keys(&directory, names).await
    }

    /// The keys were whole all the while if the mark is the same one at the end: whoever changes a
    /// key deletes it first, and one session's reads never go back in time.
    async fn read_in_place(&self, ready: &Znode) -> Result<Attempt, Error> {
        let mut names = match self.client.children(&self.path).await {
            Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {
                return Ok(Attempt::Torn(format!("{} is missing", self.path)));
            }
            names => names?,
        };
        names.retain(|name| name != READY);
        let attempt = self.read_keys(&self.path, names).await?;
        let after = self.client.exists(&join(&self.path, READY)).await?;
        match after.is_some_and(|after| after.czxid == ready.stat.czxid) {
            true => Ok(attempt),
            false => Ok(Attempt::Torn("published meanwhile".into())),
        }
    }

    async fn read_keys(&self, directory: &str, names: Vec<String>) -> Result<Attempt, Error> {
        let mut keys = Keys::new();
        let mut reads = stream::iter(names)
            .map(|name| {
                let read = self.client.get(&join(directory, &name));
                async move { (name, read.await) }
            })
            .buffered(READS_MAX);
        while let Some((name, read)) = reads.next().await {
            match read {
                Ok(znode) => drop(keys.insert(name, znode.data.unwrap_or_default())),
                Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {
                    return Ok(Attempt::Torn(format!(
                        "{} is missing",
                        join(directory, &name)
                    )));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Attempt::Whole(keys))
    }
}
