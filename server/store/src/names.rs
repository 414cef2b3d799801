//! The children of a znode: a persistent map from names to shared values.
//!
//! A hash array mapped trie of 32-way branches. A clone shares everything and costs one counter; a
//! change copies only those branches that a clone still holds, so a tree that nobody else looks at
//! is changed in place. That is what makes freezing a snapshot free, at the price of one pointer
//! chase for every five bits of hash on a look-up.
//!
//! Hashes are seeded by the owner: peers choose the names, and must not be able to choose where
//! they land.

use std::hash::Hasher;
use std::sync::Arc;

/// A value that knows the name it is stored under.
pub(crate) trait Named {
    fn name(&self) -> &str;
}

const BITS: u32 = 5;
const HASH_BITS: u32 = u64::BITS;

#[derive(Debug)]
pub(crate) struct Names<T> {
    len: usize,
    root: Option<Arc<Branch<T>>>,
}

/// `bitmap` says which of the 32 places are taken; `slots` holds those, in order.
#[derive(Debug)]
struct Branch<T> {
    bitmap: u32,
    slots: Vec<Slot<T>>,
}

#[derive(Debug)]
enum Slot<T> {
    Leaf(Arc<T>),
    Branch(Arc<Branch<T>>),
    /// Values whose whole hashes are equal.
    Bucket(Arc<Vec<Arc<T>>>),
}

impl<T> Clone for Names<T> {
    fn clone(&self) -> Self {
        Self {
            len: self.len,
            root: self.root.clone(),
        }
    }
}

impl<T> Clone for Branch<T> {
    fn clone(&self) -> Self {
        Self {
            bitmap: self.bitmap,
            slots: self.slots.clone(),
        }
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(value) => Self::Leaf(value.clone()),
            Self::Branch(branch) => Self::Branch(branch.clone()),
            Self::Bucket(values) => Self::Bucket(values.clone()),
        }
    }
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { len: 0, root: None }
    }
}

fn hash(seed: u64, name: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write_u64(seed);
    hasher.write(name.as_bytes());
    hasher.finish()
}

fn place(hash: u64, shift: u32) -> u32 {
    1 << ((hash >> shift) & 31)
}

impl<T> Branch<T> {
    fn index(&self, place: u32) -> usize {
        (self.bitmap & (place - 1)).count_ones() as usize
    }

    fn has(&self, place: u32) -> bool {
        self.bitmap & place != 0
    }
}

impl<T: Named> Names<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn get(&self, seed: u64, name: &str) -> Option<&T> {
        let hash = hash(seed, name);
        let mut branch = self.root.as_deref()?;
        let mut shift = 0;
        loop {
            let place = place(hash, shift);
            if !branch.has(place) {
                return None;
            }
            match &branch.slots[branch.index(place)] {
                Slot::Leaf(value) => return (value.name() == name).then_some(value),
                Slot::Branch(next) => branch = next,
                Slot::Bucket(values) => {
                    return values
                        .iter()
                        .find(|value| value.name() == name)
                        .map(|v| &**v);
                }
            }
            shift += BITS;
        }
    }

    /// The values in an order that the seed and the names decide.
    pub(crate) fn iter(&self) -> Iter<'_, T> {
        Iter {
            stack: self.root.iter().map(|branch| branch.slots.iter()).collect(),
            bucket: [].iter(),
        }
    }
}

impl<T: Named + Clone> Names<T> {
    /// The value for changing in place; what a clone shares is copied first.
    pub(crate) fn get_mut(&mut self, seed: u64, name: &str) -> Option<&mut T> {
        let hash = hash(seed, name);
        let mut branch = Arc::make_mut(self.root.as_mut()?);
        let mut shift = 0;
        loop {
            let place = place(hash, shift);
            if !branch.has(place) {
                return None;
            }
            let index = branch.index(place);
            match &mut branch.slots[index] {
                Slot::Leaf(value) => {
                    return (value.name() == name).then(|| Arc::make_mut(value));
                }
                Slot::Branch(next) => branch = Arc::make_mut(next),
                Slot::Bucket(values) => {
                    let values = Arc::make_mut(values);
                    let value = values.iter_mut().find(|value| value.name() == name)?;
                    return Some(Arc::make_mut(value));
                }
            }
            shift += BITS;
        }
    }

    /// Adds a value; the name must not be there.
    pub(crate) fn insert(&mut self, seed: u64, value: T) {
        let hash = hash(seed, value.name());
        let root = self.root.get_or_insert_with(|| {
            Arc::new(Branch {
                bitmap: 0,
                slots: Vec::new(),
            })
        });
        insert(root, seed, hash, 0, Arc::new(value));
        self.len += 1;
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, seed: u64, name: &str) -> Option<Arc<T>> {
        let root = self.root.as_mut()?;
        let removed = remove(root, hash(seed, name), 0, name)?;
        self.len -= 1;
        if self.len == 0 {
            self.root = None;
        }
        Some(removed)
    }

    /// The values that nobody else holds; branches shared with a clone stay with the clone.
    pub(crate) fn into_unshared(self) -> Vec<T> {
        let mut values = Vec::new();
        let mut branches: Vec<Arc<Branch<T>>> = self.root.into_iter().collect();
        while let Some(branch) = branches.pop() {
            let Some(branch) = Arc::into_inner(branch) else {
                continue;
            };
            for slot in branch.slots {
                match slot {
                    Slot::Leaf(value) => values.extend(Arc::into_inner(value)),
                    Slot::Branch(next) => branches.push(next),
                    Slot::Bucket(bucket) => values.extend(
                        Arc::into_inner(bucket)
                            .into_iter()
                            .flatten()
                            .filter_map(Arc::into_inner),
                    ),
                }
            }
        }
        values
    }
}

