//! A configuration of several keys that is published as a whole.
//!
//! Readers never act on half of one, whenever the publisher dies: either they read a directory that
//! is complete before anything points to it and never changes after, or they read under a mark that
//! is taken away before the first key changes and compare it at the end.

mod publish;
mod read;

use std::sync::Arc;
use std::time::Duration;

use lockkeeper::path::join;
use lockkeeper::{Client, Zxid};

use self::read::Reading;
use crate::config::{ConfigBuilder, Keys};
use crate::error::RecipeError;
use crate::guard::Guard;
use crate::look::checked;

const CURRENT: &str = "current";
const READY: &str = "ready";
const VERSIONS: &str = "versions";
/// What a reader reads, and a publisher writes, at most.
const KEYS_MAX: usize = 5_000;

/// How a configuration of several keys lies in the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetLayout {
    /// `ready` beside the keys, which are children of the path: there while the keys are whole, and
    /// gone while they change (ZooKeeper paper, section 2.3). Readers wait meanwhile, and keep what
    /// they have. Needs a guard, since two publishers at once would mix.
    Ready,
    /// `versions/v-<uuid>/<key>`, immutable, and `current` with the name of one: published by one
    /// write, which readers watch and nothing else. Readers always find one version whole.
    #[default]
    Versions,
}

/// A configuration of several keys at a path, to publish and to follow.
///
/// A key is one element of a path; there may be 5,000 of them, each up to what a znode takes.
///
/// ```no_run
/// # async fn example(client: lockkeeper::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use lockkeeper_recipes::{ConfigSet, Keys, Mutex};
///
/// let set = ConfigSet::new(&client, "/app/config")?;
/// let guard = Mutex::new(&client, "/app/publisher")?.lock().await?;
/// let keys = Keys::from([("host".into(), "db1".into()), ("port".into(), "5432".into())]);
/// set.publish(&keys, Some(&guard)).await?;
///
/// let config = set.follow().open().await?; // in any process
/// println!("{:?}", config.good());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ConfigSet {
    client: Client,
    path: Arc<str>,
    layout: SetLayout,
    kept: usize,
    kept_for: Duration,
}

impl ConfigSet {
    /// A configuration at `path` with [`SetLayout::Versions`]. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`] with a misuse if `path` is no znode path.
    pub fn new(client: &Client, path: &str) -> Result<Self, RecipeError> {
        Ok(Self {
            client: client.clone(),
            path: checked(path)?,
            layout: SetLayout::default(),
            kept: 2,
            kept_for: Duration::from_secs(60),
        })
    }

    /// How the keys lie; the same for all who use the path.
    #[must_use]
    pub fn layout(mut self, layout: SetLayout) -> Self {
        self.layout = layout;
        self
    }

    /// Which old versions a publisher keeps: the latest `count`, and those younger than `age` by
    /// the server's clock. Default: 2, and those of the last minute.
    #[must_use]
    pub fn keep(mut self, count: usize, age: Duration) -> Self {
        self.kept = count;
        self.kept_for = age;
        self
    }

    /// Publishes `keys` in place of all there were; the zxid that orders it.
    ///
    /// With a guard - of a lock, of a leader - every write carries a check that it is held, so that
    /// a publisher that was deposed changes nothing. The guard's client does the writing.
    ///
    /// If the future is dropped or the process dies, readers keep what they had or get the new keys,
    /// whole. With [`SetLayout::Ready`] they keep what they had until somebody publishes again.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Lost`] if the guard is lost, [`RecipeError::Changed`] if somebody else has
    /// published meanwhile, [`RecipeError::Conflict`] if a key is no name, there are too many, or
    /// the layout needs a guard: in all these cases readers see nothing of it.
    /// [`RecipeError::Client`]; with outcome unknown readers may see it.
    pub async fn publish(&self, keys: &Keys, guard: Option<&Guard>) -> Result<Zxid, RecipeError> {
        if keys.len() > KEYS_MAX {
            let what = format!("a configuration has at most {KEYS_MAX} keys: split it");
            return Err(RecipeError::conflict(&self.path, what));
        }
        for key in keys.keys() {
            let is_taken = self.layout == SetLayout::Ready && key == READY;
            if key.contains('/') || is_taken || checked(&join(&self.path, key)).is_err() {
                let what = "no key can be called that: give it a name that can stand in a path";
                return Err(RecipeError::conflict(key, what));
            }
        }
        match (self.layout, guard) {
            (SetLayout::Versions, guard) => self.publish_version(keys, guard).await,
            (SetLayout::Ready, Some(guard)) => self.publish_in_place(keys, guard).await,
            (SetLayout::Ready, None) => Err(RecipeError::conflict(
                &self.path,
                "the `ready` layout is published under a guard only: take a lock first",
            )),
        }
    }

    /// The configuration, to be followed; see [`Config`](crate::Config).
    pub fn follow(&self) -> ConfigBuilder<Keys, Keys> {
        let reading = Reading::new(&self.client, &self.path, self.layout);
        ConfigBuilder::new(&self.client, reading.looks())
    }
}
