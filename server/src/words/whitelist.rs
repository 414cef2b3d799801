//! Which words are answered.

use std::collections::BTreeSet;

use super::Word;

/// The words that are answered; `srvr` always is, because `zkServer.sh status` asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whitelist(BTreeSet<Word>);

impl Whitelist {
    /// Reads the value of `4lw.commands.whitelist`: names between commas, `*` for all. Names that
    /// have no answer here are passed over, as Apache's server passes over those it does not know.
    pub fn parse(text: &str) -> Self {
        let mut list = Self::default();
        for name in text.split(',').map(str::trim) {
            if name == "*" {
                list.0.extend(Word::answered());
            } else if let Some(word) = Word::named(name) {
                list.allow(word);
            }
        }
        list
    }

    /// Adds a word.
    pub fn allow(&mut self, word: Word) {
        self.0.insert(word);
    }

    /// Whether the word is answered.
    pub fn allows(&self, word: Word) -> bool {
        self.0.contains(&word)
    }
}

impl Default for Whitelist {
    /// Only `srvr`.
    fn default() -> Self {
        Self(BTreeSet::from([Word::Srvr]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        assert_eq!(Whitelist::parse(""), Whitelist::default());
        let some = Whitelist::parse(" ruok , mntr,,nope,hash");
        assert!(some.allows(Word::Srvr) && some.allows(Word::Ruok) && some.allows(Word::Mntr));
        assert!(!some.allows(Word::Stat) && !some.allows(Word::Hash));
        let all = Whitelist::parse("ruok, *");
        assert!(Word::answered().all(|word| all.allows(word)));
        assert!(!all.allows(Word::Wchp));
    }
}
