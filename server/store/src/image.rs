//! The state as bytes: fields 4 to 9 of a snapshot file, which a leader also sends to a learner.
//!
//! An image is a point in time: it is taken from a frozen tree, so what Apache's fuzzy snapshots
//! may hold (a node with an unknown list, a child without its parent's count) does not occur in
//! ours. Reading accepts theirs. The tree is walked with a stack of its own, however deep it is.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use lockkeeper_wire::{Acl, ByteStr, DecodeError, Record, SessionId, Zxid};
use thiserror::Error;

use crate::access::AclRef;
use crate::store::Store;
use crate::tree::{NewZnode, Tree};
use crate::znode::{Owner, ZnodeStat};

/// What stands for `world:anyone` with every permission.
const OPEN_ACL: i64 = -1;

/// The longest text, buffer or list of an image, bytes. Larger than any request could make it, so
/// that a changed request limit never makes an old image unreadable.
const FIELD_LEN_MAX: usize = 64 << 20;

/// An image that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The bytes cannot be had.
    #[error("image ends early or cannot be read")]
    Io(#[from] io::Error),
    /// A field is not what it should be.
    #[error("image field is malformed")]
    Decode(#[from] DecodeError),
    /// A length is not possible.
    #[error("image field of {0} bytes is too long")]
    Length(i64),
    /// A znode's parent is missing, or the znode is there already.
    #[error("image has {0:?} without its parent or twice")]
    Orphan(String),
}

impl Store {
    /// Writes the image. Take it from a clone to let the original go on.
    pub fn write_image(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut chunk = BytesMut::with_capacity(1 << 16);
        (self.sessions.len() as i32).encode(&mut chunk);
        for (session, timeout_ms) in &self.sessions {
            session.encode(&mut chunk);
            timeout_ms.encode(&mut chunk);
        }
        (self.acls.len() as i32).encode(&mut chunk);
        let mut acl_ids = BTreeMap::new();
        for (id, acl) in (1i64..).zip(&self.acls) {
            acl_ids.insert(acl.clone(), id);
            id.encode(&mut chunk);
            acl.to_vec().encode(&mut chunk);
        }
        for (path, znode) in self.tree.walk() {
            ByteStr::from(&*path).encode(&mut chunk);
            encode_data(znode.data.as_deref(), &mut chunk);
            let acl_id = znode.acl.as_ref().map_or(OPEN_ACL, |acl| acl_ids[acl]);
            acl_id.encode(&mut chunk);
            encode_stat(&znode.stat, &mut chunk);
            if chunk.len() >= 1 << 15 {
                out.write_all(&chunk)?;
                chunk.clear();
            }
        }
        ByteStr::from_static("/").encode(&mut chunk);
        out.write_all(&chunk)
    }

    /// Reads an image; `zxid` is the one the file's name gives.
    pub fn read_image(input: &mut dyn Read, zxid: Zxid, seed: u64) -> Result<Self, ImageError> {
        let mut input = ImageReader { input };
        let mut store = Self::with_tree(Tree::bare(seed));
        store.last_zxid = zxid;
        for _ in 0..input.int()? {
            let session = SessionId(input.long()?);
            let timeout_ms = input.int()?;
            store.sessions.insert(session, timeout_ms);
        }
        let mut acls: BTreeMap<i64, AclRef> = BTreeMap::new();
        for _ in 0..input.int()? {
            let id = input.long()?;
            let acl = input.acl()?;
            acls.insert(id, store.intern(&acl));
        }
        loop {
            let path = input.text()?;
            if path == "/" {
                break;
            }
            let data = input.buffer()?;
            let acl_id = input.long()?;
            let stat = input.stat()?;
            let acl = match acls.get(&acl_id) {
                _ if acl_id == OPEN_ACL => None,
                Some(acl) => acl.clone(),
                // Unknown, and nobody's, until the setACL that made it is replayed.
                None => store.intern(&[]),
            };
            store.add(&path, data.as_deref(), acl, stat)?;
        }
        store.ensure_config();
        Ok(store)
    }

    fn add(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl: AclRef,
        stat: ZnodeStat,
    ) -> Result<(), ImageError> {
        if path.is_empty() {
            self.tree.update("", |root| {
                root.data = data.map(Arc::from);
                root.acl = acl;
                root.stat = stat;
            });
            return Ok(());
        }
        // An empty name would be written as the mark that ends the znodes.
        let fits = crate::tree::split(path).is_some_and(|(parent, name)| {
            !name.is_empty() && self.tree.get(parent).is_some() && self.tree.get(path).is_none()
        });
        if !fits {
            return Err(ImageError::Orphan(path.to_owned()));
        }
        self.tree.insert(path, NewZnode { data, acl, stat });
        self.index(path, stat.owner);
        Ok(())
    }
}

fn encode_data(data: Option<&[u8]>, out: &mut BytesMut) {
    match data {
        Some(data) => {
            (data.len() as i32).encode(out);
            out.extend_from_slice(data);
        }
        None => (-1i32).encode(out),
    }
}

fn encode_stat(stat: &ZnodeStat, out: &mut BytesMut) {
    stat.czxid.encode(out);
    stat.mzxid.encode(out);
    stat.ctime.encode(out);
    stat.mtime.encode(out);
    stat.version.encode(out);
    stat.cversion.encode(out);
    stat.aversion.encode(out);
    stat.owner.0.encode(out);
    stat.pzxid.encode(out);
}

struct ImageReader<'a> {
    input: &'a mut dyn Read,
}

impl ImageReader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ImageError> {
        let mut array = [0; N];
        self.input.read_exact(&mut array)?;
        Ok(array)
    }

    fn int(&mut self) -> Result<i32, ImageError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn long(&mut self) -> Result<i64, ImageError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    fn buffer(&mut self) -> Result<Option<Vec<u8>>, ImageError> {
        let len = self.int()?;
        if len == -1 {
            return Ok(None);
        }
        let Some(len) = usize::try_from(len)
            .ok()
            .filter(|&len| len <= FIELD_LEN_MAX)
        else {
            return Err(ImageError::Length(len.into()));
        };
        // Grown by what is really read: a length is only a claim.
        let mut bytes = Vec::new();
        (&mut *self.input)
            .take(len as u64)
            .read_to_end(&mut bytes)?;
        if bytes.len() < len {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(Some(bytes))
    }

    fn text(&mut self) -> Result<String, ImageError> {
        let bytes = self.buffer()?.ok_or(DecodeError::Null)?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn acl(&mut self) -> Result<Vec<Acl>, ImageError> {
        let count = self.int()?;
        (0..count)
            .map(|_| {
                let perms = self.int()?;
                let (scheme, id) = (self.text()?, self.text()?);
                Ok(Acl::new(perms, scheme, id))
            })
            .collect()
    }

    fn stat(&mut self) -> Result<ZnodeStat, ImageError> {
        let fields = Bytes::copy_from_slice(&self.array::<60>()?);
        let mut reader = lockkeeper_wire::Reader::new(&fields);
        let stat = ZnodeStat {
            czxid: Record::decode(&mut reader)?,
            mzxid: Record::decode(&mut reader)?,
            ctime: Record::decode(&mut reader)?,
            mtime: Record::decode(&mut reader)?,
            version: Record::decode(&mut reader)?,
            cversion: Record::decode(&mut reader)?,
            aversion: Record::decode(&mut reader)?,
            owner: Owner(Record::decode(&mut reader)?),
            pzxid: Record::decode(&mut reader)?,
        };
        Ok(stat)
    }
}
