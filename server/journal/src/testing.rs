//! A disk for tests that fails, fills up and forgets what was not synced.
//!
//! [`SimDisk`] keeps everything in memory, twice: as a running process sees it, and as it is
//! durable, with the writes and name changes in between remembered one by one. At any moment
//! [`SimDisk::images`] lists disks that a power cut could leave: each unsynced write kept, lost,
//! or torn at sectors of 512 bytes; each unsynced name change kept or lost, in any combination.
//! That is harsher than any one file system. What it grants is that a sector is atomic and is
//! written from the cache: with a write it gets all earlier ones to the same sector.
//!
//! Not part of the server; public because the tests of other crates run on it. It is
//! deterministic: the same calls and seeds give the same images.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, DiskFile};

const SECTOR_LEN: usize = 512;
/// Up to this many images are listed exhaustively.
const IMAGES_EXHAUSTIVE: usize = 4096;

/// A disk in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// What will go wrong, counted in operations that change the disk or make a change durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Operation number `n` (from 0) fails; a failing write leaves half of its bytes.
    FailAt(usize),
    /// Operation number `n` fails and so does everything after it: power is gone. A write still
    /// counts as pending.
    CrashAt(usize),
    /// Writes fail once all files together would exceed this many bytes.
    Capacity(usize),
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    names_durable: BTreeMap<PathBuf, usize>,
    renames: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    operations: usize,
    fault: Option<Fault>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
}

/// One atomic change of names: some go, some come.
#[derive(Clone, Debug)]
struct NameChange {
    gone: Option<PathBuf>,
    come: Option<(PathBuf, usize)>,
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        if let Some(path) = &self.gone {
            names.remove(path);
        }
        if let Some((path, file)) = &self.come {
            names.insert(path.clone(), *file);
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        let path = self
            .gone
            .as_ref()
            .or(self.come.as_ref().map(|(path, _)| path));
        path.and_then(|path| path.parent()) == Some(dir)
    }
}

impl SimDisk {
    /// An empty disk without faults.
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    /// Sets what will go wrong, counting operations from now on; `None` for nothing.
    pub fn set_fault(&self, fault: Option<Fault>) {
        let mut state = self.state();
        state.operations = 0;
        state.fault = fault;
    }

    /// Operations counted since the last [`set_fault`](Self::set_fault).
    pub fn operations(&self) -> usize {
        self.state().operations
    }

    /// Puts a file there, durably, with its directory. Replaces what had that name.
    pub fn put(&self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) {
        let (path, bytes) = (path.into(), bytes.into());
        let mut state = self.state();
        let dirs: Vec<_> = path.ancestors().skip(1).map(Path::to_owned).collect();
        state.dirs.extend(dirs);
        let file = state.files.len();
        state.files.push(Content {
            seen: bytes.clone(),
            durable: bytes,
            pending: Vec::new(),
        });
        state.names.insert(path.clone(), file);
        state.names_durable.insert(path, file);
    }

    /// Content of a file as a process sees it, or `None` when there is no such file.
    pub fn get(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let state = self.state();
        state
            .names
            .get(path.as_ref())
            .map(|&file| state.files[file].seen.clone())
    }

    /// Paths of all files as a process sees them, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// The same disk once more, with everything pending, for another process on it: no faults, no
    /// locks, and from here on apart from this one.
    pub fn fork(&self) -> SimDisk {
        let state = self.state();
        let fork = State {
            files: state.files.clone(),
            names: state.names.clone(),
            names_durable: state.names_durable.clone(),
            renames: state.renames.clone(),
            dirs: state.dirs.clone(),
            ..State::default()
        };
        SimDisk::of(fork)
    }

    /// Disks that a power cut at this moment could leave, each without faults and locks.
    ///
    /// All of them when there are few (up to about twelve pending changes), otherwise
    /// `sample_count` drawn by `seed`, the two extremes among them.
    pub fn images(&self, seed: u64, sample_count: usize) -> Vec<SimDisk> {
        self.images_at_most(seed, sample_count, usize::MAX)
    }

