//! Who is ahead, from a listing and nothing else.
//!
//! The whole question of a queue recipe is decided here, by functions of names: which children are
//! contenders, what their numbers mean, which of them are ahead, which are one's own. Everything
//! that talks to a server only asks, carries the answer out and asks again.
//!
//! Numbers are compared as the server counts them, in 32 bits with wrap-around. Text order fails
//! when the counter turns negative (each newcomer then sorts first and takes the lock, kazoo#606
//! and #730); plain integer order fails once, at the wrap.

/// Which names stand in a contender's way: its recipe in two lists.
///
/// A kind is what a name has directly before its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// The kind in the contender's own name.
    pub(crate) marker: &'static str,
    /// The kinds that are waited for when they are ahead.
    pub(crate) blockers: &'static [&'static str],
    /// The kinds whose owners know the contender's own kind and treat it as this recipe does.
    pub(crate) peers: &'static [&'static str],
    /// Whether one that is ahead may turn into another kind without losing its number.
    pub(crate) turns: bool,
}

/// The number at the end of a contender's name, or `None` for a child that is none.
///
/// The number is the longest tail of the form `-?[0-9]{9,10}` that stands directly behind one of
/// the `markers`: servers print it with `%010d`, which gives a negative number nine digits or ten.
pub(crate) fn sequence(name: &str, markers: &[&str]) -> Option<i32> {
    parse(name, |before| one_behind(before, markers)).map(|(seq, _)| seq)
}

/// The number and the marker before it, which `marker` finds at the end of what it is given.
fn parse<'a>(name: &str, marker: impl Fn(&[u8]) -> Option<&'a str>) -> Option<(i32, &'a str)> {
    let name = name.as_bytes();
    let last = name.iter().rposition(|byte| !byte.is_ascii_digit())?;
    let (before, digits) = name.split_at(last + 1);
    if !(9..=10).contains(&digits.len()) {
        return None;
    }
    let number = |number: i64, digit: &u8| 10 * number + i64::from(digit - b'0');
    let number = digits.iter().fold(0, number);
    let signed = before.strip_suffix(b"-").and_then(&marker);
    if let (Some(marker), Ok(seq)) = (signed, i32::try_from(-number)) {
        return Some((seq, marker));
    }
    Some((i32::try_from(number).ok()?, marker(before)?))
}

fn one_behind<'a>(text: &[u8], markers: &[&'a str]) -> Option<&'a str> {
    let is_behind = |marker: &&&str| text.ends_with(marker.as_bytes());
    markers.iter().find(is_behind).copied()
}

/// Whether the server has counted so far that its numbers will run out: half of those there are.
pub(crate) fn runs_out(seq: i32) -> bool {
    !(0..1 << 30).contains(&seq)
}

/// Whether others may get the same number later, and would be taken for earlier ones by their names.
///
/// The count of a parent stops at 2^31 - 1 (`DataTree.createNode`); what was created while the one
/// before was not yet committed gets negative numbers, again and again.
pub(crate) fn may_repeat(seq: i32) -> bool {
    seq == i32::MAX || seq < 0
}

/// The text of the number in a contender's name.
pub(crate) fn digits<'a>(name: &'a str, marker: &str) -> Option<&'a str> {
    sequence(name, &[marker])?;
    name.rsplit_once(marker).map(|(_, digits)| digits)
}

/// Whether number `a` was given before number `b`; right while fewer than 2^31 lie between them.
pub(crate) fn before(a: i32, b: i32) -> bool {
    a.wrapping_sub(b) < 0
}

/// A contender's name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    pub(crate) text: &'a str,
    pub(crate) seq: i32,
    pub(crate) kind: &'static str,
}

/// What one look at a queue's parent shows: every name is parsed once, none is copied.
#[derive(Clone, Debug)]
pub(crate) struct Listing<'a> {
    rule: Rule,
    /// In no order.
    contenders: Vec<Name<'a>>,
    /// How many children are no contenders; they are ignored, and worth one line in the log.
    pub(crate) foreign: usize,
}

