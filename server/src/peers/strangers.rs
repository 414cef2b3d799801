//! Connections that have not said yet who they are. There are only so many: the newest takes the
//! place of the oldest, because a member speaks at once and whoever dawdles is none.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;

use tokio::task::{AbortHandle, spawn_local};

/// Connections of one port that may be strangers at a time.
pub(super) const STRANGERS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Strangers {
    all: RefCell<VecDeque<(u64, AbortHandle)>>,
    next: RefCell<u64>,
}

/// Held by a connection's task for as long as it is a stranger.
#[derive(Debug)]
pub(super) struct Stranger {
    id: u64,
    strangers: Rc<Strangers>,
}

impl Strangers {
    /// Starts the task of a connection that is a stranger until it drops its mark.
    pub(super) fn admit<F>(self: &Rc<Self>, task: impl FnOnce(Stranger) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        let id = self.next.replace_with(|&mut next| next + 1);
        let strangers = self.clone();
        let handle = spawn_local(task(Stranger { id, strangers })).abort_handle();
        let mut all = self.all.borrow_mut();
        all.push_back((id, handle));
        let oldest = match all.len() > STRANGERS_MAX {
            true => all.pop_front(),
            false => None,
        };
        drop(all);
        if let Some((_, handle)) = oldest {
            handle.abort();
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut all = self.strangers.all.borrow_mut();
        all.retain(|(id, _)| *id != self.id);
    }
}