fn insert<T: Named>(branch: &mut Arc<Branch<T>>, seed: u64, hash: u64, shift: u32, value: Arc<T>) {
    let branch = Arc::make_mut(branch);
    let place = place(hash, shift);
    let index = branch.index(place);
    if !branch.has(place) {
        branch.bitmap |= place;
        branch.slots.insert(index, Slot::Leaf(value));
        return;
    }
    let slot = &mut branch.slots[index];
    match slot {
        Slot::Branch(next) => insert(next, seed, hash, shift + BITS, value),
        Slot::Bucket(values) => Arc::make_mut(values).push(value),
        Slot::Leaf(other) if shift + BITS >= HASH_BITS => {
            *slot = Slot::Bucket(Arc::new(vec![other.clone(), value]));
        }
        Slot::Leaf(other) => {
            let other = other.clone();
            let other_hash = self::hash(seed, other.name());
            let mut next = Arc::new(Branch {
                bitmap: 0,
                slots: Vec::with_capacity(2),
            });
            insert(&mut next, seed, other_hash, shift + BITS, other);
            insert(&mut next, seed, hash, shift + BITS, value);
            *slot = Slot::Branch(next);
        }
    }
}

fn remove<T: Named>(
    branch: &mut Arc<Branch<T>>,
    hash: u64,
    shift: u32,
    name: &str,
) -> Option<Arc<T>> {
    let place = place(hash, shift);
    if !branch.has(place) {
        return None;
    }
    let branch = Arc::make_mut(branch);
    let index = branch.index(place);
    let slot = &mut branch.slots[index];
    let (removed, rest) = match slot {
        Slot::Leaf(value) if value.name() == name => (value.clone(), None),
        Slot::Leaf(_) => return None,
        Slot::Branch(next) => {
            let removed = remove(next, hash, shift + BITS, name)?;
            let rest = match next.slots.as_slice() {
                [] => None,
                [Slot::Leaf(last)] => Some(Slot::Leaf(last.clone())),
                _ => return Some(removed),
            };
            (removed, rest)
        }
        Slot::Bucket(values) => {
            let at = values.iter().position(|value| value.name() == name)?;
            let values = Arc::make_mut(values);
            let removed = values.swap_remove(at);
            match values.as_slice() {
                [last] => (removed, Some(Slot::Leaf(last.clone()))),
                _ => return Some(removed),
            }
        }
    };
    match rest {
        Some(rest) => *slot = rest,
        None => {
            branch.slots.remove(index);
            branch.bitmap &= !place;
        }
    }
    Some(removed)
}

pub(crate) struct Iter<'a, T> {
    stack: Vec<std::slice::Iter<'a, Slot<T>>>,
    bucket: std::slice::Iter<'a, Arc<T>>,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(value) = self.bucket.next() {
                return Some(value);
            }
            match self.stack.last_mut()?.next() {
                None => {
                    self.stack.pop();
                }
                Some(Slot::Leaf(value)) => return Some(value),
                Some(Slot::Branch(branch)) => self.stack.push(branch.slots.iter()),
                Some(Slot::Bucket(values)) => self.bucket = values.iter(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    struct Name(String);

    impl Named for Name {
        fn name(&self) -> &str {
            &self.0
        }
    }

    fn names(map: &Names<Name>) -> BTreeSet<String> {
        map.iter().map(|value| value.0.clone()).collect()
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_and_clones_stay_as_they_were(
            steps in proptest::collection::vec((any::<bool>(), 0u16..400), 0..600),
            seed in any::<u64>(),
        ) {
            let mut map = Names::default();
            let mut model = BTreeSet::new();
            let mut frozen = Vec::new();
            for (at, (add, number)) in steps.into_iter().enumerate() {
                let name = format!("n{number}");
                if add && model.insert(name.clone()) {
                    map.insert(seed, Name(name.clone()));
                } else if !add {
                    prop_assert_eq!(map.remove(seed, &name).is_some(), model.remove(&name));
                }
                prop_assert_eq!(map.get(seed, &name).is_some(), model.contains(&name));
                prop_assert_eq!(map.get_mut(seed, &name).is_some(), model.contains(&name));
                prop_assert_eq!(map.len(), model.len());
                if at % 100 == 0 {
                    frozen.push((map.clone(), model.clone()));
                }
            }
            for (map, model) in frozen {
                prop_assert_eq!(names(&map), model);
            }
            prop_assert_eq!(names(&map), model);
        }
    }

    #[test]
    fn equal_hashes_share_a_bucket() {
        let mut root = Arc::new(Branch {
            bitmap: 0,
            slots: Vec::new(),
        });
        // Two names at the last level: the hash function is not asked there.
        for name in ["a", "b", "c"] {
            insert(
                &mut root,
                0,
                7,
                HASH_BITS - BITS + 1,
                Arc::new(Name(name.into())),
            );
        }
        assert!(matches!(&root.slots[..], [Slot::Bucket(values)] if values.len() == 3));
        for name in ["b", "a"] {
            assert!(remove(&mut root, 7, HASH_BITS - BITS + 1, name).is_some());
        }
        assert!(matches!(&root.slots[..], [Slot::Leaf(last)] if last.0 == "c"));
        assert!(remove(&mut root, 7, HASH_BITS - BITS + 1, "a").is_none());
    }
}
