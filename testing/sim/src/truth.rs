//! What the members owe: the committed log, how far each of them is, and when sessions were heard of.
//!
//! This is the place that knows everything. Members tell it what they do, and it complains when they
//! do what they must not, under the names of the invariants in `invariant`.

use std::collections::BTreeMap;

use bytes::Bytes;
use lockkeeper_check::{Rule, replay::is_own};
use lockkeeper_journal::Settings as Files;
use lockkeeper_journal::testing::SimDisk;
use lockkeeper_store::Store;
use lockkeeper_wire::{SessionId, Txn, TxnEntry, Zxid};

use crate::core::Core;
use crate::invariant;
use crate::member::entry_of;
use crate::random::Random;

/// One in so many replies is checked against the worst disk that a power cut could leave.
const WORST_DISK_ONE_IN: u64 = 200;

/// All that is known about members.
pub(crate) struct Truth {
    /// Prepared and not committed.
    proposed: BTreeMap<Zxid, Bytes>,
    /// The last transaction that was synced.
    pub(crate) durable: Zxid,
    /// The last one committed.
    pub(crate) committed: Zxid,
    /// The last digest in the committed log.
    digest: Option<u64>,
    pub(crate) contacts: BTreeMap<SessionId, Contact>,
    random: Random,
}

/// A session as its leader knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contact {
    pub(crate) timeout_ms: u64,
    pub(crate) heard_ms: u64,
    /// The member was slow or stood still since, so that it may be late.
    pub(crate) is_excused: bool,
}

impl Truth {
    pub(crate) fn new(random: Random) -> Self {
        Self {
            proposed: BTreeMap::new(),
            durable: Zxid::ZERO,
            committed: Zxid::ZERO,
            digest: None,
            contacts: BTreeMap::new(),
            random,
        }
    }

    /// A member has prepared a transaction.
    pub(crate) fn proposed(
        &mut self,
        txn: &lockkeeper_replica::Txn,
        now_ms: u64,
        tick_ms: u64,
        core: &mut Core,
    ) {
        let entry = entry_of(&txn.bytes);
        let session = entry.header.client_id;
        match entry.txn {
            Txn::CreateSession(timeout_ms) => {
                let contact = Contact {
                    timeout_ms: timeout_ms as u64,
                    heard_ms: now_ms,
                    is_excused: false,
                };
                self.contacts.insert(session, contact);
            }
            Txn::CloseSession(_) => {
                let contact = self.contacts.remove(&session);
                if is_own(&entry)
                    && let Some(contact) = contact
                {
                    core.record.reach("expiry");
                    let verdict = invariant::e2_expiry::check(session, contact, now_ms, tick_ms);
                    core.record.violations.extend(verdict);
                }
            }
            _ => {}
        }
        self.proposed.insert(txn.zxid, txn.bytes.clone());
    }

    /// A member has synced its log.
    pub(crate) fn synced(&mut self, _member: usize, last: Zxid) {
        self.durable = self.durable.max(last);
    }

    fn commit(&mut self, upto: Zxid, core: &mut Core) {
        while let Some(first) = self.proposed.first_entry()
            && *first.key() <= upto
        {
            let (zxid, bytes) = first.remove_entry();
            let entry = entry_of(&bytes);
            self.enter(zxid, entry, core);
        }
    }

    fn enter(&mut self, zxid: Zxid, entry: TxnEntry, core: &mut Core) {
        core.note(&[3, zxid.0 as u64]);
        self.committed = zxid;
        if let Some(digest) = entry.digest {
            self.digest = Some(digest.digest as u64);
        }
        if matches!(entry.txn, Txn::CloseSession(_)) {
            core.record.ended.insert(entry.header.client_id, core.now);
        }
        core.record.trace(|| {
            let (now, session) = (core.now / 1000, entry.header.client_id);
            format!("{now} ms: {zxid} {:?} of {session}", entry.txn.op())
        });
        core.record.history.log.push(entry);
    }

    /// A member has applied what was decided.
    pub(crate) fn applied(&mut self, member: usize, store: &Store, core: &mut Core) {
        let applied = store.last_zxid();
        let verdict = invariant::d2_marks::check(member, applied, self.durable);
        core.record.violations.extend(verdict);
        self.commit(applied, core);
        if applied != self.committed {
            let committed = self.committed;
            let text = format!("member {member} has applied {applied}, proposed was {committed}");
            core.record.violation(Rule::D2, text);
        }
        core.note(&[4, store.digest()]);
    }

    /// Clients are told of everything up to `last`.
    pub(crate) fn told(
        &mut self,
        member: usize,
        last: Zxid,
        disk: &SimDisk,
        files: &Files,
        core: &mut Core,
    ) {
        if self.random.one_in(WORST_DISK_ONE_IN) {
            core.record.reach("worst disk");
            let verdict = invariant::d1_durable::check(member, last, disk, files);
            core.record.violations.extend(verdict);
        }
    }

    /// A member has started on what it found on its disk.
    pub(crate) fn recovered(
        &mut self,
        member: usize,
        store: &Store,
        disk: &SimDisk,
        files: &Files,
        core: &mut Core,
    ) {
        let found = store.last_zxid();
        let promised = self.proposed.last_key_value().map(|(&last, _)| last);
        let promised = promised.unwrap_or(self.committed).max(self.committed);
        let verdict = invariant::d3_recovery::check(member, found, self.committed, promised);
        core.record.violations.extend(verdict);
        // What was logged and told to nobody counts from here on.
        self.commit(found, core);
        self.proposed.clear();
        if self.digest.is_some_and(|digest| digest != store.digest()) {
            let text = format!("member {member} recovers {found} with another tree than it had");
            core.record.violation(Rule::D3, text);
        }
        self.durable = found;
        let verdict = invariant::d1_durable::check(member, found, disk, files);
        core.record.violations.extend(verdict);
    }

    /// A member begins to serve: every session gets a full timeout.
    pub(crate) fn started(&mut self, store: &Store, now_ms: u64) {
        self.contacts = store
            .sessions()
            .map(|(session, timeout_ms)| {
                let contact = Contact {
                    timeout_ms: timeout_ms as u64,
                    heard_ms: now_ms,
                    is_excused: false,
                };
                (session, contact)
            })
            .collect();
    }

    pub(crate) fn heard(&mut self, session: SessionId, now_ms: u64) {
        if let Some(contact) = self.contacts.get_mut(&session) {
            contact.heard_ms = now_ms;
            contact.is_excused = false;
        }
    }

    /// A member was held up: it may be late with all that it owes by now.
    pub(crate) fn excuse(&mut self) {
        for contact in self.contacts.values_mut() {
            contact.is_excused = true;
        }
    }
}
