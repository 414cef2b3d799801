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
    parse(name, markers).map(|(seq, _)| seq)
}

/// The number and the marker before it.
fn parse<'a>(name: &str, markers: &[&'a str]) -> Option<(i32, &'a str)> {
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    if !(9..=10).contains(&digits) {
        return None;
    }
    let at = name.len() - digits;
    let signed = name[..at].ends_with('-').then_some(at.wrapping_sub(1));
    [signed, Some(at)].into_iter().flatten().find_map(|from| {
        let marker = markers
            .iter()
            .find(|marker| name[..from].ends_with(**marker));
        Some((name[from..].parse().ok()?, *marker?))
    })
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

/// The names that must be gone before `own` is first, or `None` when `own` is not listed.
///
/// Farthest first, so that the one to watch is last and is the first to be taken off. Children that
/// are no contenders do not count.
///
/// Numbers are equal only if somebody made a name by hand, or if a writer of Curator turns into a
/// reader under its own number. Then kinds and names decide, so that of two such contenders exactly
/// one is ahead; as text, Curator's reader comes before its writer, which it must not wait for.
pub(crate) fn ahead(children: &[String], own: &str, rule: &Rule) -> Option<Vec<String>> {
    let own_seq = sequence(own, &[rule.marker])?;
    if !children.iter().any(|name| name == own) {
        return None;
    }
    Some(oldest_first(children.iter().filter_map(|name| {
        let (seq, kind) = parse(name, rule.blockers)?;
        let wins_tie = seq == own_seq && (kind, name.as_str()) < (rule.marker, own);
        (before(seq, own_seq) || wins_tie).then_some((seq, name))
    })))
}

/// The contenders besides `own`, whatever their numbers, or `None` when `own` is not listed.
pub(crate) fn others(children: &[String], own: &str, rule: &Rule) -> Option<Vec<String>> {
    let mut others = queue(children, rule);
    let at = others.iter().position(|name| name == own)?;
    others.remove(at);
    Some(others)
}

/// The names that begin with an attempt's own prefix, oldest first.
///
/// More than one means that a create was sent again although an earlier one had been applied: the
/// first is kept and the others are deleted.
pub(crate) fn own_names(children: &[String], prefix: &str, rule: &Rule) -> Vec<String> {
    let own = children.iter().filter(|name| name.starts_with(prefix));
    oldest_first(own.filter_map(|name| Some((sequence(name, &[rule.marker])?, name))))
}

/// The contenders of a listing, oldest first, as seen by somebody who is not in the queue.
pub(crate) fn queue(children: &[String], rule: &Rule) -> Vec<String> {
    let contenders = children.iter();
    oldest_first(contenders.filter_map(|name| Some((sequence(name, rule.blockers)?, name))))
}

/// Sorts by number, then by name.
///
/// Any of the numbers serves as the point that distances are measured from: while all of them lie
/// within 2^31, the order of distances is the order of creation.
fn oldest_first<'a>(contenders: impl Iterator<Item = (i32, &'a String)>) -> Vec<String> {
    let mut contenders: Vec<(i32, &String)> = contenders.collect();
    if let Some(&(origin, _)) = contenders.first() {
        contenders.sort_by_key(|(seq, name)| (seq.wrapping_sub(origin), *name));
    }
    contenders
        .into_iter()
        .map(|(_, name)| name.clone())
        .collect()
}

/// How many children are no contenders; they are ignored, and worth one line in the log.
pub(crate) fn foreign_count(children: &[String], rule: &Rule) -> usize {
    let known = |name: &&String| {
        sequence(name, rule.blockers).is_some() || sequence(name, &[rule.marker]).is_some()
    };
    children.len() - children.iter().filter(known).count()
}

#[cfg(test)]
mod tests;
