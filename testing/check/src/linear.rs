//! Whether calls that overlap could have happened one after the other (Wing and Gong 1993), with
//! Lowe's memo of what has been tried (*Testing for linearizability*, 2016).
//!
//! The search takes calls in every order that real time allows, undoes, and never comes twice to the
//! same state with the same calls done. A call whose outcome is unknown ends behind all others: it
//! may have happened at any moment since, and at the very end it is as good as not at all.

use std::collections::BTreeSet;

/// What calls do to a state.
pub trait Spec {
    /// The state.
    type State: Clone + Ord;
    /// A call with what it returned.
    type Call;

    /// The state before all calls.
    fn initial(&self) -> Self::State;

    /// The state behind a call, or `None` if it could not have returned that here.
    fn step(&self, state: &Self::State, call: &Self::Call) -> Option<Self::State>;
}

/// A call in time.
#[derive(Clone, Debug)]
pub struct Timed<C> {
    /// When it was made.
    pub start: u64,
    /// When it returned; `None` if it never did.
    pub end: Option<u64>,
    /// What it was and returned.
    pub call: C,
}

/// How far a search got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The most calls that could be put in order.
    pub ordered: usize,
    /// The call, by its place among those given, that none of these orders could take in.
    pub at: usize,
}

/// Searches for an order.
///
/// # Errors
/// There is none.
pub fn check<S: Spec>(spec: &S, calls: &[Timed<S::Call>]) -> Result<(), Stuck> {
    Search::new(spec, calls).run()
}

/// A moment of the history; they form a list from which calls are taken and put back.
#[derive(Clone, Copy, Debug)]
struct Moment {
    call: usize,
    returns: bool,
    before: usize,
    after: usize,
}

struct Search<'a, S: Spec> {
    spec: &'a S,
    calls: &'a [Timed<S::Call>],
    /// Moments from 1 on; 0 is the head, and the end of the list.
    moments: Vec<Moment>,
    /// Where a call returns.
    returns: Vec<usize>,
    done: Vec<u64>,
    tried: BTreeSet<(Vec<u64>, S::State)>,
    /// Calls taken, with the state before each.
    taken: Vec<(usize, S::State)>,
}

impl<'a, S: Spec> Search<'a, S> {
    fn new(spec: &'a S, calls: &'a [Timed<S::Call>]) -> Self {
        let mut order: Vec<(u64, bool, usize)> = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            order.push((call.start, false, index));
            // Moments that are equal overlap: calls come before returns.
            order.push((call.end.unwrap_or(u64::MAX), true, index));
        }
        order.sort_unstable();
        let len = order.len();
        let mut moments = vec![Moment {
            call: 0,
            returns: false,
            before: len,
            after: len.min(1),
        }];
        let mut returns = vec![0; calls.len()];
        for (index, &(_, is_return, call)) in order.iter().enumerate() {
            let at = index + 1;
            moments.push(Moment {
                call,
                returns: is_return,
                before: at - 1,
                after: (at + 1) % (len + 1),
            });
            if is_return {
                returns[call] = at;
            }
        }
        Self {
            spec,
            calls,
            moments,
            returns,
            done: vec![0; calls.len().div_ceil(64)],
            tried: BTreeSet::new(),
            taken: Vec::new(),
        }
    }

    fn run(mut self) -> Result<(), Stuck> {
        let mut state = self.spec.initial();
        let mut best = Stuck { ordered: 0, at: 0 };
        let mut at = self.moments[0].after;
        while self.moments[0].after != 0 {
            let moment = self.moments[at];
            if moment.returns {
                // This one has to come before anything later, and nothing more could.
                if self.taken.len() >= best.ordered {
                    best = Stuck {
                        ordered: self.taken.len(),
                        at: moment.call,
                    };
                }
                let Some((last, before)) = self.taken.pop() else {
                    return Err(best);
                };
                state = before;
                self.put_back(last);
                at = self.moments[last].after;
                continue;
            }
            let next = self.spec.step(&state, &self.calls[moment.call].call);
            if let Some(next) = next {
                self.flip(moment.call);
                if self.tried.insert((self.done.clone(), next.clone())) {
                    self.taken.push((at, std::mem::replace(&mut state, next)));
                    self.take_out(at);
                    at = self.moments[0].after;
                    continue;
                }
                self.flip(moment.call);
            }
            at = moment.after;
        }
        Ok(())
    }

    fn flip(&mut self, call: usize) {
        self.done[call / 64] ^= 1 << (call % 64);
    }

    fn take_out(&mut self, at: usize) {
        for at in [at, self.returns[self.moments[at].call]] {
            let Moment { before, after, .. } = self.moments[at];
            self.moments[before].after = after;
            self.moments[after].before = before;
        }
    }

    fn put_back(&mut self, at: usize) {
        let call = self.moments[at].call;
        self.flip(call);
        for at in [self.returns[call], at] {
            let Moment { before, after, .. } = self.moments[at];
            self.moments[before].after = at;
            self.moments[after].before = at;
        }
    }
}
