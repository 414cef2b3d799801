//! One world, from its seed to its verdict.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lockkeeper_check::{Rule, Violation};

use crate::core::{Event, ProcessId, Shared};
use crate::executor::{Executor, Process};
use crate::faults::{FaultId, FaultKind, Plan};
use crate::invariant;
use crate::member::Member;
use crate::net::{Net, Towards};
use crate::random::Random;
use crate::swarm::Swarm;
use crate::truth::Truth;
use crate::workload::Actor;

/// After healing everybody has to have finished within this, and two session timeouts per client.
const LIVENESS: u64 = 120_000_000;
/// After that, for the last replies and expiries.
const QUIET: u64 = 5_000_000;
/// A world that makes more events than this makes no progress.
const EVENTS_MAX: u64 = 20_000_000;

/// What a disk says whose power has failed in the middle of something.
const POWER_IS_GONE: &str = "power is gone";

/// How a world ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What is wrong; empty for a good world.
    pub violations: Vec<Violation>,
    /// Everything that happened, as one number.
    pub hash: u64,
    /// Simulated time, microseconds.
    pub simulated: u64,
    /// Events.
    pub events: u64,
    /// Replies that reached clients.
    pub operations: u64,
    /// Replies, events and calls that a checker looked at.
    pub checked: usize,
    /// The faults that happened, in order.
    pub faults: Vec<FaultId>,
    /// How often each rare thing was reached.
    pub reach: std::collections::BTreeMap<&'static str, u64>,
    /// What happened, line by line, if asked for.
    pub trace: Vec<String>,
}

/// A world while it lasts.
pub(crate) struct World {
    pub(crate) swarm: Swarm,
    pub(crate) shared: Arc<Shared>,
    pub(crate) executor: Executor,
    pub(crate) members: Vec<Member>,
    pub(crate) plans: Vec<Plan>,
    pub(crate) masked: BTreeSet<FaultId>,
    pub(crate) happened: Vec<FaultId>,
    truth: Truth,
    seed: u64,
    generation: u64,
}

/// Runs the world of a seed, without some of its faults.
pub fn run(seed: u64, masked: &BTreeSet<FaultId>, traced: bool) -> Outcome {
    let mut world = World::new(seed, masked.clone(), traced);
    world.live();
    let outcome = world.judge();
    world.executor.clear();
    outcome
}

impl World {
    fn new(seed: u64, masked: BTreeSet<FaultId>, traced: bool) -> Self {
        let swarm = Swarm::draw(seed);
        let shared = Shared::new(seed, Net::new(swarm.net));
        if traced {
            shared.core().record.trace = Some(vec![format!("{swarm:?}")]);
        }
        let member = |id: usize| {
            let random = Random::new(seed, 10 + id as u64);
            Member::new(id, swarm.clocks[id], swarm.member, random)
        };
        let members = (0..swarm.members).map(member).collect();
        Self {
            shared,
            executor: Executor::default(),
            members,
            plans: swarm.plans.clone(),
            masked,
            happened: Vec::new(),
            truth: Truth::new(Random::new(seed, 3)),
            seed,
            generation: 0,
            swarm,
        }
    }

    /// Faults first, then none, then silence.
    fn live(&mut self) {
        for member in 0..self.members.len() {
            self.restart(member);
        }
        for client in 0..self.swarm.clients.len() {
            self.start_client(client);
        }
        let shared = self.shared.clone();
        for plan in &mut self.plans {
            plan.schedule(&mut shared.core());
        }
        let lasts = self.swarm.lasts;
        self.run_until(lasts, |_| false);
        self.heal();
        let clients = self.swarm.clients.len();
        let timeouts = 2 * clients as u64 * self.swarm.session_timeout_ms * 1000;
        let healed = self.now();
        self.run_until(healed + LIVENESS + timeouts, |world| {
            world.shared.core().finished == clients
        });
        let waited = self.now() - healed;
        let finished = self.shared.core().finished;
        let verdict = invariant::v1_liveness::check(finished, clients, waited);
        self.shared.core().record.violations.extend(verdict);
        let quiet = self.now() + QUIET + 2 * self.swarm.session_timeout_ms * 1000;
        self.run_until(quiet, |_| false);
    }

    fn now(&self) -> u64 {
        self.shared.core().now
    }

    /// Lets things happen up to a moment, or until that is so.
    fn run_until(&mut self, until: u64, done: impl Fn(&Self) -> bool) {
        let shared = self.shared.clone();
        loop {
            self.executor.run(&shared);
            if done(self) {
                return;
            }
            let mut core = shared.core();
            let is_stuck = core.events > EVENTS_MAX;
            if is_stuck {
                core.record
                    .violation(Rule::V1, "the world makes no progress".into());
            }
            if is_stuck || !core.record.violations.is_empty() {
                return;
            }
            let Some(event) = core.next(until) else {
                core.now = core.now.max(until);
                return;
            };
            drop(core);
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Timer(timer) => timer.fire(),
            Event::Arrives(wire, towards) => self.arrives(wire, towards),
            Event::Member(id, incarnation, step) => {
                let member = &mut self.members[id];
                if member.incarnation != incarnation || member.node.is_none() {
                    return;
                }
                let shared = self.shared.clone();
                let mut core = shared.core();
                if member.paused_until > core.now {
                    return member.stash.push(Event::Member(id, incarnation, step));
                }
                core.note(&[6, id as u64]);
                if let Err(dead) = member.step(step, &mut core, &mut self.truth) {
                    drop(core);
                    self.buried(id, &dead.0);
                }
            }
            Event::Restart(member) => self.restart(member),
            Event::Fault(kind) => self.fault(kind),
            Event::Mend(mend) => self.mend(mend),
        }
    }

