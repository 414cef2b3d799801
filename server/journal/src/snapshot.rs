//! Snapshot files: made under another name, verified as a whole, named by zxid.
//!
//! ```text
//! header     5a 4b 53 4e  version 2  dbid -1        16 bytes
//! image      sessions, ACL lists, znodes, end       opaque here
//! seal       Adler-32 so far, "/"                   13 bytes
//! digest     zxid, version 2, tree digest, seal     33 bytes, optional
//! last zxid  zxid, seal                             21 bytes, optional
//! ```
//!
//! The image belongs to the store. This file owns what surrounds it, and hands an image out only
//! after every seal of the file was found right, so the store never parses damaged bytes. That
//! costs a second pass over the file at start. Which optional sections follow is not written
//! anywhere: readers of Apache ZooKeeper expect those that their own settings name and refuse the
//! rest. Here the remaining length tells, and the seals confirm. Our files always carry both
//! sections, which every Apache reader with digests on (its default) accepts.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use adler2::Adler32;
use flate2::read::GzDecoder;

use crate::disk::{Disk, DiskFile, Sequential};
use crate::error::{JournalError, at};
use crate::files;
use crate::names::{self, Compression, SnapshotName};
use crate::settings::Settings;
use crate::snappy::SnappyReader;

const HEADER: [u8; 16] = *b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff";
/// The string "/", which ends the znodes and every seal.
const SLASH: [u8; 5] = *b"\0\0\0\x01/";
const SEAL_LEN: usize = 13;
const DIGEST_LEN: usize = 20;
const DIGEST_VERSION: i32 = 2;
/// Lengths of what can follow the first seal: both sections, digest, last zxid, neither. Longer
/// ones first, because every seal is also a valid first seal of a file without sections.
const TAIL_LENS: [usize; 4] = [54, 33, 21, 0];
/// Bytes at the end of a file that may belong to seals.
const HELD_LEN: usize = SEAL_LEN + TAIL_LENS[0];
const BUFFER_LEN: usize = 64 * 1024;

/// The digest section of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The transaction after which the tree had this digest; 0 when none was known. Above the
    /// zxid of the name, the image is fuzzy up to here.
    pub zxid: i64,
    /// Version of the digest algorithm, 2 at present.
    pub version: i32,
    /// Sum over the znodes.
    pub value: u64,
}

/// A snapshot whose seals are right.
#[derive(Debug)]
pub struct Snapshot<D> {
    disk: D,
    file: PathBuf,
    name: SnapshotName,
    image_len: u64,
    digest: Option<Digest>,
}

impl<D: Disk> Snapshot<D> {
    /// Reads the whole file and checks its seals. The inner error says why the file is no good.
    pub(crate) fn verify(
        disk: &D,
        file: &Path,
        name: SnapshotName,
    ) -> Result<Result<Snapshot<D>, io::Error>, JournalError> {
        match content(disk, file, name.compression).and_then(scan) {
            Ok((image_len, digest)) => Ok(Ok(Snapshot {
                disk: disk.clone(),
                file: file.to_owned(),
                name,
                image_len,
                digest,
            })),
            Err(fault) if damage(fault.kind()) => Ok(Err(fault)),
            Err(source) => Err(at("read", file)(source)),
        }
    }

    /// Zxid of the name: every transaction up to it is in the image.
    pub fn zxid(&self) -> i64 {
        self.name.zxid
    }

    /// The digest section, if the writer had digests on.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Bytes of the image, uncompressed.
    pub fn image_len(&self) -> u64 {
        self.image_len
    }

    /// The image, from the session count to the end of the znodes: exactly
    /// [`image_len`](Self::image_len) bytes, buffered.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the file cannot be opened again.
    pub fn image(&self) -> Result<impl Read + use<D>, JournalError> {
        let mut stream = content(&self.disk, &self.file, self.name.compression)
            .map_err(at("open", &self.file))?;
        stream
            .read_exact(&mut [0; HEADER.len()])
            .map_err(at("read", &self.file))?;
        Ok(stream.take(self.image_len))
    }
}