    /// As [`images`](Self::images), but no more than `max`: of all there are, evenly spaced ones.
    pub fn images_at_most(&self, seed: u64, sample_count: usize, max: usize) -> Vec<SimDisk> {
        let state = self.state();
        let choices: Vec<usize> = state.choices().collect();
        let total = choices.iter().try_fold(1usize, |total, &n| {
            total.checked_mul(n).filter(|&t| t <= IMAGES_EXHAUSTIVE)
        });
        let count = total.unwrap_or(sample_count);
        let mut random = Random(seed);
        let mut images = Vec::new();
        for index in (0..count).step_by(count.div_ceil(max).max(1)) {
            let mut left = index;
            let mut fates = choices.iter().map(|&n| match (total, index) {
                (Some(_), _) => {
                    let fate = left % n;
                    left /= n;
                    fate
                }
                (None, 0) => 0,
                (None, 1) => 1,
                (None, _) => random.below(n),
            });
            let mut tears = Random(seed ^ (index as u64) << 32);
            let image = state.image(&mut fates, &mut tears);
            images.push(SimDisk::of(image));
        }
        images
    }

    /// One disk that a power cut at this moment could leave, drawn by `seed`.
    pub fn image(&self, seed: u64) -> SimDisk {
        let state = self.state();
        let mut random = Random(seed);
        // A power cut may keep nearly everything or lose nearly everything; a coin for each change
        // alone would do neither.
        let likely = random.below(3);
        let fates: Vec<usize> = state
            .choices()
            .map(|n| match (likely, random.below(8)) {
                (fate @ (0 | 1), 1..) => fate,
                _ => random.below(n),
            })
            .collect();
        let image = state.image(&mut fates.into_iter(), &mut Random(!seed));
        SimDisk::of(image)
    }

    /// The disk that a power cut leaves when nothing survives that was not synced.
    pub fn durable(&self) -> SimDisk {
        let state = self.state();
        let mut lost = std::iter::repeat(1);
        SimDisk::of(state.image(&mut lost, &mut Random(0)))
    }

    fn of(state: State) -> SimDisk {
        SimDisk {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics inside the disk")
    }
}

impl State {
    /// Number of fates of each pending change: name changes first, then writes.
    fn choices(&self) -> impl Iterator<Item = usize> + '_ {
        let writes = self.files.iter().flat_map(|file| &file.pending);
        let of_write = |(_, bytes): &(usize, Vec<u8>)| if bytes.len() > SECTOR_LEN { 5 } else { 3 };
        self.renames.iter().map(|_| 2).chain(writes.map(of_write))
    }

    /// Fate 0 keeps a change, 1 loses it, others tear a write.
    fn image(&self, fates: &mut dyn Iterator<Item = usize>, tears: &mut Random) -> State {
        let mut names = self.names_durable.clone();
        for change in &self.renames {
            if fates.next() == Some(0) {
                change.apply(&mut names);
            }
        }
        let named: BTreeSet<usize> = names.values().copied().collect();
        let mut files = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            if !named.contains(&index) {
                // Nobody can find it again, but its changes have fates all the same.
                file.pending.iter().for_each(|_| _ = fates.next());
                files.push(Content::default());
                continue;
            }
            let mut content = file.durable.clone();
            let mut kept = BTreeMap::new();
            for (index, (offset, bytes)) in file.pending.iter().enumerate() {
                let fate = fates.next().expect("a fate for each change");
                let end = offset + bytes.len();
                // The length may have reached the disk although the sectors did not.
                if fate == 2 && tears.below(2) == 0 && content.len() < end {
                    content.resize(end, 0);
                }
                kept.extend(kept_sectors(*offset, end, fate, tears).map(|sector| (sector, index)));
            }
            for (sector, last) in kept {
                for (offset, bytes) in &file.pending[..=last] {
                    write_sector(&mut content, sector, *offset, bytes);
                }
            }
            files.push(Content {
                seen: content.clone(),
                durable: content,
                pending: Vec::new(),
            });
        }
        State {
            files,
            names: names.clone(),
            names_durable: names,
            dirs: self.dirs.clone(),
            ..State::default()
        }
    }

    /// Counts an operation; an error when it is the one to fail, with whether power is gone.
    fn operate(&mut self) -> io::Result<()> {
        let now = self.operations;
        self.operations += 1;
        match self.fault {
            Some(Fault::FailAt(n)) if n == now => Err(io::Error::other("injected fault")),
            Some(Fault::CrashAt(n)) if n <= now => Err(io::Error::other("power is gone")),
            _ => Ok(()),
        }
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change_names(
        &mut self,
        gone: Option<PathBuf>,
        come: Option<(PathBuf, usize)>,
    ) -> io::Result<()> {
        let dark = matches!(self.fault, Some(Fault::CrashAt(n)) if n < self.operations);
        let result = self.operate();
        if !dark && (result.is_ok() || matches!(self.fault, Some(Fault::CrashAt(_)))) {
            let change = NameChange { gone, come };
            change.apply(&mut self.names);
            self.renames.push(change);
        }
        result
    }

    fn write(&mut self, file: usize, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let dark = matches!(self.fault, Some(Fault::CrashAt(n)) if n < self.operations);
        let mut result = self.operate();
        let used: usize = self
            .names
            .values()
            .map(|&file| self.files[file].seen.len())
            .sum();
        let grown = (offset + bytes.len()).saturating_sub(self.files[file].seen.len());
        if matches!(self.fault, Some(Fault::Capacity(max)) if used + grown > max) {
            result = Err(io::ErrorKind::StorageFull.into());
        }
        let kept = match (&result, self.fault) {
            (Ok(()), _) => bytes,
            (Err(_), Some(Fault::CrashAt(_))) if dark => return result,
            (Err(_), Some(Fault::CrashAt(_))) => bytes,
            (Err(_), _) => &bytes[..bytes.len() / 2],
        };
        let content = &mut self.files[file];
        write_at(&mut content.seen, offset, kept);
        content.pending.push((offset, kept.to_vec()));
        result
    }
}

