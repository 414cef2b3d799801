//! Listings in, who is in the way out.

use proptest::prelude::*;

use super::*;
use crate::layout::Layout;

const MUTEX: &[&str] = &["lock-", "__lock__"];

/// As servers print it: `%010d` of the parent's counter.
fn printed(seq: i32) -> String {
    format!("{seq:010}")
}

fn curator(seq: i32) -> String {
    format!(
        "_c_01234567-89ab-4def-8123-456789abcdef-lock-{}",
        printed(seq)
    )
}

fn names(seqs: impl IntoIterator<Item = i32>) -> Vec<String> {
    seqs.into_iter().map(curator).collect()
}

fn ahead<'a>(children: &'a [String], own: &str, rule: &Rule) -> Option<Vec<&'a str>> {
    Listing::new(children, rule).ahead(own).map(oldest_first)
}

fn queue<'a>(children: &'a [String], rule: &Rule) -> Vec<&'a str> {
    oldest_first(Listing::new(children, rule).queue())
}

fn own_names<'a>(children: &'a [String], prefix: &str, rule: &Rule) -> Vec<&'a str> {
    Listing::new(children, rule).own_names(prefix)
}

#[test]
fn t54_suffixes_around_zero_and_the_wrap_parse() {
    for (text, value) in [
        ("-2147483648", i32::MIN),
        ("-1000000000", -1_000_000_000),
        ("-999999999", -999_999_999),
        ("-000000005", -5),
        ("0000000000", 0),
        ("2147483647", i32::MAX),
    ] {
        assert_eq!(printed(value), text);
        assert_eq!(sequence(&format!("_c_x-lock-{text}"), MUTEX), Some(value));
        assert_eq!(sequence(&format!("0f__lock__{text}"), MUTEX), Some(value));
    }
}

#[test]
fn t51_foreign_children_have_no_number() {
    for name in [
        "",
        "-",
        "!",
        "foo",
        "0000000001",
        "-000000001",
        "lock",
        "lock-",
        "lock-1",
        "lock-12345678901",
        "lock-9999999999",
        "lock-000000000x",
        "latch-0000000001",
        "__rlock__0000000001",
        "zámek-0000000001",
        "lock-٠١٢٣٤٥٦٧٨٩",
    ] {
        assert_eq!(sequence(name, MUTEX), None, "{name}");
    }
    // A sign that is part of the marker is no sign.
    assert_eq!(sequence("lock-0000000001", MUTEX), Some(1));
    assert_eq!(sequence("lock--000000001", MUTEX), Some(-1));
    let children: Vec<String> = ["foo", "lock-0000000001", "!"].map(String::from).into();
    assert_eq!(Listing::new(&children, &Layout::Curator.mutex()).foreign, 2);
}

#[test]
fn t55_numbers_run_out_from_half_way_on() {
    for (seq, alarm) in [
        (0, false),
        ((1 << 30) - 1, false),
        (1 << 30, true),
        (i32::MAX, true),
        (i32::MIN, true),
        (-1, true),
    ] {
        assert_eq!(runs_out(seq), alarm, "{seq}");
        assert_eq!(may_repeat(seq), alarm && seq != 1 << 30, "{seq}");
    }
}

#[test]
fn equal_numbers_leave_exactly_one_ahead() {
    let children: Vec<String> = ["a-lock-0000000004", "b-lock-0000000004"]
        .map(String::from)
        .into();
    let rule = Layout::Curator.mutex();
    assert_eq!(ahead(&children, &children[0], &rule).unwrap(), [""; 0]);
    assert_eq!(
        ahead(&children, &children[1], &rule).unwrap(),
        [children[0].clone()]
    );
}

#[test]
fn a_writer_that_turns_into_a_reader_is_not_behind_itself() {
    let children: Vec<String> = [
        "_c_a-__WRIT__0000000004",
        "_c_b-__READ__0000000004",
        "_c_c-__WRIT__0000000005",
    ]
    .map(String::from)
    .into();
    let layout = Layout::Curator;
    let behind = |own: usize, rule: &Rule| ahead(&children, &children[own], rule).unwrap();
    assert_eq!(behind(1, &layout.reader()), [""; 0]);
    assert_eq!(behind(0, &layout.writer()), [children[1].clone()]);
    assert_eq!(behind(2, &layout.writer()).len(), 2);
    assert_eq!(digits(&children[1], "__READ__"), Some("0000000004"));
    assert_eq!(digits(&children[1], "__WRIT__"), None);
    assert_eq!(
        digits("_c_a-__WRIT__-000000005", "__WRIT__"),
        Some("-000000005")
    );
}

