//! The digest by which servers compare trees (`DigestCalculator`, version 2).
//!
//! A znode's digest is a CRC-32 over path, data and metadata; the tree's is their sum modulo 2^64,
//! so it is kept up to date by taking a znode's old digest off and adding its new one.

use crc32fast::Hasher;

use crate::znode::ZnodeStat;

/// Everything below this is each server's own business and left out.
const RESERVED: &str = "/zookeeper/";

/// The digest of one znode; `path` of the root is empty.
pub(crate) fn znode(path: &str, data: Option<&[u8]>, stat: &ZnodeStat) -> u32 {
    if path.starts_with(RESERVED) {
        return 0;
    }
    let mut hasher = Hasher::new();
    hasher.update(if path == "/" { b"" } else { path.as_bytes() });
    hasher.update(data.unwrap_or_default());
    let mut fields = [0; 60];
    let longs = [
        stat.czxid.0,
        stat.mzxid.0,
        stat.pzxid.0,
        stat.ctime,
        stat.mtime,
    ];
    for (at, long) in longs.into_iter().enumerate() {
        fields[at * 8..at * 8 + 8].copy_from_slice(&long.to_be_bytes());
    }
    for (at, int) in [stat.version, stat.cversion, stat.aversion]
        .into_iter()
        .enumerate()
    {
        fields[40 + at * 4..44 + at * 4].copy_from_slice(&int.to_be_bytes());
    }
    fields[52..].copy_from_slice(&stat.owner.0.to_be_bytes());
    hasher.update(&fields);
    hasher.finalize()
}
