//! A value that several processes share: one znode's data.

use std::sync::Arc;

use bytes::Bytes;
use lockkeeper::{Client, CreateMode, ErrorCode, Stat, Zxid};

use crate::error::RecipeError;
use crate::look::{Sight, checked, insist};
use crate::parents::plant_once;

/// Bytes at a path, replaced as a whole; what Curator calls `SharedValue`.
///
/// States are ordered by the zxid of the write that made them, never by the version, which starts
/// again when the znode is made anew.
#[derive(Clone, Debug)]
pub struct SharedValue {
    client: Client,
    path: Arc<str>,
}

/// A state of a shared value. One that was written down somewhere may be put together again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// The zxid of the write that made it: larger means later.
    pub revision: Zxid,
    /// The znode's data version, which [`SharedValue::try_set`] compares.
    pub version: i32,
}

impl SharedValue {
    /// The value at `path`. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`] with a misuse if `path` is no znode path.
    pub fn new(client: &Client, path: &str) -> Result<Self, RecipeError> {
        Ok(Self {
            client: client.clone(),
            path: checked(path)?,
        })
    }

    /// The value as this client's server has it, which may lag; `None` if the znode is missing.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`].
    pub async fn get(&self) -> Result<Option<Versioned<Bytes>>, RecipeError> {
        match insist(&self.client, || self.client.get(&self.path)).await {
            Ok(znode) => Ok(Some(versioned(znode.data.unwrap_or_default(), &znode.stat))),
            Err(error) if error.code() == Some(ErrorCode::NO_NODE) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the value, whatever it is, or makes it.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`]; with outcome unknown the value may be the new one, or may have been
    /// for a while. It is not sent again: that could undo what others wrote since.
    pub async fn set(&self, value: impl Into<Bytes>) -> Result<Versioned<Bytes>, RecipeError> {
        let value = value.into();
        loop {
            match self.client.set(&self.path, value.clone(), None).await {
                Ok(stat) => return Ok(versioned(value, &stat)),
                Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {}
                Err(error) => return Err(error.into()),
            }
            match self.create(value.clone()).await {
                Err(RecipeError::Changed { .. }) => {}
                made => return made,
            }
        }
    }

    /// Replaces the value if it is still `previous`, `None` meaning that there is none yet.
    ///
    /// What is compared is the version. A znode that was deleted and made again comes through the
    /// same versions once more; nothing here deletes it.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Changed`] if it is not; [`RecipeError::Conflict`] if the version has wrapped
    /// to -1, which servers take for "any"; [`RecipeError::Client`] as for [`SharedValue::set`].
    pub async fn try_set<T>(
        &self,
        previous: Option<&Versioned<T>>,
        value: impl Into<Bytes>,
    ) -> Result<Versioned<Bytes>, RecipeError> {
        let value = value.into();
        let Some(previous) = previous else {
            return self.create(value).await;
        };
        if previous.version == -1 {
            return Err(RecipeError::conflict(
                &self.path,
                "the version has wrapped to -1 and cannot be compared: set the value once",
            ));
        }
        let set = self
            .client
            .set(&self.path, value.clone(), Some(previous.version));
        match set.await {
            Ok(stat) => Ok(versioned(value, &stat)),
            Err(error) => match error.code() {
                Some(ErrorCode::BAD_VERSION | ErrorCode::NO_NODE) => Err(self.changed()),
                _ => Err(error.into()),
            },
        }
    }

    /// The states from now on, the present one first. Those in between may be left out.
    pub fn changes(&self) -> Values {
        Values {
            sight: Sight::new(&self.client, &self.path),
            seen: None,
        }
    }

    async fn create(&self, value: Bytes) -> Result<Versioned<Bytes>, RecipeError> {
        let mode = CreateMode::Persistent;
        match plant_once(&self.client, &self.path, value.clone(), mode).await {
            Ok(created) => Ok(versioned(value, &created.stat)),
            Err(error) if error.code() == Some(ErrorCode::NODE_EXISTS) => Err(self.changed()),
            Err(error) => Err(error.into()),
        }
    }

    fn changed(&self) -> RecipeError {
        RecipeError::Changed {
            path: self.path.to_string(),
        }
    }
}

fn versioned<T>(value: T, stat: &Stat) -> Versioned<T> {
    Versioned {
        value,
        revision: stat.mzxid,
        version: stat.version,
    }
}

/// The states of a [`SharedValue`], one after the other.
pub struct Values {
    sight: Sight,
    seen: Option<Option<Zxid>>,
}

impl Values {
    /// The next state that differs from the last one returned; `None` while the znode is missing.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`] when the session ends or the server refuses.
    pub async fn next(&mut self) -> Result<Option<Versioned<Bytes>>, RecipeError> {
        loop {
            let znode = self.sight.next().await?;
            let revision = znode.as_ref().map(|znode| znode.stat.mzxid);
            if self.seen != Some(revision) {
                self.seen = Some(revision);
                return Ok(
                    znode.map(|znode| versioned(znode.data.unwrap_or_default(), &znode.stat))
                );
            }
        }
    }
}

/// A number that several processes share: four bytes, the highest first, as Curator's `SharedCount`
/// and `DistributedAtomicInteger` write it.
#[derive(Clone, Debug)]
pub struct SharedCount(SharedValue);

impl SharedCount {
    /// The number at `path`. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`] with a misuse if `path` is no znode path.
    pub fn new(client: &Client, path: &str) -> Result<Self, RecipeError> {
        SharedValue::new(client, path).map(Self)
    }

