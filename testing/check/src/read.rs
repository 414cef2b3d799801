//! What the model answers to reads.

use lockkeeper_wire::acl::READ;
use lockkeeper_wire::multi::{MultiReadResponse, ReadOp, ReadResult};
use lockkeeper_wire::reply::{
    GetAllChildrenNumberResponse, GetChildren2Response, GetChildrenResponse, GetDataResponse,
    GetEphemeralsResponse, StatResponse,
};
use lockkeeper_wire::{ByteStr, ErrorCode, Id, Request, Response, SessionId};

use crate::rules::may;
use crate::tree::{Naive, Node};

impl Naive {
    /// The reply to a read, with names sorted; `None` for what is no read of the tree.
    pub fn read(
        &self,
        session: SessionId,
        identities: &[Id],
        request: &Request,
    ) -> Option<Result<Response, ErrorCode>> {
        let readable = |path: &str| self.readable(path, identities);
        Some(match request {
            Request::GetData(body) => readable(&body.path).map(|node| {
                Response::GetData(GetDataResponse {
                    data: node.data.clone(),
                    stat: self.stat(&body.path),
                })
            }),
            Request::Exists(body) => readable(&body.path).map(|_| {
                let stat = self.stat(&body.path);
                Response::Stat(StatResponse { stat })
            }),
            Request::GetChildren(body) => readable(&body.path).map(|_| {
                let children = self.names(&body.path);
                Response::GetChildren(GetChildrenResponse { children })
            }),
            Request::GetChildren2(body) => readable(&body.path).map(|_| {
                Response::GetChildren2(GetChildren2Response {
                    children: self.names(&body.path),
                    stat: self.stat(&body.path),
                })
            }),
            Request::GetAllChildrenNumber(body) => readable(&body.path).map(|_| {
                let total = self.below(&body.path).count() as i32;
                Response::GetAllChildrenNumber(GetAllChildrenNumberResponse { total })
            }),
            Request::GetEphemerals(body) => {
                let prefix = body.prefix.as_deref().unwrap_or_default();
                let own = self.ephemerals(session).into_iter();
                let ephemerals = own
                    .filter(|path| matches!(prefix.trim(), "" | "/") || path.starts_with(prefix))
                    .map(ByteStr::from)
                    .collect();
                Ok(Response::GetEphemerals(GetEphemeralsResponse {
                    ephemerals,
                }))
            }
            Request::MultiRead(body) => {
                let results = body.ops.iter().map(|op| self.part_read(op, identities));
                let results = results.collect();
                Ok(Response::MultiRead(MultiReadResponse { results }))
            }
            _ => return None,
        })
    }

    fn part_read(&self, op: &ReadOp, identities: &[Id]) -> ReadResult {
        let result = match op {
            ReadOp::GetData(body) => {
                self.readable(&body.path, identities)
                    .map(|node| ReadResult::GetData {
                        data: node.data.clone(),
                        stat: self.stat(&body.path),
                    })
            }
            ReadOp::GetChildren(body) => self
                .readable(&body.path, identities)
                .map(|_| ReadResult::GetChildren(self.names(&body.path))),
            ReadOp::Foreign(_) => Err(ErrorCode::MARSHALLING_ERROR),
        };
        result.unwrap_or_else(ReadResult::Error)
    }

    fn readable(&self, path: &str, identities: &[Id]) -> Result<&Node, ErrorCode> {
        let node = self.nodes.get(path).ok_or(ErrorCode::NO_NODE)?;
        may(&node.acl, READ, identities)?;
        Ok(node)
    }

    fn names(&self, path: &str) -> Vec<ByteStr> {
        self.children(path).into_iter().map(Into::into).collect()
    }
}

/// A reply with its names in order, since servers give them in any.
pub(crate) fn sorted(response: &Response) -> Response {
    let mut response = response.clone();
    match &mut response {
        Response::GetChildren(body) => body.children.sort(),
        Response::GetChildren2(body) => body.children.sort(),
        Response::GetEphemerals(body) => body.ephemerals.sort(),
        Response::MultiRead(body) => {
            for result in &mut body.results {
                if let ReadResult::GetChildren(children) = result {
                    children.sort();
                }
            }
        }
        _ => {}
    }
    response
}
