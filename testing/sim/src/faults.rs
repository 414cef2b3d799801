//! What goes wrong, how often, and to whom.
//!
//! Each kind of fault has a source of choices of its own and comes at moments that depend on nothing
//! else. So one of them can be left out and all others stay as they were, which is how a failing
//! seed is made small.

use lockkeeper_journal::testing::Fault as DiskFault;

use crate::core::{Core, Event, Mend};
use crate::net::Towards;
use crate::random::Random;
use crate::world::World;

/// The kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A path is stopped in one direction or both, for one client or for all.
    Cut,
    /// A path is a hundred times slower.
    Clog,
    /// A client's process stands still.
    ClientPause,
    /// A client's process is killed and another takes its place.
    ClientKill,
    /// A process of a member is killed; its disk keeps what was written.
    Kill,
    /// A member's machine loses its power; its disk keeps what was synced, and any of the rest.
    PowerCut,
    /// The power fails in the middle of what the disk does next.
    PowerCutInWrite,
    /// A write or sync of the disk fails.
    DiskFails,
    /// The disk is full for a while.
    DiskFull,
    /// A member stands still, for up to three session timeouts.
    Pause,
    /// A link is broken; maybe only one end hears of it, or none.
    Reset,
    /// A member is 10 to 100 times slower.
    Slow,
    /// A member's wall clock is set, by up to an hour.
    WallJump,
}

pub(crate) const FAULTS: [FaultKind; 13] = [
    FaultKind::Cut,
    FaultKind::Clog,
    FaultKind::ClientPause,
    FaultKind::ClientKill,
    FaultKind::Kill,
    FaultKind::PowerCut,
    FaultKind::PowerCutInWrite,
    FaultKind::DiskFails,
    FaultKind::DiskFull,
    FaultKind::Pause,
    FaultKind::Reset,
    FaultKind::Slow,
    FaultKind::WallJump,
];

/// One kind in one world.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: FaultKind,
    /// Around so long between two, microseconds.
    pub(crate) every: u64,
    pub(crate) random: Random,
    /// How many there have been.
    pub(crate) count: u32,
}

/// A fault, by its kind and its number among those of its kind.
pub type FaultId = (FaultKind, u32);

const HOUR_MS: i64 = 3_600_000;

impl Plan {
    pub(crate) fn schedule(&mut self, core: &mut Core) {
        let gap = self.random.within(self.every / 4..self.every * 2);
        core.after(gap, Event::Fault(self.kind));
    }
}

impl World {
    /// A fault begins, unless it is left out.
    pub(crate) fn fault(&mut self, kind: FaultKind) {
        let Some(at) = self.plans.iter().position(|plan| plan.kind == kind) else {
            return;
        };
        let shared = self.shared.clone();
        let mut core = shared.core();
        if core.healing {
            return;
        }
        let plan = &mut self.plans[at];
        plan.schedule(&mut core);
        let id = (kind, plan.count);
        plan.count += 1;
        // Drawn whether it happens or not, so that the next one is the same.
        let mut random = Random::new(plan.random.next(), 7);
        if self.masked.contains(&id) {
            return;
        }
        self.happened.push(id);
        core.note(&[5, kind as u64, u64::from(id.1)]);
        let now = core.now / 1000;
        core.record.trace(|| format!("{now} ms: {kind:?} {}", id.1));
        drop(core);
        self.strike(kind, &mut random);
    }