#[test]
fn t26_the_oldest_of_several_own_names_comes_first() {
    let rule = Layout::Curator.mutex();
    let mut children = names([i32::MIN, i32::MAX, 3]);
    children.push("_c_other-lock-0000000001".into());
    children.retain(|name| name != &curator(3));
    assert_eq!(
        own_names(&children, "_c_01234567", &rule),
        names([i32::MAX, i32::MIN])
    );
    assert_eq!(own_names(&children, "_c_ffff", &rule), [""; 0]);
}

#[test]
fn t53_ten_contenders_across_the_wrap_keep_their_order() {
    let rule = Layout::Curator.mutex();
    let seqs: Vec<i32> = (0..10).map(|i| (i32::MAX - 4).wrapping_add(i)).collect();
    let mut shuffled = names(seqs.iter().copied());
    shuffled.reverse();
    shuffled.swap(2, 7);
    for (i, seq) in seqs.iter().enumerate() {
        let ahead = ahead(&shuffled, &curator(*seq), &rule).unwrap();
        assert_eq!(ahead, names(seqs[..i].iter().copied()));
    }
    assert_eq!(queue(&shuffled, &rule), names(seqs));
}

/// Names of contenders of two layouts and of strangers, with the contenders' numbers.
fn child() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<i32>().prop_map(curator),
        2 => any::<i32>().prop_map(|seq| format!("ab__lock__{}", printed(seq))),
        1 => "[a-z!.-]{0,8}-?[0-9]{0,12}",
        1 => "\\PC{0,12}",
    ]
}

/// Names that are told apart by every part of them: kinds of all rules, few numbers, much that is
/// nearly a name.
fn near_miss() -> impl Strategy<Value = String> {
    "[ab]?[lock_-]{0,2}(lock-|latch-|__lock__|__rlock__|__READ__|__WRIT__|lease-|-|x-)\
     (-?00000000[0-2]|-?000000000[0-2]|-?214748364[78]|-?[0-9]{8,11})[0k-]?"
}

/// The number as it is defined: any tail of that form behind a marker, the longest first.
fn number(name: &str, markers: &[&str]) -> Option<i32> {
    name.char_indices().find_map(|(at, _)| {
        let (before, tail) = name.split_at(at);
        let digits = tail.strip_prefix('-').unwrap_or(tail);
        let is_number = (9..=10).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && markers.iter().any(|marker| before.ends_with(marker));
        is_number.then(|| tail.parse().ok())?
    })
}

