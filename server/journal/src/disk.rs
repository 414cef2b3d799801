//! The few things the journal asks of a file system, so that a hostile one can take its place.
//!
//! A [`Disk`] is deliberately small: whole-buffer writes at an offset, one kind of sync for file
//! content, one for directories. What a power cut leaves behind is part of the contract: file
//! content counts from [`DiskFile::sync`] on, a created, renamed or removed name from
//! [`Disk::sync_dir`] on, and before that each write and each name may have happened, not
//! happened, or (for writes) happened in part. [`crate::testing::SimDisk`] holds us to it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file system as the journal sees it. Clones are handles on the same one.
pub trait Disk: Clone + Send + Sync + 'static {
    /// An open file.
    type File: DiskFile;
    /// An advisory lock, released when dropped.
    type Lock: Send;

    /// Makes `dir` and its missing parents, durably.
    ///
    /// # Errors
    /// Those of the operating system.
    fn create_dirs(&self, dir: &Path) -> io::Result<()>;

    /// Names in `dir`, in any order; those that are not UTF-8 are left out.
    ///
    /// # Errors
    /// `NotFound` when there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Opens an existing file for reading and syncing.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    fn open(&self, file: &Path) -> io::Result<Self::File>;

    /// Makes a new, empty file for writing.
    ///
    /// # Errors
    /// `AlreadyExists` when the name is taken.
    fn create(&self, file: &Path) -> io::Result<Self::File>;

    /// Gives a file another name in the same directory, replacing what had that name.
    ///
    /// # Errors
    /// Those of the operating system.
    fn rename(&self, source: &Path, target: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    fn remove(&self, file: &Path) -> io::Result<()>;

    /// Makes all earlier changes of names in `dir` durable.
    ///
    /// # Errors
    /// After an error nothing is known about them.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the lock that `file` (created if missing) stands for; `None` when it is held.
    ///
    /// # Errors
    /// Those of the operating system.
    fn lock(&self, file: &Path) -> io::Result<Option<Self::Lock>>;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Send {
    /// Length in bytes.
    ///
    /// # Errors
    /// Those of the operating system.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// Those of the operating system.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads at `offset`; fewer bytes than asked for are allowed, 0 means end of file.
    ///
    /// # Errors
    /// Those of the operating system.
    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`. After an error any part of them may be there.
    ///
    /// # Errors
    /// Those of the operating system.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes all earlier writes durable, and as much metadata as is needed to read them.
    ///
    /// # Errors
    /// After an error nothing is known about them, and a later success proves nothing.
    fn sync(&mut self) -> io::Result<()>;
}

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    type File = File;
    type Lock = File;

    fn create_dirs(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        let parent = match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        self.create_dirs(parent)?;
        match fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.sync_dir(parent)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn open(&self, file: &Path) -> io::Result<File> {
        File::open(file)
    }

    fn create(&self, file: &Path) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(file)
    }

    fn rename(&self, source: &Path, target: &Path) -> io::Result<()> {
        fs::rename(source, target)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        fs::remove_file(file)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, file: &Path) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        let handle = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(file)?;
        match handle.try_lock() {
            Ok(()) => Ok(Some(handle)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, target, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Reads a file from front to back; a plain [`io::Read`] over [`DiskFile::read_at`].
#[derive(Debug)]
pub(crate) struct Sequential<F> {
    file: F,
    position: u64,
}

impl<F: DiskFile> Sequential<F> {
    pub(crate) fn new(file: F, position: u64) -> Self {
        Sequential { file, position }
    }
}

impl<F: DiskFile> io::Read for Sequential<F> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.position, target)?;
        self.position += count as u64;
        Ok(count)
    }
}