/// Writes the snapshot of the tree at `zxid` and returns its path.
///
/// `image` writes fields 4 to 9 of the layout (sessions to end of znodes) and should come from a
/// frozen tree. `zxid` and everything before it must be committed: a transaction that is taken back
/// ([`Journal::truncate`](crate::Journal::truncate)) takes every snapshot that holds it along, and
/// an Apache server that went on with the directory would keep it for ever.
///
/// Needs no [`Journal`](crate::Journal), so it can run on another thread while the log goes on; one
/// call at a time per directory, and none during a truncation or an installation. Nothing is at the
/// final name until all of it is durable. A file of the same name is replaced.
///
/// # Errors
/// [`JournalError::Io`]; then no snapshot was added, and the unfinished file is removed if that
/// is still possible. The journal is not affected.
pub fn write_snapshot<D: Disk>(
    disk: &D,
    settings: &Settings,
    zxid: i64,
    digest: Option<Digest>,
    image: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> Result<PathBuf, JournalError> {
    let unfinished = prepare(disk, settings, zxid, digest, image)?;
    publish(disk, settings, zxid, unfinished)
}

/// Writes and syncs the file under its unfinished name.
pub(crate) fn prepare<D: Disk>(
    disk: &D,
    settings: &Settings,
    zxid: i64,
    digest: Option<Digest>,
    image: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> Result<PathBuf, JournalError> {
    let unfinished = settings.snapshot_dir().join(names::unfinished(zxid));
    let written = write_file(disk, &unfinished, zxid, digest, image);
    if let Err(error) = written {
        // Best effort: the next start clears it as well.
        let _ = disk.remove(&unfinished);
        return Err(error);
    }
    Ok(unfinished)
}

/// Gives what was prepared its final name, durably.
pub(crate) fn publish<D: Disk>(
    disk: &D,
    settings: &Settings,
    zxid: i64,
    unfinished: PathBuf,
) -> Result<PathBuf, JournalError> {
    let dir = settings.snapshot_dir();
    let target = dir.join(names::snapshot(zxid, Compression::None));
    disk.rename(&unfinished, &target)
        .map_err(at("rename", unfinished))?;
    disk.sync_dir(&dir).map_err(at("sync", dir))?;
    Ok(target)
}

fn write_file<D: Disk>(
    disk: &D,
    file: &Path,
    zxid: i64,
    digest: Option<Digest>,
    image: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> Result<(), JournalError> {
    files::clear(disk, file)?;
    let mut writer = SealWriter::new(disk.create(file).map_err(at("create", file))?);
    let mut write = || {
        writer.write_all(&HEADER)?;
        image(&mut writer)?;
        writer.seal()?;
        let digest = digest.unwrap_or(Digest {
            zxid: 0,
            version: DIGEST_VERSION,
            value: 0,
        });
        writer.write_all(&digest.zxid.to_be_bytes())?;
        writer.write_all(&digest.version.to_be_bytes())?;
        writer.write_all(&digest.value.to_be_bytes())?;
        writer.seal()?;
        writer.write_all(&zxid.to_be_bytes())?;
        writer.seal()?;
        writer.flush()
    };
    write().map_err(at("write", file))?;
    writer.file.sync().map_err(at("sync", file))
}

/// Buffers, counts and sums what is written.
struct SealWriter<F> {
    file: F,
    position: u64,
    sum: Adler32,
    buffer: Vec<u8>,
}

impl<F: DiskFile> SealWriter<F> {
    fn new(file: F) -> Self {
        let buffer = Vec::with_capacity(BUFFER_LEN);
        SealWriter {
            file,
            position: 0,
            sum: Adler32::new(),
            buffer,
        }
    }

    /// Writes the sum of everything before, earlier seals included.
    fn seal(&mut self) -> io::Result<()> {
        self.flush()?;
        let sum = u64::from(self.sum.checksum());
        self.write_all(&sum.to_be_bytes())?;
        self.write_all(&SLASH)
    }
}

impl<F: DiskFile> Write for SealWriter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_LEN {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.sum.write_slice(&self.buffer);
        self.file.write_at(self.position, &self.buffer)?;
        self.position += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Apache's quick check: the last bytes of a plain file, the first of a compressed one.
pub(crate) fn looks_complete<D: Disk>(
    disk: &D,
    path: &Path,
    compression: Compression,
) -> io::Result<bool> {
    let file = disk.open(path)?;
    let len = file.len()?;
    let (magic, offset, len_min): (&[u8], u64, u64) = match compression {
        Compression::None => (&SLASH, len.saturating_sub(SLASH.len() as u64), 10),
        Compression::Gzip => (&[0x1f, 0x8b], 0, 2),
        Compression::Snappy => (&crate::snappy::MAGIC, 0, 8),
    };
    let mut found = vec![0; magic.len()];
    match Sequential::new(file, offset).read_exact(&mut found) {
        Ok(()) => Ok(len >= len_min && found == magic),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The uncompressed bytes of a snapshot file.
fn content<D: Disk>(
    disk: &D,
    path: &Path,
    compression: Compression,
) -> io::Result<Box<dyn Read + Send>> {
    let file = io::BufReader::with_capacity(BUFFER_LEN, Sequential::new(disk.open(path)?, 0));
    Ok(match compression {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(io::BufReader::with_capacity(
            BUFFER_LEN,
            GzDecoder::new(file),
        )),
        Compression::Snappy => Box::new(io::BufReader::with_capacity(
            BUFFER_LEN,
            SnappyReader::new(file),
        )),
    })
}

/// Kinds of error that the content of a file causes, as opposed to the disk under it.
fn damage(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
    )
}

/// Reads everything and returns the length of the image and the digest section.
fn scan(mut stream: impl Read) -> io::Result<(u64, Option<Digest>)> {
    let bad = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut head = [0; HEADER.len()];
    stream.read_exact(&mut head)?;
    if head[..4] != HEADER[..4] {
        return Err(bad("the file does not start with the magic of a snapshot"));
    }
    let mut sum = Adler32::new();
    sum.write_slice(&head);
    let mut summed = head.len() as u64;
    // The end of the stream is known only when it is reached, so the bytes that may be seals are
    // held back from the sum.
    let mut buffer = vec![0; BUFFER_LEN + HELD_LEN];
    let mut filled = 0;
    loop {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if filled > HELD_LEN {
            let surplus = filled - HELD_LEN;
            sum.write_slice(&buffer[..surplus]);
            summed += surplus as u64;
            buffer.copy_within(surplus..filled, 0);
            filled = HELD_LEN;
        }
    }
    let held = &buffer[..filled];
    for tail_len in TAIL_LENS {
        let Some(image_end) = held.len().checked_sub(SEAL_LEN + tail_len) else {
            continue;
        };
        if let Some(digest) = check_tail(sum, held, image_end, tail_len) {
            return Ok((summed + image_end as u64 - HEADER.len() as u64, digest));
        }
    }
    Err(bad("the seals do not match, or the file is cut short"))
}

/// Checks the seals as if the image ended at `held[image_end]`; on success the digest section.
fn check_tail(
    mut sum: Adler32,
    held: &[u8],
    image_end: usize,
    tail_len: usize,
) -> Option<Option<Digest>> {
    sum.write_slice(&held[..image_end]);
    let mut rest = seal(&mut sum, &held[image_end..])?;
    let mut digest = None;
    if tail_len >= DIGEST_LEN + SEAL_LEN {
        let (section, behind) = rest.split_at(DIGEST_LEN);
        sum.write_slice(section);
        rest = seal(&mut sum, behind)?;
        digest = Some(Digest {
            zxid: i64::from_be_bytes(section[..8].try_into().ok()?),
            version: i32::from_be_bytes(section[8..12].try_into().ok()?),
            value: u64::from_be_bytes(section[12..].try_into().ok()?),
        });
    }
    if !rest.is_empty() {
        // The last zxid repeats the one of the name, which is what counts.
        let (section, behind) = rest.split_at(8);
        sum.write_slice(section);
        rest = seal(&mut sum, behind)?;
    }
    rest.is_empty().then_some(digest)
}

/// Checks one seal and returns what follows it.
fn seal<'a>(sum: &mut Adler32, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (seal, rest) = bytes.split_at_checked(SEAL_LEN)?;
    let right = seal[..8] == u64::from(sum.checksum()).to_be_bytes() && seal[8..] == SLASH;
    sum.write_slice(seal);
    right.then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `held` with the seals for `sections` behind an image.
    fn file(image: &[u8], sections: &[&[u8]]) -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        bytes.extend_from_slice(image);
        let seal = |bytes: &mut Vec<u8>| {
            let sum = u64::from(adler2::adler32_slice(bytes));
            bytes.extend_from_slice(&sum.to_be_bytes());
            bytes.extend_from_slice(&SLASH);
        };
        seal(&mut bytes);
        for section in sections {
            bytes.extend_from_slice(section);
            seal(&mut bytes);
        }
        bytes
    }

    #[test]
    fn all_four_tails_are_told_apart() {
        let digest = [
            0, 0, 0, 1, 0, 0, 0, 0x1d, 0, 0, 0, 2, 0, 0, 0, 6, 0x7f, 0xa7, 0xff, 0xf0,
        ];
        let parsed = Some(Digest {
            zxid: 0x1_0000_001d,
            version: 2,
            value: 0x6_7fa7_fff0,
        });
        let zxid = [0u8; 8];
        for image_len in [13, 40, 5000, BUFFER_LEN * 2 + 1] {
            let mut image = vec![7; image_len];
            image[image_len - 5..].copy_from_slice(&SLASH);
            let len = image_len as u64;
            let read = |sections: &[&[u8]]| scan(&file(&image, sections)[..]).expect("valid");
            assert_eq!(read(&[]), (len, None));
            assert_eq!(read(&[&digest]), (len, parsed));
            assert_eq!(read(&[&zxid]), (len, None));
            assert_eq!(read(&[&digest, &zxid]), (len, parsed));
        }
    }

    /// Sums go on from one seal to the next, so the tail of a file can be checked without the rest:
    /// here the ends of `snapshot.0` of ZooKeeper 3.9.5 and `snapshot.10000001d` of 3.8.0.
    #[test]
    fn tails_written_by_apache_are_accepted() {
        let bytes = |parts: &[u64]| {
            parts
                .iter()
                .flat_map(|n| n.to_be_bytes())
                .collect::<Vec<_>>()
        };
        let join = |parts: &[(&[u64], &[u8])]| -> Vec<u8> {
            parts
                .iter()
                .flat_map(|(numbers, rest)| [bytes(numbers), rest.to_vec()].concat())
                .collect()
        };
        let version = [0, 0, 0, 2];
        let new = join(&[
            (&[0xb5fd_67d1], &SLASH),
            (&[0], &version),
            (&[0, 0x6d07_6aed], &SLASH),
            (&[0, 0x4f89_6ce8], &SLASH),
        ]);
        let sum = Adler32::from_checksum(0xb5fd_67d1);
        let none = Digest {
            zxid: 0,
            version: 2,
            value: 0,
        };
        assert_eq!(check_tail(sum, &new, 0, 54), Some(Some(none)));
        let old = join(&[
            (&[0x01e8_d335], &SLASH),
            (&[0x1_0000_001d], &version),
            (&[0x6_7fa7_fff0, 0x7efc_d891], &SLASH),
        ]);
        let sum = Adler32::from_checksum(0x01e8_d335);
        let digest = Digest {
            zxid: 0x1_0000_001d,
            version: 2,
            value: 0x6_7fa7_fff0,
        };
        assert_eq!(check_tail(sum, &old, 0, 33), Some(Some(digest)));
    }

    #[test]
    fn any_cut_and_any_changed_byte_is_found() {
        let mut image = vec![9; 30];
        image.extend_from_slice(&SLASH);
        let whole = file(&image, &[&[3; 20], &[4; 8]]);
        // Cut right behind an earlier seal a file is whole again, only with fewer sections.
        let seams = [whole.len() - 21, whole.len() - 54];
        for len in (0..whole.len()).filter(|len| !seams.contains(len)) {
            assert!(scan(&whole[..len]).is_err(), "cut at {len}");
        }
        // The header is covered by the seals, so all bytes are.
        for index in 0..whole.len() {
            let mut changed = whole.clone();
            changed[index] ^= 0x10;
            assert!(scan(&changed[..]).is_err(), "changed at {index}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = scan(&bytes[..]);
            bytes.splice(..0, HEADER);
            let _ = scan(&bytes[..]);
        }
    }
}