    pub(crate) fn path(&self) -> &str {
        &self.0.path
    }

    /// The number as this client's server has it; `None` if the znode is missing.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Conflict`] if the data is no such number, [`RecipeError::Client`].
    pub async fn get(&self) -> Result<Option<Versioned<i32>>, RecipeError> {
        let bytes = self.0.get().await?;
        bytes.map(|bytes| decode(&self.0.path, bytes)).transpose()
    }

    /// Replaces the number, whatever it is, or makes it. As [`SharedValue::set`].
    ///
    /// # Errors
    ///
    /// Those of [`SharedValue::set`].
    pub async fn set(&self, value: i32) -> Result<Versioned<i32>, RecipeError> {
        let set = self.0.set(value.to_be_bytes().to_vec()).await?;
        decode(&self.0.path, set)
    }

    /// Replaces the number if it is still `previous`. As [`SharedValue::try_set`].
    ///
    /// # Errors
    ///
    /// Those of [`SharedValue::try_set`].
    pub async fn try_set(
        &self,
        previous: Option<&Versioned<i32>>,
        value: i32,
    ) -> Result<Versioned<i32>, RecipeError> {
        let set = self.0.try_set(previous, value.to_be_bytes().to_vec());
        decode(&self.0.path, set.await?)
    }

    /// The states from now on, the present one first. Those in between may be left out.
    pub fn changes(&self) -> Counts {
        Counts {
            path: Arc::clone(&self.0.path),
            values: self.0.changes(),
        }
    }

    /// The same, and the first one is what the leader has by now.
    pub(crate) fn changes_synced(&self) -> Counts {
        let mut counts = self.changes();
        counts.values.sight = counts.values.sight.synced();
        counts
    }
}

/// The states of a [`SharedCount`], one after the other.
pub struct Counts {
    path: Arc<str>,
    values: Values,
}

impl Counts {
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// As [`Values::next`].
    ///
    /// # Errors
    ///
    /// [`RecipeError::Conflict`] if the data is no such number; the next call waits for the next
    /// state. [`RecipeError::Client`].
    pub async fn next(&mut self) -> Result<Option<Versioned<i32>>, RecipeError> {
        let bytes = self.values.next().await?;
        bytes.map(|bytes| decode(&self.path, bytes)).transpose()
    }
}

fn decode(path: &str, bytes: Versioned<Bytes>) -> Result<Versioned<i32>, RecipeError> {
    let Ok(be) = <[u8; 4]>::try_from(&bytes.value[..]) else {
        let len = bytes.value.len();
        let what = format!(
            "holds {len} bytes and a shared count is 4, the highest first: give the count a path \
             of its own, or set it anew"
        );
        return Err(RecipeError::conflict(path, what));
    };
    Ok(Versioned {
        value: i32::from_be_bytes(be),
        revision: bytes.revision,
        version: bytes.version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t85_only_four_bytes_are_a_count() {
        let of = |data: &'static [u8]| {
            decode(
                "/count",
                Versioned {
                    value: Bytes::from_static(data),
                    revision: Zxid(1),
                    version: 0,
                },
            )
        };
        assert_eq!(of(&[0, 0, 0, 5]).unwrap().value, 5);
        assert_eq!(of(&[0xff, 0xff, 0xff, 0xff]).unwrap().value, -1);
        for data in [&b""[..], b"123", b"12345", b"00000005"] {
            assert!(matches!(of(data), Err(RecipeError::Conflict { .. })));
        }
    }
}
