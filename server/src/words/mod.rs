//! The four-letter words: what an operator's tools ask on the client port, and the text they get.
//!
//! A connection that opens with one of the words is answered in plain text and closed. Answers are
//! pure functions of a [`Status`], so that the shell decides when a status is worth gathering:
//!
//! 1. [`Word::from_bytes`] tells whether the first four bytes are a word. Read as a frame length
//!    each word is above 1.6 billion, so asking first cannot cut into the protocol. Bytes that
//!    follow are of no interest.
//! 2. [`Whitelist::allows`] decides; [`refusal`] is the answer to a word that is not on it.
//! 3. [`Word::needs`] tells what to gather, [`answer`] makes the text.
//!
//! Words that reset counters without asking who calls, or that walk all watches, have no answer
//! here even when they are on the list: `crst`, `srst`, `stmk`, `wchc`, `wchp` and their kin get
//! the refusal, as they do from an Apache server with its default list. `dump`, which walks all
//! sessions, is answered up to a bound.
//!
//! Source: `S/server/command/*.java` and `FourLetterCommands.java` of ZooKeeper.

mod mntr;
mod status;
mod text;
mod whitelist;

pub use mntr::Value;
pub use status::{
    Connection, Environment, KnownSession, Latency, Mode, ResponseSizes, Session, Settings, Status,
};
pub use whitelist::Whitelist;

/// The version that tools are told.
///
/// Tools switch features on by the first three numbers they find (Datadog compares them with
/// 3.4.4 to know the shape of `stat`, exporters with 3.6 to know decimals in latencies), so these
/// are those of the Apache release whose answers are reproduced; our own name and version follow
/// where Apache has the hash of its sources.
pub const VERSION: &str = concat!("3.9.5-lockkeeper-", env!("CARGO_PKG_VERSION"));

/// What stands where Apache has the time of its build; a time would make builds differ.
const BUILT_ON: &str = match option_env!("LOCKKEEPER_BUILT_ON") {
    Some(date) => date,
    None => "an unknown date",
};

/// What a server answers to most words while it has nothing to serve.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";

/// A word of Apache's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Word {
    /// Settings.
    Conf,
    /// One line per connection, with its session.
    Cons,
    /// Resets the counters of connections; never answered.
    Crst,
    /// Bytes in the two data directories.
    Dirs,
    /// Sessions and their ephemerals.
    Dump,
    /// The machine and the process.
    Envi,
    /// The trace mask; never answered.
    Gtmk,
    /// Digests of the tree; never answered.
    Hash,
    /// Whether writes are served.
    Isro,
    /// All metrics.
    Mntr,
    /// Whether the process answers.
    Ruok,
    /// Resets all counters; never answered.
    Srst,
    /// The most asked for numbers.
    Srvr,
    /// The same and a line per connection.
    Stat,
    /// Sets the trace mask; never answered.
    Stmk,
    /// Watches by session; never answered.
    Wchc,
    /// Watches by path; never answered.
    Wchp,
    /// Counts of watches; never answered.
    Wchs,
}

/// What has to be gathered for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A [`Status`], in which the list of connections may be empty.
    Status,
    /// A [`Status`] with all connections.
    Connections,
    /// A [`Status`] with the sessions and their ephemerals.
    Sessions,
}

const NAMES: [(&str, Word); 18] = [
    ("conf", Word::Conf),
    ("cons", Word::Cons),
    ("crst", Word::Crst),
    ("dirs", Word::Dirs),
    ("dump", Word::Dump),
    ("envi", Word::Envi),
    ("gtmk", Word::Gtmk),
    ("hash", Word::Hash),
    ("isro", Word::Isro),
    ("mntr", Word::Mntr),
    ("ruok", Word::Ruok),
    ("srst", Word::Srst),
    ("srvr", Word::Srvr),
    ("stat", Word::Stat),
    ("stmk", Word::Stmk),
    ("wchc", Word::Wchc),
    ("wchp", Word::Wchp),
    ("wchs", Word::Wchs),
];