/// Sectors of a pending write that reached the disk: with fate 0 all, 1 none, 2 some by lot, 3 the
/// first ones, 4 the last ones.
fn kept_sectors(
    offset: usize,
    end: usize,
    fate: usize,
    tears: &mut Random,
) -> impl Iterator<Item = usize> {
    let (first, last) = (offset / SECTOR_LEN, end.div_ceil(SECTOR_LEN));
    let cut = first + tears.below(last - first + 1);
    (first..last).filter(move |&sector| match fate {
        0 => true,
        1 => false,
        2 => tears.below(2) == 0,
        3 => sector < cut,
        _ => sector >= cut,
    })
}

/// Applies the part of a write that lies in one sector.
fn write_sector(content: &mut Vec<u8>, sector: usize, offset: usize, bytes: &[u8]) {
    let start = (sector * SECTOR_LEN).max(offset);
    let end = ((sector + 1) * SECTOR_LEN).min(offset + bytes.len());
    if start < end {
        write_at(content, start, &bytes[start - offset..end - offset]);
    }
}

fn write_at(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

impl Disk for SimDisk {
    type File = SimFile;
    type Lock = SimLock;

    fn create_dirs(&self, dir: &Path) -> io::Result<()> {
        let dirs: Vec<_> = dir.ancestors().map(Path::to_owned).collect();
        self.state().dirs.extend(dirs);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        if !state.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let paths = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(paths
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn open(&self, file: &Path) -> io::Result<SimFile> {
        let file = self.state().file(file)?;
        Ok(SimFile {
            disk: self.clone(),
            file,
        })
    }

    fn create(&self, path: &Path) -> io::Result<SimFile> {
        let mut state = self.state();
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.files.len();
        state.files.push(Content::default());
        state.change_names(None, Some((path.to_owned(), file)))?;
        Ok(SimFile {
            disk: self.clone(),
            file,
        })
    }

    fn rename(&self, source: &Path, target: &Path) -> io::Result<()> {
        let mut state = self.state();
        let file = state.file(source)?;
        state.change_names(Some(source.to_owned()), Some((target.to_owned(), file)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.file(path)?;
        state.change_names(Some(path.to_owned()), None)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let (durable, pending) = std::mem::take(&mut state.renames)
            .into_iter()
            .partition(|change| change.is_in(dir));
        state.renames = pending;
        let durable: Vec<NameChange> = durable;
        durable
            .iter()
            .for_each(|change| change.apply(&mut state.names_durable));
        Ok(())
    }

    fn lock(&self, file: &Path) -> io::Result<Option<SimLock>> {
        let taken = self.state().locks.insert(file.to_owned());
        Ok(taken.then(|| SimLock {
            disk: self.clone(),
            file: file.to_owned(),
        }))
    }
}

/// An open file of a [`SimDisk`].
#[derive(Clone, Debug)]
pub struct SimFile {
    disk: SimDisk,
    file: usize,
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].seen.len() as u64)
    }

    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.state();
        let rest = state.files[self.file]
            .seen
            .get(offset as usize..)
            .unwrap_or_default();
        let count = rest.len().min(target.len());
        target[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.state().write(self.file, offset as usize, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.operate()?;
        let content = &mut state.files[self.file];
        content.durable.clone_from(&content.seen);
        content.pending.clear();
        Ok(())
    }
}

/// A lock on a [`SimDisk`], released when dropped.
#[derive(Debug)]
pub struct SimLock {
    disk: SimDisk,
    file: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.file);
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % n
    }
}
