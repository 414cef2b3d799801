//! Which frame, and what becomes of it.

/// The way of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Request,
    /// From the server to the client: replies and watch events.
    Reply,
}

/// What to do with the frame that a rule applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The frame and everything after it on its connection vanish, both ways, without FIN.
    BlackHole,
    /// The frame vanishes and its connection is cut on both sides.
    Cut,
    /// So many bytes of the frame pass, counting its length header; then the connection is cut.
    CutAt(usize),
    /// The frame vanishes; later ones pass. No real network does this to one TCP connection, but
    /// a broken server might.
    Drop,
    /// The frame, and in its direction everything behind it, waits for
    /// [`Armed::release`](super::Armed::release).
    Hold,
}

/// The n-th frame of a direction and opcode, and its fate. Strikes once.
#[derive(Clone, Debug)]
pub struct Rule {
    direction: Direction,
    /// Empty for every opcode.
    opcodes: Vec<i32>,
    nth: usize,
    action: Action,
}

impl Rule {
    /// The first reply to a request of this opcode. The server has processed the request by then.
    pub fn reply(opcode: i32) -> Self {
        Self {
            opcodes: vec![opcode],
            ..Self::any(Direction::Reply)
        }
    }

    /// The first request of this opcode. The server will not see it.
    pub fn request(opcode: i32) -> Self {
        Self {
            direction: Direction::Request,
            ..Self::reply(opcode)
        }
    }

    /// The first frame of this direction, whatever it is.
    pub fn any(direction: Direction) -> Self {
        Self {
            direction,
            opcodes: Vec::new(),
            nth: 1,
            action: Action::Cut,
        }
    }

    /// Of this opcode too: clients differ in which kind of create, say, they use.
    #[must_use]
    pub fn or(mut self, opcode: i32) -> Self {
        self.opcodes.push(opcode);
        self
    }

    /// The n-th such frame instead, counted from 1 since the rule was installed.
    #[must_use]
    pub fn nth(self, nth: usize) -> Self {
        assert!(nth > 0, "frames are counted from 1");
        Self { nth, ..self }
    }

    /// Its fate, [`Action::Cut`] unless said otherwise.
    #[must_use]
    pub fn then(self, action: Action) -> Self {
        Self { action, ..self }
    }
}

/// A rule with its count.
#[derive(Debug)]
pub(super) struct Counter {
    rule: Rule,
    matched: usize,
    fired: bool,
    released: bool,
}

impl Counter {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            matched: 0,
            fired: false,
            released: false,
        }
    }

    /// Counts a frame; true if it is the one.
    pub(super) fn count(&mut self, direction: Direction, opcode: i32) -> bool {
        let rule = &self.rule;
        let named = rule.opcodes.is_empty() || rule.opcodes.contains(&opcode);
        if direction != rule.direction || !named {
            return false;
        }
        self.matched += 1;
        self.matched == rule.nth
    }

    pub(super) fn action(&self) -> Action {
        self.rule.action
    }

    /// Marks it as having struck.
    pub(super) fn strike(&mut self) {
        self.fired = true;
    }

    pub(super) fn fired(&self) -> bool {
        self.fired
    }

    pub(super) fn release(&mut self) {
        self.released = true;
    }

    pub(super) fn released(&self) -> bool {
        self.released
    }
}
