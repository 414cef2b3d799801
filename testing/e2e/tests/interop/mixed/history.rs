//! What writers did, and whether a tree can have come of it.
//!
//! A write was acknowledged and is there for good; or it was refused and left nothing; or nobody
//! knows, and it is there as a whole or not at all. A session's writes take effect in its order,
//! and a write that was acknowledged before another one began is before it for everybody.

use std::collections::BTreeSet;
use std::time::Instant;

use lockkeeper::Zxid;

use crate::tree::{Tree, Znode};

/// Where writers have their registers and their logs.
pub(super) const TOPS: [&str; 2] = ["/registers", "/logs"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Done(Zxid),
    Refused,
    Unknown,
}

/// What a write asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A znode in the log.
    Create,
    /// The number as the register's value.
    Set,
    /// Both in one transaction.
    Both,
    /// A znode, on a condition that does not hold.
    Refused,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    /// Writes of a writer count from 1, and each is over before the next begins.
    pub(super) number: usize,
    pub(super) kind: Kind,
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) fate: Fate,
}

/// A writer's writes.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) name: String,
    pub(super) writes: Vec<Write>,
}

impl Kind {
    pub(super) fn of(number: usize) -> Self {
        [Self::Create, Self::Set, Self::Both, Self::Refused][number % 4]
    }

    fn creates(self) -> bool {
        matches!(self, Self::Create | Self::Both)
    }

    fn sets(self) -> bool {
        matches!(self, Self::Set | Self::Both)
    }
}

impl Book {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            writes: Vec::new(),
        }
    }

    pub(super) fn register(&self) -> String {
        format!("/registers/{}", self.name)
    }

    pub(super) fn entry(&self, number: usize) -> String {
        format!("/logs/{}-{number}", self.name)
    }

    fn count(&self, fate: impl Fn(Fate) -> bool, counts: impl Fn(Kind) -> bool) -> usize {
        let writes = self.writes.iter();
        writes.filter(|w| fate(w.fate) && counts(w.kind)).count()
    }

    fn check(&self, tree: &Tree, violations: &mut Vec<String>) {
        let mut complain = |what: String| violations.push(format!("{}: {what}", self.name));
        let mut last = Zxid::ZERO;
        for write in &self.writes {
            let found = tree.get(&self.entry(write.number));
            let czxid = found.map(|znode| znode.stat.czxid);
            let zxid = match (write.fate, write.kind.creates()) {
                (Fate::Done(zxid), true) if czxid == Some(zxid) && holds(found, write.number) => {
                    Some(zxid)
                }
                (Fate::Done(_), true) => {
                    complain(format!(
                        "an acknowledged create is lost: {write:?}, {found:?}"
                    ));
                    None
                }
                (Fate::Done(zxid), false) => Some(zxid),
                (Fate::Unknown, true) => czxid,
                (Fate::Refused, true) | (_, false) => {
                    if found.is_some() {
                        complain(format!("applied, though it must not: {write:?}, {found:?}"));
                    }
                    None
                }
            };
            if let Some(zxid) = zxid {
                if zxid <= last {
                    complain(format!("{write:?} came at {zxid}, behind {last}"));
                }
                last = last.max(zxid);
            }
        }
        self.check_register(tree, complain);
    }

    fn check_register(&self, tree: &Tree, mut complain: impl FnMut(String)) {
        let Some(register) = tree.get(&self.register()) else {
            return complain("the register is gone".to_owned());
        };
        let sure = self.count(|fate| matches!(fate, Fate::Done(_)), Kind::sets);
        let unsure = self.count(|fate| fate == Fate::Unknown, Kind::sets);
        let version = usize::try_from(register.stat.version).unwrap_or(usize::MAX);
        if !(sure..=sure + unsure).contains(&version) {
            complain(format!("{sure} sets, {unsure} unsure: {register:?}"));
        }
        let sets = self.writes.iter().filter(|write| write.kind.sets());
        let mut possible = vec![0];
        for write in sets {
            match write.fate {
                Fate::Done(_) => possible = vec![write.number],
                Fate::Unknown => possible.push(write.number),
                Fate::Refused => {}
            }
        }
        match possible
            .iter()
            .find(|&&number| holds(Some(register), number))
        {
            None => complain(format!("none of {possible:?}: {register:?}")),
            Some(&number) => {
                let is_half = Kind::of(number) == Kind::Both
                    && number > 0
                    && !tree.contains_key(&self.entry(number));
                if is_half {
                    complain(format!("half of write {number} was applied"));
                }
            }
        }
    }
}

fn holds(znode: Option<&Znode>, number: usize) -> bool {
    let data = znode.and_then(|znode| znode.data.as_deref());
    data == Some(number.to_string().as_bytes())
}

