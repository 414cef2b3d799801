//! The znodes above the queue.

use lockkeeper::{Client, CreateMode, Error, ErrorCode, path};

use crate::layout::Layout;
use crate::retry::{Retry, is_transient};
use crate::state::Cell;

/// Creates every missing ancestor of the queue and its parent itself, from the bottom up until one
/// is there, then down again.
///
/// Returns early, without an error, when the handle is gone.
pub(crate) async fn make_parents(
    client: &Client,
    parent: &str,
    layout: Layout,
    cell: &Cell,
) -> Result<(), Error> {
    let mut mode = mode(layout);
    let mut missing = vec![parent];
    let mut retry = Retry::new(client);
    while let Some(&path) = missing.last()
        && cell.read(|view| view.wanted)
    {
        match client.create(path, "", mode).await {
            Ok(_) => drop(missing.pop()),
            Err(error) => match error.code() {
                Some(ErrorCode::NODE_EXISTS) => drop(missing.pop()),
                Some(ErrorCode::NO_NODE) => match above(path) {
                    Some(above) => missing.push(above),
                    // The chroot itself is missing, and nobody below it can make it.
                    None => return Err(error),
                },
                Some(ErrorCode::UNIMPLEMENTED) if mode == CreateMode::Container => {
                    mode = CreateMode::Persistent;
                }
                _ if is_transient(&error) => retry.pause().await?,
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

/// The kind of the queue's parent and of all above it.
pub(crate) fn mode(layout: Layout) -> CreateMode {
    match layout.has_container_parents() {
        true => CreateMode::Container,
        false => CreateMode::Persistent,
    }
}

/// The parent's path; `None` for a child of the root, which nobody needs to create.
fn above(path: &str) -> Option<&str> {
    path::parent(path).filter(|&above| above != "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_never_missing() {
        assert_eq!(above("/a/b/c"), Some("/a/b"));
        assert_eq!(above("/a"), None);
        assert_eq!(above("/"), None);
    }
}
