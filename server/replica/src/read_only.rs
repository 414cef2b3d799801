//! Reads without a leader: for clients that would rather see an old state than none.

use lockkeeper_zab::{Effect, RoleKind};

use crate::connection::Now;
use crate::replica::Replica;
use crate::role::Role;

/// The shortest search for a leader after which reads are served, ms.
const SEARCH_MIN_MS: u64 = 2000;

impl Replica {
    /// When reads will be served, if no leader is found by then, on the monotonic clock.
    pub(crate) fn read_only_at_ms(&self) -> Option<u64> {
        let search_ms = self.settings.tick_ms.max(SEARCH_MIN_MS);
        let is_due = self.settings.read_only
            && matches!(self.role, Role::Looking)
            && self.peer.role() == RoleKind::Looking;
        is_due.then_some(self.looking_since_ms + search_ms)
    }

    /// Begins to serve reads once the search has lasted.
    pub(crate) fn begin_read_only(&mut self, now: Now) {
        if self
            .read_only_at_ms()
            .is_some_and(|at_ms| at_ms <= now.mono_ms)
        {
            tracing::info!("no leader found: serving reads to clients that accept it");
            self.role = Role::ReadOnly;
        }
    }

    /// Ends it as soon as the search has: from then on the tree may change, and clients have to come
    /// again.
    pub(crate) fn follow_search(&mut self, now: Now) {
        if self.peer.role() == RoleKind::Looking {
            return;
        }
        self.looking_since_ms = now.mono_ms;
        if self.is_read_only() && !self.decided.contains(&Effect::Retire) {
            self.decided.push_front(Effect::Retire);
        }
    }
}
