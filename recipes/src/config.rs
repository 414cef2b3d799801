//! Configuration: what was published last and passed the check.
//!
//! A task follows the source - one znode, or a [`ConfigSet`](crate::ConfigSet) - and keeps the last
//! good value; whoever uses it reads that without a request. What fails the check is reported and
//! changes nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::{self, BoxStream};
use lockkeeper::{Client, Error, State, Zxid};

use crate::error::RecipeError;
use crate::latest::{Latest, Reader, Writer};
use crate::look::{Sight, checked, client_gone};
use crate::retry::Backoff;

/// The values of a configuration of several keys.
pub type Keys = BTreeMap<String, Bytes>;

/// One look at a source.
pub(crate) enum Seen<R> {
    /// There is nothing.
    Absent,
    /// There is something that is no whole configuration.
    Broken(Zxid, String),
    Whole(Zxid, R),
}

/// What a configuration is read from.
pub(crate) type Source<R> = BoxStream<'static, Result<Seen<R>, Error>>;

type Check<R, T> = dyn Fn(&R) -> Result<T, String> + Send + Sync;

/// A configuration that is being followed. Clones share it; dropping the last ends it.
///
/// ```no_run
/// # async fn example(client: lockkeeper::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use lockkeeper_recipes::Config;
///
/// let limit = Config::of_value(&client, "/app/limit")?
///     .check(|bytes| match std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()) {
///         Some(limit @ 1..=1000) => Ok(limit),
///         _ => Err("limit must be a number from 1 to 1000".into()),
///     })
///     .open()
///     .await?;
/// let mut changes = limit.changes();
/// while let Some(snapshot) = changes.next().await {
///     println!("{:?} {:?}", snapshot.good, snapshot.status);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Not guaranteed
///
/// * That each published value is seen: of several in quick succession the last one counts.
/// * That all processes see a change at the same time; each sees them in the same order.
pub struct Config<T: Clone> {
    client: Client,
    reader: Arc<Reader<Snapshot<T>>>,
}

/// What is known of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot<T> {
    /// The last value that passed the check, or the builder's seed; `None` before there was one.
    pub good: Option<Arc<Revision<T>>>,
    /// How the latest look went.
    pub status: ConfigStatus,
}

/// A value that passed the check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revision<T> {
    /// The value.
    pub value: T,
    /// The zxid of the write that published it: larger means later. 0 for the seed.
    pub revision: Zxid,
}

/// How the latest look at a configuration went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigStatus {
    /// Nothing is published. The last good value stands.
    Absent,
    /// The session is over and no change will follow. The last good value stands.
    Ended(Error),
    /// What is published is the last good value.
    Good,
    /// What is published failed the check, or is not whole. The last good value stands.
    Rejected {
        /// What was looked at.
        revision: Zxid,
        /// What is wrong with it.
        reason: String,
    },
    /// The server does not show it, for want of a permission, say. It is asked again, ever more
    /// rarely. The last good value stands.
    Unreadable(Error),
}

/// The settings of a [`Config`].
#[must_use]
pub struct ConfigBuilder<R, T> {
    client: Client,
    source: Source<R>,
    check: Arc<Check<R, T>>,
    seed: Option<T>,
}

impl Config<Bytes> {
    /// The data of one znode. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`] with a misuse if `path` is no znode path.
    pub fn of_value(
        client: &Client,
        path: &str,
    ) -> Result<ConfigBuilder<Bytes, Bytes>, RecipeError> {
        let sight = Sight::new(client, &checked(path)?).synced();
        let looks = stream::unfold(sight, async |mut sight| {
            let seen = sight.next().await.map(|znode| match znode {
                Some(znode) => Seen::Whole(znode.stat.mzxid, znode.data.unwrap_or_default()),
                None => Seen::Absent,
            });
            Some((seen, sight))
        });
        Ok(ConfigBuilder::new(client, looks.boxed()))
    }
}

impl<R: Clone + Send + 'static> ConfigBuilder<R, R> {
    pub(crate) fn new(client: &Client, source: Source<R>) -> Self {
        Self {
            client: client.clone(),
            source,
            check: Arc::new(|raw: &R| Ok(raw.clone())),
            seed: None,
        }
    }
}

impl<R: Send + 'static, T> ConfigBuilder<R, T> {
    /// How to read what is published, and what to refuse: the text says why. Called on the client's
    /// runtime, for each value once; it should be quick. A panic is a refusal. Default: everything is
    /// good as it is.
    pub fn check<U>(
        self,
        check: impl Fn(&R) -> Result<U, String> + Send + Sync + 'static,
    ) -> ConfigBuilder<R, U> {
        ConfigBuilder {
            client: self.client,
            source: self.source,
            check: Arc::new(check),
            seed: None,
        }
    }

    /// The value that is good before anything is published.
    pub fn seed(mut self, value: T) -> Self {
        self.seed = Some(value);
        self
    }

    /// Starts to follow, and returns after the first look, however that went.
    ///
    /// The first look shows what had been published before the call, whichever server the client is
    /// on.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`] if the server refuses or the session ends.
    pub async fn open(self) -> Result<Config<T>, RecipeError>
    where
        T: Clone + Send + Sync + 'static,
    {
        let good = self.seed.map(|value| {
            let revision = Zxid(0);
            Arc::new(Revision { value, revision })
        });
        let status = ConfigStatus::Absent;
        let latest = Latest::new(Snapshot { good, status });
        let reader = Reader(Arc::clone(&latest));
        let follower = Follower {
            client: self.client.clone(),
            writer: Writer(Arc::clone(&latest)),
            has_told: false,
        };
        self.client.spawn(follower.run(self.source, self.check));
        // Generation 0 is from before the first look.
        match latest.after(Some(0)).await {
            Some((_, snapshot)) => match snapshot.status {
                ConfigStatus::Ended(error) | ConfigStatus::Unreadable(error) => Err(error.into()),
                _ => Ok(Config {
                    client: self.client,
                    reader: Arc::new(reader),
                }),
            },
            None => Err(client_gone(&self.client).into()),
        }
    }
}

