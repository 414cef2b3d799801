//! Flat JSON objects: what recipes write into znodes that people and other libraries look at.
//!
//! Writing and reading them is a page, which is less than a dependency.

use std::fmt::Write as _;

/// Reads one flat object. `take` gets each member's name and has to take its value off; unknown
/// ones with [`Scanner::skip`]. `None` if it says so, or if `data` is no such object.
pub(crate) fn read(
    data: &[u8],
    mut take: impl FnMut(&str, &mut Scanner<'_>) -> Option<()>,
) -> Option<()> {
    let mut rest = Scanner(std::str::from_utf8(data).ok()?);
    rest.expect('{')?;
    loop {
        let name = rest.string()?;
        rest.expect(':')?;
        take(&name, &mut rest)?;
        match rest.next()? {
            ',' => continue,
            '}' => return rest.0.trim().is_empty().then_some(()),
            _ => return None,
        }
    }
}

pub(crate) fn put_string(value: &str, text: &mut String) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c < ' ' => {
                write!(text, "\\u{:04x}", u32::from(c)).expect("writing to a String cannot fail");
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

/// What is left to read; every step takes from the front and skips white space before it.
pub(crate) struct Scanner<'a>(&'a str);

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        self.0 = self.0.trim_start();
        self.raw()
    }

    fn raw(&mut self) -> Option<char> {
        let c = self.0.chars().next()?;
        self.0 = &self.0[c.len_utf8()..];
        Some(c)
    }

    fn expect(&mut self, want: char) -> Option<()> {
        (self.next()? == want).then_some(())
    }

    pub(crate) fn string(&mut self) -> Option<String> {
        self.expect('"')?;
        let mut value = String::new();
        loop {
            match self.raw()? {
                '"' => return Some(value),
                '\\' => value.push(self.escape()?),
                c => value.push(c),
            }
        }
    }

    /// Surrogate pairs are not put together: nothing here writes them.
    fn escape(&mut self) -> Option<char> {
        Some(match self.raw()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let digits = self.0.get(..4)?;
                self.0 = &self.0[4..];
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            c @ ('"' | '\\' | '/') => c,
            _ => return None,
        })
    }

    /// A number or a word: everything up to the end of the member.
    pub(crate) fn scalar(&mut self) -> Option<String> {
        let end = self.0.find([',', '}'])?;
        let (value, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(value.trim().to_owned())
    }

    /// A flat value of any kind, ignored; objects and lists are not read.
    pub(crate) fn skip(&mut self) -> Option<()> {
        self.0 = self.0.trim_start();
        match self.0.chars().next()? {
            '"' => self.string().map(drop),
            '{' | '[' => None,
            _ => self.scalar().map(drop),
        }
    }
}