proptest! {
    #[test]
    fn a_name_parses_as_the_number_is_defined(name in near_miss()) {
        for markers in [MUTEX, &["-"], &["__READ__", "__WRIT__", "lease-"]] {
            prop_assert_eq!(sequence(&name, markers), number(&name, markers), "{}", name);
        }
    }

    #[test]
    fn a_listing_answers_as_its_names_do_one_by_one(
        children in prop::collection::btree_set(near_miss(), 1..20),
        max in 0..6_usize,
    ) {
        let children: Vec<String> = children.into_iter().collect();
        let layout = Layout::Curator;
        for rule in [layout.mutex(), layout.reader(), layout.writer(), Layout::lease()] {
            let blocks = |name: &&String| number(name, rule.blockers).is_some();
            let is_own = |name: &str| number(name, &[rule.marker]).is_some();
            let kind = |name: &str| {
                let kinds = rule.blockers.iter().chain([&rule.marker]);
                kinds.copied().find(|kind| number(name, &[kind]).is_some())
            };
            let sorted = |names: Vec<Name<'_>>| {
                let mut texts: Vec<String> = names.iter().map(|it| it.text.to_owned()).collect();
                texts.sort_unstable();
                texts
            };
            let filtered = |keeps: &dyn Fn(&&String) -> bool| -> Vec<String> {
                children.iter().filter(keeps).cloned().collect()
            };
            let listing = Listing::new(&children, &rule);
            let foreign = filtered(&|name| !blocks(name) && !is_own(name));
            prop_assert_eq!(listing.foreign, foreign.len());
            prop_assert_eq!(sorted(listing.clone().queue()), filtered(&blocks));
            for own in &children {
                let (ahead, others) = (listing.clone().ahead(own), listing.clone().others(own));
                let Some(seq) = number(own, &[rule.marker]) else {
                    prop_assert_eq!((ahead, others), (None, None));
                    continue;
                };
                let is_ahead = |name: &&String| {
                    number(name, rule.blockers).is_some_and(|other| {
                        let tie = (kind(name), name.as_str()) < (Some(rule.marker), own.as_str());
                        before(other, seq) || other == seq && tie
                    })
                };
                let ahead = ahead.unwrap();
                let all = oldest_first(ahead.clone());
                let tail = &all[all.len().saturating_sub(max)..];
                prop_assert_eq!(newest(ahead.clone(), max), tail);
                prop_assert_eq!(sorted(ahead), filtered(&is_ahead));
                let others = sorted(others.unwrap());
                prop_assert_eq!(others, filtered(&|name| blocks(name) && *name != own));
            }
        }
    }

    #[test]
    fn t8_the_predecessor_is_the_greatest_smaller_contender(
        children in prop::collection::vec(child(), 0..40),
        seq in any::<i32>(),
    ) {
        let own = curator(seq);
        let mut children = children;
        children.push(own.clone());
        let rule = Layout::Curator.mutex();
        let ahead = ahead(&children, &own, &rule).unwrap();
        let smaller = |name: &&String| {
            sequence(name, MUTEX).is_some_and(|other| before(other, seq))
        };
        let nearest = children
            .iter()
            .filter(smaller)
            .max_by_key(|name| sequence(name, MUTEX).unwrap().wrapping_sub(seq));
        let distance = |name: &str| sequence(name, MUTEX).unwrap().wrapping_sub(seq);
        let last = ahead.last().map(|name| distance(name));
        prop_assert_eq!(last, nearest.map(|name| distance(name)));
        prop_assert_eq!(ahead.len(), children.iter().filter(smaller).count());
    }

    #[test]
    fn t54_order_is_creation_order_in_any_window(
        start in any::<i32>(),
        steps in prop::collection::vec(1..60_000_000_i32, 1..30),
        keys in prop::collection::vec(any::<u32>(), 31),
    ) {
        let mut seqs = vec![start];
        for step in &steps {
            seqs.push(seqs[seqs.len() - 1].wrapping_add(*step));
        }
        let rule = Layout::Curator.mutex();
        let mut shuffled: Vec<(u32, String)> =
            keys.into_iter().zip(names(seqs.iter().copied())).collect();
        shuffled.sort();
        let children: Vec<String> = shuffled.into_iter().map(|(_, name)| name).collect();
        prop_assert_eq!(queue(&children, &rule), names(seqs.iter().copied()));
        let last = curator(seqs[seqs.len() - 1]);
        let expected = names(seqs[..seqs.len() - 1].iter().copied());
        prop_assert_eq!(ahead(&children, &last, &rule).unwrap(), expected);
        prop_assert_eq!(
            own_names(&children, "_c_01234567", &rule),
            names(seqs.iter().copied())
        );
    }

    #[test]
    fn t58_nobody_waits_for_a_later_one(
        start in any::<i32>(),
        offsets in prop::collection::btree_set(0..i32::MAX, 1..30),
    ) {
        let seqs: Vec<i32> = offsets.into_iter().map(|at| start.wrapping_add(at)).collect();
        let listing = names(seqs.iter().copied());
        let rule = Layout::Curator.mutex();
        for (i, seq) in seqs.iter().enumerate() {
            let ahead = ahead(&listing, &curator(*seq), &rule).unwrap();
            prop_assert_eq!(ahead.last().copied(), listing[..i].last().map(String::as_str));
        }
    }

    #[test]
    fn t58_readers_wait_for_earlier_writers_and_writers_for_all_earlier(
        start in any::<i32>(),
        writes in prop::collection::vec(any::<bool>(), 1..30),
    ) {
        let listing: Vec<String> = (0..writes.len() as i32)
            .map(|i| start.wrapping_add(i))
            .zip(&writes)
            .map(|(seq, writes)| match writes {
                true => format!("_c_x-__WRIT__{}", printed(seq)),
                false => format!("_c_x-__READ__{}", printed(seq)),
            })
            .collect();
        for (i, own) in listing.iter().enumerate() {
            let (rule, waits_for): (_, Vec<String>) = match writes[i] {
                true => (Layout::Curator.writer(), listing[..i].to_vec()),
                false => {
                    let earlier = listing[..i].iter().zip(&writes);
                    let writers = earlier.filter(|(_, writes)| **writes);
                    (Layout::Curator.reader(), writers.map(|(name, _)| name.clone()).collect())
                }
            };
            prop_assert_eq!(ahead(&listing, own, &rule).unwrap(), waits_for);
        }
    }

    #[test]
    fn parsing_never_panics(name in "\\PC{0,24}") {
        let _ = sequence(&name, MUTEX);
        let _ = Layout::Curator.mutex().is_blind_to(&name);
    }
}