impl<'a> Listing<'a> {
    pub(crate) fn new(children: &'a [impl AsRef<str>], rule: &Rule) -> Self {
        let kind = |text: &[u8]| {
            one_behind(text, rule.blockers).or_else(|| one_behind(text, &[rule.marker]))
        };
        let mut contenders = Vec::with_capacity(children.len());
        contenders.extend(children.iter().filter_map(|child| {
            let text = child.as_ref();
            let (seq, kind) = parse(text, kind)?;
            Some(Name { text, seq, kind })
        }));
        Self {
            rule: *rule,
            foreign: children.len() - contenders.len(),
            contenders,
        }
    }

    /// Those who must be gone before `own` is first, in no order, or `None` when `own` is not
    /// listed. Children that are no contenders do not count.
    ///
    /// Numbers are equal only if somebody made a name by hand, or if a writer of Curator turns into
    /// a reader under its own number. Then kinds and names decide, so that of two such contenders
    /// exactly one is ahead; as text, Curator's reader comes before its writer, which it must not
    /// wait for.
    pub(crate) fn ahead(self, own: &str) -> Option<Vec<Name<'a>>> {
        let own = self.find(own)?;
        #[cfg(feature = "__seeded-bugs")]
        if lockkeeper_bugs::is(lockkeeper_bugs::Bug::LetsSecondIn) {
            let is_ahead = |it: &Name<'_>| before(it.seq, own.seq.wrapping_sub(1));
            return Some(self.blockers(is_ahead));
        }
        Some(self.blockers(|it| {
            let wins_tie = it.seq == own.seq && (it.kind, it.text) < (own.kind, own.text);
            before(it.seq, own.seq) || wins_tie
        }))
    }

    /// The contenders besides `own`, whatever their numbers, in no order, or `None` when `own` is
    /// not listed.
    pub(crate) fn others(self, own: &str) -> Option<Vec<Name<'a>>> {
        let own = self.find(own)?;
        Some(self.blockers(|it| it.text != own.text))
    }

    /// The names that begin with an attempt's own prefix, oldest first.
    ///
    /// More than one means that a create was sent again although an earlier one had been applied:
    /// the first is kept and the others are deleted.
    pub(crate) fn own_names(&self, prefix: &str) -> Vec<&'a str> {
        let is_own = |it: &Name<'_>| it.kind == self.rule.marker && it.text.starts_with(prefix);
        let own = self.contenders.iter().copied().filter(is_own);
        oldest_first(own.collect())
    }

    /// The contenders, in no order, as seen by somebody who is not in the queue.
    pub(crate) fn queue(self) -> Vec<Name<'a>> {
        self.blockers(|_| true)
    }

    fn find(&self, own: &str) -> Option<Name<'a>> {
        let mut contenders = self.contenders.iter().copied();
        contenders.find(|it| it.text == own && it.kind == self.rule.marker)
    }

    fn blockers(self, counts: impl Fn(&Name<'a>) -> bool) -> Vec<Name<'a>> {
        let mut contenders = self.contenders;
        contenders.retain(|it| counts(it) && self.rule.blockers.contains(&it.kind));
        contenders
    }
}

/// The texts by number, then by name.
pub(crate) fn oldest_first(contenders: Vec<Name<'_>>) -> Vec<&str> {
    newest(contenders, usize::MAX)
}

/// The texts of the `max` last ones of all by number, then by name; the last of them is last.
///
/// Any of the numbers serves as the point that distances are measured from: while all of them lie
/// within 2^31, the order of distances is the order of creation.
pub(crate) fn newest(mut contenders: Vec<Name<'_>>, max: usize) -> Vec<&str> {
    let origin = contenders.first().map_or(0, |it| it.seq);
    let order = |a: &Name<'_>, b: &Name<'_>| {
        let distance = |it: &Name<'_>| it.seq.wrapping_sub(origin);
        (distance(a), a.text).cmp(&(distance(b), b.text))
    };
    let older = contenders.len().saturating_sub(max);
    if (1..contenders.len()).contains(&older) {
        contenders.select_nth_unstable_by(older, order);
    }
    let newest = &mut contenders[older..];
    newest.sort_unstable_by(order);
    newest.iter().map(|it| it.text).collect()
}

#[cfg(test)]
mod tests;
