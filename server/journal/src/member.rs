//! The journal of a member of an ensemble: what a leader may have it do besides appending.
//!
//! Everything here is durable when it returns. After an error the journal is poisoned: how far the
//! disk got is for the next start to find out, and whatever it finds is a state that this member
//! had promised before or was about to promise.
//!
//! Which write comes before which is the caller's to order, and much hangs on it: history before
//! the current epoch, the current epoch before its acknowledgement (ZOOKEEPER-4643, -4646, -4785).

use std::io::{self, Write};

use crate::disk::Disk;
use crate::epochs::{self, Epochs};
use crate::error::JournalError;
use crate::install;
use crate::listing::Listing;
use crate::log::Journal;
use crate::recover::Recovered;
use crate::truncate;
use crate::votes;

impl<D: Disk> Journal<D> {
    /// Whether this member may take part in votes and count in quorums.
    ///
    /// False when it has lost data that it may have promised to keep, or is new and
    /// [`Settings::db_autocreate`](crate::Settings::db_autocreate) is off. It becomes true for good
    /// with [`write_current`](Self::write_current), or at a start that finds the operator's file
    /// `initialize` in [`Settings::log_dir`](crate::Settings::log_dir), which is removed. Always
    /// true unless [`Settings::member`](crate::Settings::member).
    pub fn votes(&self) -> bool {
        self.votes
    }

    /// The epochs of this member, whose last transaction is `last`: 0 in an empty directory.
    ///
    /// Call it once, after the replay, before the first write. What a crash or a standalone server
    /// has left unsaid is decided and written, so both files agree with the log afterwards.
    ///
    /// # Errors
    /// [`JournalError::EpochFile`], [`JournalError::EpochBehind`] or
    /// [`JournalError::EpochNotAccepted`] when the files cannot be trusted; [`JournalError::Io`].
    pub fn read_epochs(&mut self, last: i64) -> Result<Epochs, JournalError> {
        self.usable()?;
        let epochs = epochs::recover(&self.disk, &self.settings, last);
        let epochs = self.poison(epochs)?;
        self.epochs = Some(epochs);
        Ok(epochs)
    }

    /// Promises to follow no leader of an epoch before `epoch`.
    ///
    /// # Errors
    /// [`JournalError::Io`]; then the next start finds the old or the new value.
    ///
    /// # Panics
    /// When `epoch` is below the accepted one, or the epochs were not read.
    pub fn write_accepted(&mut self, epoch: i64) -> Result<(), JournalError> {
        self.usable()?;
        let mut epochs = self
            .epochs
            .expect("epochs are read before they are written");
        assert!(epoch >= epochs.accepted, "{epoch} after {epochs:?}");
        // Only a member that has promised something can forget it.
        if self.votes && epochs.accepted == 0 {
            let claimed = votes::claim(&self.disk, &self.settings);
            self.poison(claimed)?;
        }
        let written = epochs::write_accepted(&self.disk, &self.settings, epoch);
        self.poison(written)?;
        epochs.accepted = epoch;
        self.epochs = Some(epochs);
        Ok(())
    }

    /// Joins `epoch`: the initial history of its leader is what is on disk, all of it synced.
    ///
    /// # Errors
    /// [`JournalError::Io`]; then the next start finds the old or the new value.
    ///
    /// # Panics
    /// When `epoch` is below the current one or above the accepted one, or the epochs were not read.
    pub fn write_current(&mut self, epoch: i64) -> Result<(), JournalError> {
        self.usable()?;
        let mut epochs = self
            .epochs
            .expect("epochs are read before they are written");
        assert!(
            (epochs.current..=epochs.accepted).contains(&epoch),
            "{epoch} after {epochs:?}"
        );
        let written = epochs::write_current(&self.disk, &self.settings, epoch);
        self.poison(written)?;
        epochs.current = epoch;
        self.epochs = Some(epochs);
        if !self.votes {
            let claimed = votes::claim(&self.disk, &self.settings);
            self.poison(claimed)?;
            self.votes = true;
        }
        Ok(())
    }

    /// Removes every transaction above `zxid`, as a leader that does not have them orders (TRUNC),
    /// durably. Returns what is left: load it into a fresh store. The next append starts a file.
    ///
    /// No snapshot may be in the making and no [`retain`](crate::retain) under way.
    ///
    /// # Errors
    /// [`JournalError::CannotTruncate`] when `zxid` is neither in the log nor that of a snapshot, or
    /// no snapshot reaches back to it: nothing was changed, ask for a snapshot instead.
    /// [`JournalError::Io`] before anything was changed or in the middle; in both cases the journal
    /// is poisoned, and the next start finds a prefix of the old history that reaches `zxid` at
    /// least. What is in memory by then says nothing (ZOOKEEPER-5094).
    pub fn truncate(&mut self, zxid: i64) -> Result<Recovered<D>, JournalError> {
        self.roll()?;
        let cut = match truncate::plan(&self.disk, &self.settings, zxid) {
            Err(error @ JournalError::CannotTruncate { .. }) => return Err(error),
            planned => self.poison(planned)?,
        };
        let done = cut.carry_out(&self.disk, &self.settings);
        self.poison(done)?;
        self.zxid_last = Some(zxid);
        let listing = Listing::read(&self.disk, &self.settings);
        let listing = self.poison(listing)?;
        Recovered::new(self.disk.clone(), self.settings.clone(), listing)
    }

    /// Makes a received image, the state at `zxid`, the only snapshot and the start of the log
    /// (SNAP), durably. Everything else is removed, whatever its zxid.
    ///
    /// `image` writes fields 4 to 9 of the layout, which are the SNAP stream up to its signature.
    /// Apache's leaders send a fuzzy one, and nothing tells how far that goes: transactions that
    /// follow are to be applied as in a replay. Call it with a complete image only
    /// (ZOOKEEPER-3642); an error of `image` leaves what was there.
    ///
    /// No snapshot may be in the making and no [`retain`](crate::retain) under way.
    ///
    /// # Errors
    /// [`JournalError::Io`], also for an error of `image`; the journal is poisoned, and the next
    /// start finds all of what was there before or the image alone.
    pub fn install(
        &mut self,
        zxid: i64,
        image: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        self.roll()?;
        let installed = install::install(&self.disk, &self.settings, zxid, image);
        self.poison(installed)?;
        self.zxid_last = Some(zxid);
        Ok(())
    }
}