impl Word {
    /// The word that these bytes spell; case matters.
    pub fn from_bytes(bytes: [u8; 4]) -> Option<Self> {
        let row = NAMES
            .iter()
            .find(|(name, _)| name.as_bytes() == bytes.as_slice());
        row.map(|&(_, word)| word)
    }

    /// The word of this name, if it has an answer here.
    pub fn named(name: &str) -> Option<Self> {
        let row = NAMES.iter().find(|(known, _)| *known == name);
        row.map(|&(_, word)| word).filter(|word| word.is_answered())
    }

    /// The four letters.
    pub fn name(self) -> &'static str {
        NAMES[self as usize].0
    }

    /// All words that have an answer here.
    pub(crate) fn answered() -> impl Iterator<Item = Self> {
        NAMES
            .iter()
            .map(|&(_, word)| word)
            .filter(|word| word.is_answered())
    }

    /// What to gather before asking for the [`answer`].
    pub fn needs(self) -> Needs {
        match self {
            Self::Cons | Self::Stat => Needs::Connections,
            Self::Dump => Needs::Sessions,
            Self::Conf | Self::Dirs | Self::Isro | Self::Mntr | Self::Srvr => Needs::Status,
            _ => Needs::Nothing,
        }
    }

    fn is_answered(self) -> bool {
        self.needs() != Needs::Nothing || matches!(self, Self::Envi | Self::Ruok)
    }
}

/// The answer to a word that is not allowed.
pub fn refusal(word: Word) -> String {
    format!(
        "{} is not executed because it is not in the whitelist.\n",
        word.name()
    )
}

/// The answer to a word that is allowed; `status` is none while the server does not serve.
pub fn answer(word: Word, environment: &Environment, status: Option<&Status>) -> String {
    match (word, status) {
        (Word::Ruok, _) => "imok".to_owned(),
        (Word::Envi, _) => text::envi(environment),
        (Word::Isro, Some(status)) => text::isro(status.mode).to_owned(),
        (Word::Isro, None) => "null".to_owned(),
        (Word::Conf, Some(status)) => text::conf(&status.settings),
        (Word::Cons, Some(status)) => text::cons(&status.connections),
        (Word::Dirs, Some(status)) => text::dirs(&status.settings),
        (Word::Dump, Some(status)) => text::dump(&status.sessions),
        (Word::Mntr, Some(status)) => mntr::mntr(status),
        (Word::Srvr, Some(status)) => text::srvr(status),
        (Word::Stat, Some(status)) => text::stat(status),
        (word, None) if word.is_answered() => NOT_SERVING.to_owned(),
        (word, _) => refusal(word),
    }
}

/// The version as `srvr`, `mntr` and `envi` give it.
fn version_text() -> String {
    format!("{VERSION}, built on {BUILT_ON}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_words_agree() {
        for (index, (name, word)) in NAMES.into_iter().enumerate() {
            assert_eq!((word as usize, word.name()), (index, name));
            let bytes = name.as_bytes().try_into().expect("four letters");
            assert_eq!(Word::from_bytes(bytes), Some(word));
            // No word is a length that a frame may have.
            assert!(i32::from_be_bytes(bytes) > 1_600_000_000);
        }
        for bytes in [*b"RUOK", *b"ruo\n", [0; 4], [0xff, 0xf4, 0xff, 0xfd]] {
            assert_eq!(Word::from_bytes(bytes), None);
        }
    }

    #[test]
    fn a_refusal_is_apaches_sentence() {
        assert_eq!(refusal(Word::Ruok).len(), 57);
        let listed = answer(Word::Hash, &Environment::default(), None);
        assert_eq!(
            listed,
            "hash is not executed because it is not in the whitelist.\n"
        );
    }

    #[test]
    fn while_nothing_is_served() {
        for word in Word::answered() {
            let text = answer(word, &Environment::default(), None);
            match word {
                Word::Ruok => assert_eq!(text, "imok"),
                Word::Isro => assert_eq!(text, "null"),
                Word::Envi => assert!(text.starts_with("Environment:\n")),
                _ => assert_eq!(text, NOT_SERVING),
            }
        }
    }
}
