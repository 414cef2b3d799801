//! Reads: answered from the tree as it is, by whoever holds it.
//!
//! A reply's body is written straight into the connection's buffer, so a znode's data is copied
//! once. Reads do not validate paths: a text that is no path just names no znode.

use bytes::BytesMut;

use lockkeeper_wire::acl::READ;
use lockkeeper_wire::multi::{MultiReadResponse, ReadOp, ReadResult};
use lockkeeper_wire::reply::{
    ClientInfo, GetAclResponse, GetAllChildrenNumberResponse, GetEphemeralsResponse, WhoAmIResponse,
};
use lockkeeper_wire::request::PathWatch;
use lockkeeper_wire::{ByteStr, ErrorCode, Id, Record, Request, SessionId};

use crate::access;
use crate::store::Store;
use crate::znode::Znode;

/// The most bytes a multiRead may answer with; a batch above it is refused as a whole.
pub const MULTI_READ_REPLY_MAX: usize = 4 << 20;

/// Who reads.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// The session.
    pub session: SessionId,
    /// Its identities, as its connection has them now.
    pub identities: &'a [Id],
    /// No access list is looked at (`skipACL`).
    pub skip_acl: bool,
}

impl Store {
    /// Answers a read by appending the reply's body; on an error nothing is appended.
    ///
    /// Watch flags are the caller's business. Requests that are no reads of the tree give
    /// [`ErrorCode::UNIMPLEMENTED`].
    pub fn read(
        &self,
        request: &Request,
        reader: Reader<'_>,
        out: &mut BytesMut,
    ) -> Result<(), ErrorCode> {
        match request {
            Request::GetData(body) => self.get_data(body, reader, out),
            Request::Exists(body) => self.exists(body, reader, out),
            Request::GetChildren(body) => {
                encode_children(self.readable(&body.path, reader)?, out);
                Ok(())
            }
            Request::GetChildren2(body) => {
                let znode = self.readable(&body.path, reader)?;
                encode_children(znode, out);
                znode.stat().encode(out);
                Ok(())
            }
            Request::GetAcl(body) => self.get_acl(&body.path, reader, out),
            Request::GetAllChildrenNumber(body) => {
                self.readable(&body.path, reader)?;
                let total = self.tree.count_below(&body.path).unwrap_or_default() as i32;
                GetAllChildrenNumberResponse { total }.encode(out);
                Ok(())
            }
            Request::GetEphemerals(body) => {
                self.get_ephemerals(body.prefix.as_deref(), reader, out);
                Ok(())
            }
            Request::MultiRead(body) => self.multi_read(&body.ops, reader, out),
            Request::WhoAmI => {
                who_am_i(reader, out);
                Ok(())
            }
            _ => Err(ErrorCode::UNIMPLEMENTED),
        }
    }

    fn readable(&self, path: &str, reader: Reader<'_>) -> Result<&Znode, ErrorCode> {
        let znode = self.tree.get(path).ok_or(ErrorCode::NO_NODE)?;
        if !reader.skip_acl {
            access::require(&znode.acl, READ, reader.identities)?;
        }
        Ok(znode)
    }

    fn get_data(
        &self,
        body: &PathWatch,
        reader: Reader<'_>,
        out: &mut BytesMut,
    ) -> Result<(), ErrorCode> {
        let znode = self.readable(&body.path, reader)?;
        encode_data(znode, out);
        znode.stat().encode(out);
        Ok(())
    }

    fn exists(
        &self,
        body: &PathWatch,
        reader: Reader<'_>,
        out: &mut BytesMut,
    ) -> Result<(), ErrorCode> {
        if body.path.contains('\0') {
            return Err(ErrorCode::BAD_ARGUMENTS);
        }
        self.readable(&body.path, reader)?.stat().encode(out);
        Ok(())
    }

    fn get_acl(&self, path: &str, reader: Reader<'_>, out: &mut BytesMut) -> Result<(), ErrorCode> {
        let znode = self.tree.get(path).ok_or(ErrorCode::NO_NODE)?;
        let acl = if reader.skip_acl {
            access::expand(&znode.acl)
        } else {
            access::require_acl_read(&znode.acl, reader.identities)?;
            access::shown(&znode.acl, reader.identities)
        };
        GetAclResponse {
            acl,
            stat: znode.stat(),
        }
        .encode(out);
        Ok(())
    }

    fn get_ephemerals(&self, prefix: Option<&str>, reader: Reader<'_>, out: &mut BytesMut) {
        let prefix = prefix.unwrap_or_default();
        // A blank prefix stands for none, as in Apache's servers.
        let all = matches!(prefix.trim(), "" | "/");
        let ephemerals = self
            .ephemerals(reader.session)
            .filter(|path| all || path.starts_with(prefix))
            .map(Into::into);
        GetEphemeralsResponse {
            ephemerals: ephemerals.collect(),
        }
        .encode(out);
    }

    fn multi_read(
        &self,
        ops: &[ReadOp],
        reader: Reader<'_>,
        out: &mut BytesMut,
    ) -> Result<(), ErrorCode> {
        let mut results = Vec::new();
        let mut len = 0;
        for op in ops {
            let result = match op {
                ReadOp::GetData(body) => self.readable(&body.path, reader).map(|znode| {
                    len += znode.data.as_deref().map_or(0, <[u8]>::len);
                    let data = znode.data.as_deref().map(bytes::Bytes::copy_from_slice);
                    ReadResult::GetData {
                        data,
                        stat: znode.stat(),
                    }
                }),
                ReadOp::GetChildren(body) => self.readable(&body.path, reader).map(|znode| {
                    let names = znode
                        .children
                        .iter()
                        .map(|child| ByteStr::from(&*child.name));
                    len += znode
                        .children
                        .iter()
                        .map(|child| child.name.len() + 4)
                        .sum::<usize>();
                    ReadResult::GetChildren(names.collect())
                }),
                ReadOp::Foreign(_) => return Err(ErrorCode::MARSHALLING_ERROR),
            };
            if len > MULTI_READ_REPLY_MAX {
                return Err(ErrorCode::BAD_ARGUMENTS);
            }
            results.push(result.unwrap_or_else(ReadResult::Error));
        }
        MultiReadResponse { results }.encode(out);
        Ok(())
    }
}

fn encode_data(znode: &Znode, out: &mut BytesMut) {
    match znode.data.as_deref() {
        Some(data) => {
            (data.len() as i32).encode(out);
            out.extend_from_slice(data);
        }
        None => (-1i32).encode(out),
    }
}

fn encode_children(znode: &Znode, out: &mut BytesMut) {
    (znode.children.len() as i32).encode(out);
    for child in znode.children.iter() {
        (child.name.len() as i32).encode(out);
        out.extend_from_slice(child.name.as_bytes());
    }
}

fn who_am_i(reader: Reader<'_>, out: &mut BytesMut) {
    let identities = reader.identities.iter().map(|id| ClientInfo {
        scheme: id.scheme().into(),
        user: access::user_of(id),
    });
    WhoAmIResponse {
        identities: identities.collect(),
    }
    .encode(out);
}
