//! A member of an ensemble, as it stands in a configuration.

use std::io;

use crate::scratch::free_port;

/// The ports of a member of an ensemble.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) id: u8,
    pub(crate) quorum_port: u16,
    pub(crate) election_port: u16,
    pub(crate) client_port: u16,
    pub(crate) role: Role,
}

/// What a member of an ensemble is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Participant,
    Observer,
}

impl Member {
    pub(crate) fn pick(id: u8, role: Role) -> io::Result<Self> {
        Ok(Self {
            id,
            role,
            quorum_port: free_port()?,
            election_port: free_port()?,
            client_port: free_port()?,
        })
    }
}
