//! The disk's side of a member: batches, syncs, rolls, snapshots.

use lockkeeper_server::snapshot_of;
use lockkeeper_store::Store;

use super::{Batch, Dead, Input, KEPT, Last, Member, Step, chain};
use crate::core::Core;
use crate::truth::Truth;

impl Member {
    /// Hands all that waits to the disk's thread, if it has nothing to do.
    pub(super) fn plan_write(&mut self, core: &mut Core) {
        let node = self.node.as_mut().expect("it runs");
        if node.is_writing || node.orders.is_empty() {
            return;
        }
        node.is_writing = true;
        let (batch, lone) = (std::mem::take(&mut node.orders), false);
        self.after(core, self.settings.step, Step::Append { batch, lone });
    }

    pub(super) fn append(&mut self, batch: Batch, lone: bool, core: &mut Core) -> Result<(), Dead> {
        let node = self.node.as_mut().expect("it runs");
        let last = batch.last().map(|(io, txn)| (*io, txn.zxid));
        let last = last.expect("a batch is never empty");
        let batch = batch.into_iter().map(|(_, txn)| (txn.zxid.0, txn.bytes));
        node.journal
            .append(batch)
            .map_err(|error| Dead(chain(&error)))?;
        #[cfg(feature = "__seeded-bugs")]
        if lockkeeper_bugs::is(lockkeeper_bugs::Bug::CommitsUnsynced) && lone {
            self.after(core, self.settings.step, Step::Logged { last });
            return Ok(());
        }
        self.after(core, self.settings.sync, Step::Sync { last, lone });
        Ok(())
    }

    pub(super) fn sync(
        &mut self,
        last: Last,
        lone: bool,
        core: &mut Core,
        truth: &mut Truth,
    ) -> Result<(), Dead> {
        let node = self.node.as_mut().expect("it runs");
        node.journal.sync().map_err(|error| Dead(chain(&error)))?;
        truth.synced(self.id, last.1);
        if lone {
            self.after(core, self.settings.step, Step::Logged { last });
            return Ok(());
        }
        node.is_writing = false;
        node.inbox.push(Input::Durable(last.0));
        if node.journal.snapshot_due() {
            self.roll(core)?;
        }
        self.plan_write(core);
        self.plan_turn(core);
        Ok(())
    }

    /// A new log file, and a snapshot beside it unless one is under way.
    pub(super) fn roll(&mut self, core: &mut Core) -> Result<(), Dead> {
        let node = self.node.as_mut().expect("it runs");
        node.journal.roll().map_err(|error| Dead(chain(&error)))?;
        if !node.is_snapshotting {
            node.is_snapshotting = true;
            let frozen = Box::new(node.store.freeze());
            self.after(core, 20 * self.settings.sync, Step::Snapshot { frozen });
        }
        Ok(())
    }

    pub(super) fn snapshot(&mut self, frozen: &Store, core: &mut Core) -> Result<(), Dead> {
        let node = self.node.as_mut().expect("it runs");
        node.is_snapshotting = false;
        // A snapshot that cannot be written ends nobody: the log goes on.
        match snapshot_of(&self.disk, &node.files, frozen, Some(KEPT)) {
            Ok(()) => core.record.reach("snapshot"),
            Err(_) => core.record.reach("snapshot failed"),
        }
        Ok(())
    }
}
