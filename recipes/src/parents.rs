//! The znodes above the queue.

use bytes::Bytes;
use lockkeeper::{Client, CreateMode, Created, Error, ErrorCode, path};

use crate::layout::Layout;
use crate::look::insist;
use crate::retry::{Retry, is_transient};

/// Creates every missing ancestor of the queue and its parent itself, from the bottom up until one
/// is there, then down again.
///
/// Returns early, without an error, when the znode below is not wanted any more.
pub(crate) async fn make_parents(
    client: &Client,
    parent: &str,
    mut mode: CreateMode,
    is_wanted: impl Fn() -> bool,
) -> Result<(), Error> {
    let mut missing = vec![parent];
    let mut retry = Retry::new(client);
    while let Some(&path) = missing.last()
        && is_wanted()
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

/// Creates a znode that outlives its session, and containers for the ancestors that are missing.
/// Carried on through lost links.
///
/// `NodeExists` is an answer like any other: an earlier try, whose reply was lost, may have left it.
pub(crate) async fn plant(
    client: &Client,
    path: &str,
    data: Bytes,
    mode: CreateMode,
) -> Result<Created, Error> {
    insist(client, || plant_once(client, path, data.clone(), mode)).await
}

/// The same, but a lost reply ends it: then the znode may be there or not.
pub(crate) async fn plant_once(
    client: &Client,
    path: &str,
    data: Bytes,
    mode: CreateMode,
) -> Result<Created, Error> {
    loop {
        match client.create(path, data.clone(), mode).await {
            // Idle containers go, so there may be a next time.
            Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {
                let Some(parent) = above(path) else {
                    return Err(error);
                };
                make_parents(client, parent, CreateMode::Container, || true).await?;
            }
            answer => return answer,
        }
    }
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
