//! Why a member must end.

use lockkeeper_wire::{DecodeError, Zxid};

/// A state that no promise can be kept with. Serving on would spread it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A committed transaction cannot be read: its leader knows kinds that this server does not.
    #[error("transaction {zxid} cannot be read; its leader is of a newer version")]
    Undecodable {
        /// The transaction.
        zxid: Zxid,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// A committed transaction does not fit the tree: this server's is not the others'.
    #[error(
        "transaction {zxid} does not fit the tree: this server's data is not that of the others; \
         restart it with an empty data directory"
    )]
    Misfit {
        /// The transaction.
        zxid: Zxid,
    },
}