    fn strike(&mut self, kind: FaultKind, random: &mut Random) {
        let shared = self.shared.clone();
        let member = random.below(self.members.len() as u64) as usize;
        let client = random.below(self.swarm.clients.len() as u64) as usize;
        let timeout = self.swarm.session_timeout_ms * 1000;
        let mut core = shared.core();
        match kind {
            FaultKind::Cut => {
                let everybody = random.one_in(3);
                let (towards, both) = match random.below(3) {
                    0 => (Towards::Client, false),
                    1 => (Towards::Member, false),
                    _ => (Towards::Client, true),
                };
                let lasts = random.within(50_000..timeout * 3 / 2);
                for other in 0..self.swarm.clients.len() {
                    if !everybody && other != client {
                        continue;
                    }
                    core.net.cut(other, member, towards);
                    if both {
                        core.net.cut(other, member, Towards::Member);
                    }
                    let client = other;
                    core.after(lasts, Event::Mend(Mend::Cut { client, member }));
                }
            }
            FaultKind::Clog => {
                core.net.clog(client, member, random.within(10..200));
                let lasts = random.within(50_000..timeout);
                core.after(lasts, Event::Mend(Mend::Clog { client, member }));
            }
            FaultKind::ClientPause => {
                let lasts = random.within(50_000..2 * timeout);
                self.executor.pause(client);
                core.after(lasts, Event::Mend(Mend::Process(client)));
            }
            FaultKind::ClientKill => {
                drop(core);
                self.replace_client(client);
            }
            FaultKind::Kill | FaultKind::PowerCut => {
                drop(core);
                self.kill(member, kind == FaultKind::PowerCut, random);
            }
            FaultKind::PowerCutInWrite => {
                let operations = random.below(12) as usize;
                self.members[member].fail_disk(DiskFault::CrashAt(operations));
            }
            FaultKind::DiskFails => {
                let operations = random.below(12) as usize;
                self.members[member].fail_disk(DiskFault::FailAt(operations));
            }
            FaultKind::DiskFull => {
                let room = random.below(4096) as usize;
                self.members[member].fill_disk(room);
                let lasts = random.within(100_000..timeout);
                core.after(lasts, Event::Mend(Mend::Member(member)));
            }
            FaultKind::Pause => {
                let lasts = random.within(10_000..3 * timeout);
                let until = core.now + lasts;
                let paused = &mut self.members[member].paused_until;
                *paused = until.max(*paused);
                core.at(until, Event::Mend(Mend::Pause(member)));
            }
            FaultKind::Reset => {
                let open = core.net.open();
                if !open.is_empty() {
                    let hears = [random.below(4) > 0, random.below(4) > 0];
                    let wire = *random.pick(&open);
                    core.reset(wire, hears);
                }
            }
            FaultKind::Slow => {
                self.members[member].slow = random.within(10..100);
                let lasts = random.within(100_000..2 * timeout);
                core.after(lasts, Event::Mend(Mend::Slow(member)));
            }
            FaultKind::WallJump => {
                let by_ms = random.below(2 * HOUR_MS as u64) as i64 - HOUR_MS;
                self.members[member].clock.wall_off_ms += by_ms;
            }
        }
    }

    /// A fault ends.
    pub(crate) fn mend(&mut self, mend: Mend) {
        let shared = self.shared.clone();
        let mut core = shared.core();
        match mend {
            Mend::Cut { client, member } => core.mend(client, member),
            Mend::Clog { client, member } => core.net.unclog(client, member),
            Mend::Member(member) => self.members[member].disk.set_fault(None),
            Mend::Pause(member) => self.members[member].go_on_after_pause(&mut core),
            Mend::Slow(member) => self.members[member].slow = 1,
            Mend::Process(process) => self.executor.resume(process, &shared),
        }
    }

    /// All faults end at once.
    pub(crate) fn heal(&mut self) {
        let shared = self.shared.clone();
        for client in 0..self.swarm.clients.len() {
            self.mend(Mend::Process(client));
            for member in 0..self.members.len() {
                self.mend(Mend::Cut { client, member });
                self.mend(Mend::Clog { client, member });
            }
        }
        let mut core = shared.core();
        core.healing = true;
        for member in 0..self.members.len() {
            let healed = &mut self.members[member];
            healed.disk.set_fault(None);
            healed.slow = 1;
            healed.paused_until = core.now;
            healed.go_on_after_pause(&mut core);
            if healed.node.is_none() {
                core.after(1, Event::Restart(member));
            }
        }
        let now = core.now / 1000;
        core.record.trace(|| format!("{now} ms: all faults end"));
    }
}