/// Everything that speaks against `tree` as the outcome of these writes.
pub(super) fn violations(books: &[Book], tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for book in books {
        book.check(tree, &mut violations);
    }
    let written: BTreeSet<String> = books
        .iter()
        .flat_map(|book| book.writes.iter().map(|write| book.entry(write.number)))
        .collect();
    let logged = tree.keys().filter(|path| path.starts_with("/logs/"));
    let unknown = logged.filter(|path| !written.contains(*path));
    violations.extend(unknown.map(|path| format!("nobody wrote {path}")));
    check_order(books, &mut violations);
    violations
}

/// Of two acknowledged writes the one that ended before the other began has the smaller zxid.
fn check_order(books: &[Book], violations: &mut Vec<String>) {
    let all = books.iter().flat_map(|book| &book.writes);
    let mut done: Vec<(Zxid, &Write)> = all
        .filter_map(|write| match write.fate {
            Fate::Done(zxid) => Some((zxid, write)),
            Fate::Refused | Fate::Unknown => None,
        })
        .collect();
    done.sort_by_key(|(zxid, _)| *zxid);
    for pair in done.windows(2) {
        if pair[0].0 == pair[1].0 {
            violations.push(format!("one zxid for two: {pair:?}"));
        }
    }
    let mut earliest: Option<&Write> = None;
    for &(zxid, write) in done.iter().rev() {
        if let Some(later) = earliest.filter(|later| later.ended < write.begun) {
            violations.push(format!("{write:?} at {zxid} is before {later:?}"));
        }
        if earliest.is_none_or(|earliest| write.ended < earliest.ended) {
            earliest = Some(write);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use lockkeeper::Stat;

    use super::*;

    fn znode(number: usize, czxid: i64, version: i32) -> Znode {
        let stat = Stat {
            czxid: Zxid(czxid),
            version,
            ..Stat::default()
        };
        Znode::new(Bytes::from(number.to_string()), stat)
    }

    /// Four writes, one after the other, of which the second is in doubt.
    fn book(base: Instant) -> Book {
        let mut book = Book::new("w".to_owned());
        let at = |tenths| base + Duration::from_millis(tenths * 100);
        for (number, fate) in [
            (1, Fate::Done(Zxid(11))),
            (2, Fate::Unknown),
            (3, Fate::Refused),
            (4, Fate::Done(Zxid(14))),
        ] {
            book.writes.push(Write {
                number,
                kind: Kind::of(number),
                begun: at(2 * number as u64),
                ended: at(2 * number as u64 + 1),
                fate,
            });
        }
        book
    }

    fn tree(in_doubt: bool) -> Tree {
        let mut tree = Tree::new();
        tree.insert("/logs/w-4".to_owned(), znode(4, 14, 0));
        let (number, version) = if in_doubt { (2, 2) } else { (1, 1) };
        tree.insert("/registers/w".to_owned(), znode(number, 3, version));
        if in_doubt {
            tree.insert("/logs/w-2".to_owned(), znode(2, 12, 0));
        }
        tree
    }

    #[test]
    fn what_is_in_doubt_may_be_there_or_not() {
        let books = [book(Instant::now())];
        for in_doubt in [true, false] {
            assert_eq!(violations(&books, &tree(in_doubt)), [""; 0]);
        }
    }

    #[test]
    fn every_violation_is_found() {
        type Spoil = fn(&mut Tree);
        let spoils: [(&str, Spoil); 7] = [
            ("lost", |tree| drop(tree.remove("/logs/w-4"))),
            ("lost", |tree| {
                tree.insert("/logs/w-4".to_owned(), znode(4, 15, 0));
            }),
            ("must not", |tree| {
                tree.insert("/logs/w-3".to_owned(), znode(3, 13, 0));
            }),
            ("behind", |tree| {
                tree.insert("/logs/w-2".to_owned(), znode(2, 15, 0));
            }),
            ("nobody wrote", |tree| {
                tree.insert("/logs/w-9".to_owned(), znode(9, 19, 0));
            }),
            ("unsure", |tree| {
                tree.insert("/registers/w".to_owned(), znode(2, 3, 3));
            }),
            ("half", |tree| drop(tree.remove("/logs/w-2"))),
        ];
        for (name, spoil) in spoils {
            let mut tree = tree(true);
            spoil(&mut tree);
            let found = violations(&[book(Instant::now())], &tree);
            assert!(found.iter().any(|text| text.contains(name)), "{found:?}");
        }
    }

    #[test]
    fn writes_in_the_wrong_order_are_found() {
        let base = Instant::now();
        let mut later = book(base + Duration::from_secs(10));
        later.name = "later".to_owned();
        later.writes.truncate(1);
        later.writes[0].fate = Fate::Done(Zxid(10));
        let mut tree = tree(true);
        tree.insert("/registers/later".to_owned(), znode(1, 4, 1));
        let found = violations(&[book(base), later], &tree);
        assert!(
            found.iter().any(|text| text.contains("is before")),
            "{found:?}"
        );
    }
}
