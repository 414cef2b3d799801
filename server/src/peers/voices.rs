//! What there is for each member on the election port, and how many members there can be.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use lockkeeper_wire::ServerId;
use lockkeeper_zab::HostPort;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::address::Directory;

/// A message that could not be sent for so long has nothing to say any more: whoever was away so
/// long speaks first when it returns.
const MESSAGE_AGE_MAX: Duration = Duration::from_secs(60);

/// Members that are in no configuration and linked all the same, such as those about to join.
const UNKNOWN_MAX: usize = 64;

/// All members that were heard of or told something.
#[derive(Debug)]
pub(super) struct Voices {
    directory: Rc<RefCell<Directory>>,
    all: RefCell<BTreeMap<ServerId, Voice>>,
    count: RefCell<u64>,
}

/// What there is for one member.
#[derive(Debug)]
pub(super) struct Voice {
    /// To be sent next, and since when it waits.
    pub(super) waiting: Option<(Bytes, Instant)>,
    /// Sent last.
    pub(super) sent: Option<Bytes>,
    /// Told when a message waits.
    pub(super) news: Rc<Notify>,
    pub(super) link: Option<(u64, AbortHandle)>,
    pub(super) dialler: Option<AbortHandle>,
    /// Told when the member asks to be dialled back.
    pub(super) asked: Rc<Notify>,
    /// Where the member said it can be dialled back.
    pub(super) advertised: Vec<HostPort>,
    /// When it was heard of first, as a count.
    since: u64,
}

impl Voices {
    pub(super) fn new(directory: Rc<RefCell<Directory>>) -> Self {
        Self {
            directory,
            all: RefCell::default(),
            count: RefCell::default(),
        }
    }

    /// Does something with what there is for a member.
    pub(super) fn with<T>(&self, sid: ServerId, f: impl FnOnce(&mut Voice) -> T) -> T {
        let mut all = self.all.borrow_mut();
        let forgotten = match all.contains_key(&sid) {
            true => None,
            false => {
                let since = self.count.replace_with(|&mut count| count + 1);
                all.insert(sid, Voice::new(since));
                self.superfluous(&all).and_then(|sid| all.remove(&sid))
            }
        };
        let voice = all.get_mut(&sid).expect("there or just put there");
        let result = f(voice);
        drop(all);
        for task in forgotten.iter().flat_map(Voice::tasks) {
            task.abort();
        }
        result
    }

    /// Ends the links of some members.
    pub(super) fn drop_links(&self, of: impl Fn(&ServerId) -> bool) {
        let mut all = self.all.borrow_mut();
        for (_, voice) in all.iter_mut().filter(|(sid, _)| of(sid)) {
            if let Some((_, task)) = voice.link.take() {
                task.abort();
            }
        }
    }

    /// The member that goes for a new one: of those in no configuration the oldest, if there are
    /// too many.
    fn superfluous(&self, all: &BTreeMap<ServerId, Voice>) -> Option<ServerId> {
        let directory = self.directory.borrow();
        let unknown = || all.iter().filter(|(sid, _)| !directory.contains_key(sid));
        if unknown().count() <= UNKNOWN_MAX {
            return None;
        }
        let oldest = unknown().min_by_key(|(_, voice)| voice.since);
        oldest.map(|(sid, _)| *sid)
    }
}

impl Voice {
    fn new(since: u64) -> Self {
        Self {
            waiting: None,
            sent: None,
            news: Rc::default(),
            link: None,
            dialler: None,
            asked: Rc::default(),
            advertised: Vec::new(),
            since,
        }
    }

    pub(super) fn has_fresh_message(&mut self) -> bool {
        let stale = |(_, since): &mut (Bytes, Instant)| since.elapsed() > MESSAGE_AGE_MAX;
        self.waiting.take_if(stale);
        self.waiting.is_some()
    }

    fn tasks(&self) -> impl Iterator<Item = &AbortHandle> {
        let link = self.link.as_ref().map(|(_, task)| task);
        link.into_iter().chain(&self.dialler)
    }
}