/// Looks, checks and tells until nobody wants to know or the session is over.
struct Follower<T: Clone> {
    client: Client,
    writer: Writer<Snapshot<T>>,
    has_told: bool,
}

impl<T: Clone> Follower<T> {
    async fn run<R: Send>(mut self, mut source: Source<R>, check: Arc<Check<R, T>>) {
        let latest = Arc::clone(&self.writer.0);
        let mut backoff = Backoff::slow();
        loop {
            let seen = match select(pin!(latest.abandoned()), source.next()).await {
                Either::Left(_) | Either::Right((None, _)) => return,
                Either::Right((Some(seen), _)) => seen,
            };
            match seen {
                Ok(Seen::Absent) => self.tell(None, ConfigStatus::Absent),
                Ok(Seen::Broken(revision, reason)) => {
                    self.tell(None, ConfigStatus::Rejected { revision, reason });
                }
                Ok(Seen::Whole(revision, raw)) => match checked_by(&*check, &raw) {
                    Ok(value) => self.tell(Some(Revision { value, revision }), ConfigStatus::Good),
                    Err(reason) => self.tell(None, ConfigStatus::Rejected { revision, reason }),
                },
                Err(error) if error.is_final() => {
                    return self.tell(None, ConfigStatus::Ended(error));
                }
                Err(error) => {
                    self.tell(None, ConfigStatus::Unreadable(error));
                    let rested = backoff.rest(&self.client);
                    if let Either::Left(_) = select(pin!(latest.abandoned()), rested).await {
                        return;
                    }
                    continue;
                }
            }
            backoff = Backoff::slow();
        }
    }

    fn tell(&mut self, good: Option<Revision<T>>, status: ConfigStatus) {
        // The first look is news, whatever it shows: somebody waits for it.
        let is_first = !std::mem::replace(&mut self.has_told, true);
        self.writer.0.update(|snapshot| {
            let known = snapshot.good.as_ref().map(|known| known.revision);
            let good = good.filter(|good| Some(good.revision) != known);
            let is_news = good.is_some() || snapshot.status != status || is_first;
            if let Some(good) = good {
                snapshot.good = Some(Arc::new(good));
            }
            snapshot.status = status;
            is_news
        });
    }
}

impl<T: Clone> Drop for Follower<T> {
    /// Runs at the task's end, and also when the client ends and drops the task wherever it is.
    fn drop(&mut self) {
        if !matches!(self.writer.0.get().status, ConfigStatus::Ended(_)) {
            self.tell(None, ConfigStatus::Ended(client_gone(&self.client)));
        }
    }
}

/// What the check says; a panic in it ends nothing else.
fn checked_by<R, T>(check: &Check<R, T>, raw: &R) -> Result<T, String> {
    let checked = catch_unwind(AssertUnwindSafe(|| check(raw)));
    checked.unwrap_or_else(|_| Err("the check panicked".into()))
}

impl<T: Clone> Config<T> {
    /// What is known now. Sends nothing.
    pub fn snapshot(&self) -> Snapshot<T> {
        self.reader.0.get()
    }

    /// The last good value.
    pub fn good(&self) -> Option<Arc<Revision<T>>> {
        self.snapshot().good
    }

    /// Whether changes may be on their way unseen, because the client has no link now.
    pub fn is_stale(&self) -> bool {
        self.client.state() != State::Connected
    }

    /// What is known and each change of it, the present first; the latest one counts, those in
    /// between may be left out.
    pub fn changes(&self) -> ConfigChanges<T> {
        ConfigChanges {
            reader: Arc::clone(&self.reader),
            seen: None,
        }
    }
}

impl<T: Clone> Clone for Config<T> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            reader: Arc::clone(&self.reader),
        }
    }
}

impl<T: Clone + fmt::Debug> fmt::Debug for Config<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("snapshot", &self.snapshot())
            .finish_non_exhaustive()
    }
}

/// The changes of a [`Config`], one after the other.
pub struct ConfigChanges<T: Clone> {
    reader: Arc<Reader<Snapshot<T>>>,
    seen: Option<u64>,
}

impl<T: Clone> ConfigChanges<T> {
    /// The next snapshot that differs from the last one returned; `None` behind
    /// [`ConfigStatus::Ended`].
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Snapshot<T>> {
        let (generation, snapshot) = self.reader.0.after(self.seen).await?;
        self.seen = Some(generation);
        Some(snapshot)
    }
}
