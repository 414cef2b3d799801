//! Whether a member may vote: a disk that was emptied must not speak for what it has forgotten.
//!
//! A quorum is worth what its members remember. One that has acknowledged transactions and comes
//! back without them, on a new device or after somebody has cleared its directories, would let a
//! quorum form that knows nothing of a commit. To Apache's server it is a new member, which votes.
//!
//! Here a member leaves marks before it accepts its first epoch, in files that Apache's servers
//! ignore: `.lockkeeper.member` in `dataDir`, which whoever clears the data leaves there, and
//! `lockkeeper.member` in each `version-2` directory, which goes with the data. The first without
//! the others tells that something was lost, be it the log's device alone; so does a directory
//! without data whose epoch files or marks were spared. Such a member follows a leader and asks for
//! everything it lacks, and counts in no quorum until it has written the current epoch of a leader
//! it is synchronized with. The marks are made then and not before, so a crash on the way forgets
//! nothing. A directory of Apache's gets its marks when it is first opened.
//!
//! The operator has the last word: an empty file `initialize` beside `dataLogDir/version-2`, which
//! is what Apache's server looks for with `zookeeper.db.autocreate=false`, lets the member vote
//! with what it has. It is for a whole ensemble that is made new or restored from a backup.

use tracing::{info, warn};

use crate::disk::Disk;
use crate::epochs;
use crate::error::JournalError;
use crate::files;
use crate::settings::Settings;

/// Beside `myid`; hidden, so that it stays when the rest is removed.
const MEMBER_MARK: &str = ".lockkeeper.member";
/// Beside the data; not hidden, so that it goes when the rest is removed.
const DATA_MARK: &str = "lockkeeper.member";
/// Name of the file by which an operator says that nothing was lost.
const INITIALIZE: &str = "initialize";

/// What a directory shows.
#[derive(Clone, Copy, Debug)]
struct Found {
    initialize: bool,
    /// There is data, and every directory of it has its mark.
    marked: bool,
    /// There is the mark beside `myid`, or no data but an accepted epoch or a mark.
    remembered: bool,
    /// Neither a snapshot nor a log.
    empty: bool,
    autocreate: bool,
}

/// Why a member may vote or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The operator says so.
    Told,
    /// Nothing is missing.
    Whole,
    /// It had more than this.
    Emptied,
    /// New, and new members wait to be told.
    Waiting,
    /// New, or Apache's.
    New,
}

/// Table V: what a member may do before it was synchronized.
fn decide(found: Found) -> Standing {
    match found {
        Found {
            initialize: true, ..
        } => Standing::Told, // V1
        Found { marked: true, .. } => Standing::Whole, // V2
        Found {
            remembered: true, ..
        } => Standing::Emptied, // V3
        Found {
            empty: true,
            autocreate: false,
            ..
        } => Standing::Waiting, // V4
        Found { .. } => Standing::New,                 // V5
    }
}

/// Decides whether the member on this directory may vote, and makes sure that the next start
/// decides the same, whatever is written until then. `empty`: neither a snapshot nor a log.
pub(crate) fn recover<D: Disk>(
    disk: &D,
    settings: &Settings,
    empty: bool,
) -> Result<bool, JournalError> {
    let initialize = settings.log_dir.join(INITIALIZE);
    let (mut all_marked, mut any_marked) = (true, false);
    for dir in settings.dirs() {
        let marked = files::is_there(disk, &dir.join(DATA_MARK))?;
        all_marked &= marked;
        any_marked |= marked;
    }
    let accepted = epochs::any_accepted(disk, settings)?;
    let member = files::is_there(disk, &settings.data_dir.join(MEMBER_MARK))?;
    let found = Found {
        initialize: files::is_there(disk, &initialize)?,
        marked: all_marked && !empty,
        remembered: member || empty && (accepted || any_marked),
        empty,
        autocreate: settings.db_autocreate,
    };
    let standing = decide(found);
    match standing {
        Standing::Told => {
            claim(disk, settings)?;
            // Last, so that a crash on the way leaves the word standing.
            files::unmark(disk, &settings.log_dir, INITIALIZE)?;
            info!("this member may vote with what it has, as {INITIALIZE} said");
        }
        Standing::Whole => claim(disk, settings)?,
        Standing::New if accepted => claim(disk, settings)?,
        Standing::New => {}
        Standing::Emptied | Standing::Waiting => {
            files::mark(disk, &settings.data_dir, MEMBER_MARK)?;
            // Those that were spared would vouch for what is written from here on.
            for dir in settings.dirs() {
                files::unmark(disk, &dir, DATA_MARK)?;
            }
            warn!(
                ?standing,
                create = %initialize.display(),
                "this member does not vote until a leader has synchronized it, since data may be \
                 missing; if the whole ensemble is new or restored, create the file on each member",
            );
        }
    }
    Ok(!matches!(standing, Standing::Emptied | Standing::Waiting))
}

/// Marks the directories as those of a member that has everything it ever promised to keep.
///
/// Those of the data come first: the one beside `myid` alone would say that they were lost.
pub(crate) fn claim<D: Disk>(disk: &D, settings: &Settings) -> Result<(), JournalError> {
    for dir in settings.dirs() {
        files::mark(disk, &dir, DATA_MARK)?;
    }
    files::mark(disk, &settings.data_dir, MEMBER_MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    type When = fn(&Found) -> bool;

    /// The rows again as conditions, told from each other by nothing but themselves.
    const ROWS: [(&str, When, Standing); 5] = [
        ("V1", |f| f.initialize, Standing::Told),
        ("V2", |f| !f.initialize && f.marked, Standing::Whole),
        (
            "V3",
            |f| !f.initialize && !f.marked && f.remembered,
            Standing::Emptied,
        ),
        (
            "V4",
            |f| !f.initialize && !f.marked && !f.remembered && f.empty && !f.autocreate,
            Standing::Waiting,
        ),
        (
            "V5",
            |f| !f.initialize && !f.marked && !f.remembered && (!f.empty || f.autocreate),
            Standing::New,
        ),
    ];

    #[test]
    fn table_v_has_one_row_for_every_directory() {
        let mut met = [0; ROWS.len()];
        for bits in 0..32 {
            let bit = |n: u32| bits >> n & 1 == 1;
            let found = Found {
                initialize: bit(0),
                marked: bit(1),
                remembered: bit(2),
                empty: bit(3),
                autocreate: bit(4),
            };
            let rows = ROWS.iter().enumerate();
            let rows: Vec<_> = rows.filter(|(_, (_, when, _))| when(&found)).collect();
            let [(row, (label, _, standing))] = rows[..] else {
                panic!("{found:?} meets {} rows", rows.len());
            };
            assert_eq!(decide(found), *standing, "{label}: {found:?}");
            met[row] += 1;
        }
        assert!(met.iter().all(|&times| times > 0), "{met:?}");
    }
}