    fn arrives(&mut self, wire: u64, towards: Towards) {
        let shared = self.shared.clone();
        let mut core = shared.core();
        let Some(id) = core.net.member_of(wire) else {
            return;
        };
        let member = &mut self.members[id];
        if towards == Towards::Member && member.paused_until > core.now {
            return member.stash.push(Event::Arrives(wire, towards));
        }
        match (core.arrive(wire, towards), towards) {
            (Some(Some(packet)), Towards::Client) => {
                let waker = core.reach_client(wire, packet);
                drop(core);
                waker.into_iter().for_each(std::task::Waker::wake);
            }
            (Some(Some(packet)), Towards::Member) => {
                member.receive(wire, packet, &mut core, &mut self.truth);
            }
            (Some(None), _) => member.accept(wire, &mut core),
            (None, _) => {}
        }
    }

    /// A member's process has ended by itself: its disk failed, or its power with it.
    fn buried(&mut self, id: usize, why: &str) {
        let mut random = Random::new(self.seed ^ self.now(), 8);
        {
            let mut core = self.shared.core();
            core.record.reach("process ended by its disk");
            let now = core.now / 1000;
            core.record
                .trace(|| format!("{now} ms: member {id} ends: {why}"));
        }
        let power = why.contains(POWER_IS_GONE);
        self.kill(id, power, &mut random);
    }

    /// Ends a member's process, and plans its next start.
    pub(crate) fn kill(&mut self, id: usize, power: bool, random: &mut Random) {
        let shared = self.shared.clone();
        let mut core = shared.core();
        if self.members[id].node.is_none() {
            return;
        }
        self.members[id].die(&mut core, power);
        let down = random.within(1_000..2 * self.swarm.session_timeout_ms * 1000);
        core.after(down, Event::Restart(id));
    }

    fn restart(&mut self, id: usize) {
        if self.members[id].node.is_some() {
            return;
        }
        let shared = self.shared.clone();
        let mut core = shared.core();
        if let Err(dead) = self.members[id].start(&mut core, &mut self.truth) {
            core.record.reach("start failed");
            if dead.0.contains(POWER_IS_GONE) {
                self.members[id].lose_power();
            }
            let is_injected = self.members[id].takes_fault();
            if !is_injected {
                let text = format!("member {id} does not start: {}", dead.0);
                core.record.violation(Rule::D3, text);
            }
            core.after(100_000, Event::Restart(id));
        }
    }

    fn start_client(&mut self, id: ProcessId) {
        self.generation += 1;
        let part = 1000 + self.generation * 100 + id as u64;
        let process = Process::new(self.shared.clone(), id, Random::new(self.seed, part));
        let all = (0..self.members.len()).map(|member| format!("m:{}", member + 1));
        let actor = Actor {
            shared: self.shared.clone(),
            process,
            id,
            random: Random::new(self.seed, part + 50),
            servers: all.collect::<Vec<_>>().join(","),
            session_timeout: Duration::from_millis(self.swarm.session_timeout_ms),
            think: self.swarm.think,
            call_timeout: self.swarm.call_timeout_ms.map(Duration::from_millis),
        };
        let kind = self.swarm.clients[id];
        let task = Box::pin(actor.run(kind));
        self.shared.core().spawned.push((id, task));
    }

    /// Kills a client's process; another one takes its place.
    pub(crate) fn replace_client(&mut self, id: ProcessId) {
        self.executor.kill(id);
        {
            let mut core = self.shared.core();
            let record = &mut core.record;
            // Nobody waits any more.
            for (watch, &by) in record.waited.iter_mut().zip(&record.waited_by) {
                watch.fired |= by == id;
            }
        }
        self.start_client(id);
    }

    fn judge(&mut self) -> Outcome {
        let mut core = self.shared.core();
        let mut violations = std::mem::take(&mut core.record.violations);
        let mut checked = 0;
        if violations.is_empty() {
            for member in &self.members {
                if let Some(left) = member.leftovers() {
                    let is_open = |wire| core.net.is_open(wire);
                    violations.extend(invariant::r1_leftovers::check(member.id, &left, is_open));
                }
            }
            let (more, count) = invariant::check_history(&core.record);
            violations.extend(more);
            checked = count;
        }
        Outcome {
            violations,
            hash: core.hash,
            simulated: core.now,
            events: core.events,
            operations: core.record.answered,
            checked,
            faults: std::mem::take(&mut self.happened),
            reach: std::mem::take(&mut core.record.reach),
            trace: core.record.trace.take().unwrap_or_default(),
        }
    }
}

/// A fault by the words of a report.
pub fn name_of((kind, count): FaultId) -> String {
    format!("{kind:?}:{count}")
}

/// The fault of such a word.
pub fn fault_of(word: &str) -> Option<FaultId> {
    let (kind, count) = word.split_once(':')?;
    let is_it = |named: &&FaultKind| format!("{named:?}") == kind;
    let kind = *crate::faults::FAULTS.iter().find(is_it)?;
    Some((kind, count.parse().ok()?))
}
