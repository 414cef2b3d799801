//! Java's properties format, as `java.util.Properties.load` reads it.
//!
//! Configuration files and the text of a membership have it. Unlike Java's table, the result keeps
//! order, repeated keys and line numbers, since messages to the operator need them.

/// One `key=value`, trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Number of the first line it stands on, from 1.
    pub line: usize,
    /// What is before the separator.
    pub key: String,
    /// What is behind it.
    pub value: String,
}

/// An escape `\uXXXX` without four hexadecimal digits; the only way a text can be malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadEscape {
    /// Number of the line, from 1.
    pub line: usize,
}

/// Reads a whole text.
pub fn parse(text: &str) -> Result<Vec<Property>, BadEscape> {
    let mut properties = Vec::new();
    let mut lines = natural_lines(text).enumerate();
    while let Some((index, first)) = lines.next() {
        let line = index + 1;
        let first = first.trim_start_matches(BLANKS);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = String::new();
        let mut piece = first;
        while ends_in_backslash(piece) {
            logical.push_str(&piece[..piece.len() - 1]);
            piece = match lines.next() {
                Some((_, next)) => next.trim_start_matches(BLANKS),
                None => "",
            };
        }
        logical.push_str(piece);
        let (key, value) = split(&logical);
        let key = unescape(key).ok_or(BadEscape { line })?;
        let value = unescape(value).ok_or(BadEscape { line })?;
        properties.push(Property {
            line,
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
        });
    }
    Ok(properties)
}

const BLANKS: [char; 3] = [' ', '\t', '\x0c'];

/// Lines end with `\n`, `\r` or both together.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let (line, behind) = text.split_at(end);
        rest = Some(behind.strip_prefix("\r\n").unwrap_or(&behind[1..]));
        Some(line)
    })
}

/// Whether the line goes on: an even number of backslashes are escaped backslashes.
fn ends_in_backslash(text: &str) -> bool {
    text.chars().rev().take_while(|&c| c == '\\').count() % 2 == 1
}

/// Cuts at the first `=`, `:` or blank that is not escaped; blanks may surround the separator.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c| {
        let ends = !escaped && (BLANKS.contains(&c) || matches!(c, '=' | ':'));
        escaped = !escaped && c == '\\';
        ends
    });
    let (key, value) = line.split_at(end.unwrap_or(line.len()));
    let value = value.trim_start_matches(BLANKS);
    let value = match value.strip_prefix(['=', ':']) {
        Some(value) => value.trim_start_matches(BLANKS),
        None => value,
    };
    (key, value)
}

/// Resolves escapes; none if a `\u` is cut short.
fn unescape(text: &str) -> Option<String> {
    // UTF-16 in between, because a pair of escapes may spell one character.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let resolved = match c {
            '\\' => match rest.next() {
                None => break,
                Some('t') => '\t',
                Some('n') => '\n',
                Some('f') => '\x0c',
                Some('r') => '\r',
                Some('u') => {
                    let (digits, behind) = rest.as_str().split_at_checked(4)?;
                    units.push(hex(digits)?);
                    rest = behind.chars();
                    continue;
                }
                Some(other) => other,
            },
            c => c,
        };
        units.extend_from_slice(resolved.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}

fn hex(digits: &str) -> Option<u16> {
    digits.chars().try_fold(0, |number, digit| {
        let digit = digit.to_digit(16)?;
        Some(number << 4 | digit as u16)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        let properties = parse(text).expect("well formed");
        properties
            .into_iter()
            .map(|p| (p.line, p.key, p.value))
            .collect()
    }

    #[test]
    fn reads_what_java_reads() {
        let cases = [
            ("a=b", "a", "b"),
            ("a:b", "a", "b"),
            ("a b", "a", "b"),
            ("  a \t = \t b  ", "a", "b"),
            ("a", "a", ""),
            ("a=", "a", ""),
            ("a==b", "a", "=b"),
            ("a=b=c:d", "a", "b=c:d"),
            ("a = : b", "a", ": b"),
            (r"a\=b=c", "a=b", "c"),
            (r"a\ b c", "a b", "c"),
            (r"a=C:\\data", "a", r"C:\data"),
            (r"a=C:\data", "a", "C:data"),
            (r"a=x\ty\qz", "a", "x\tyqz"),
            (r"a=\u00e9\u20ac", "a", "é€"),
            (r"a=\ud83d\ude00", "a", "😀"),
            ("a=one\\\n   two", "a", "onetwo"),
            ("a=one\\\r\n\ttwo", "a", "onetwo"),
            ("a=one\\\\\nb", "a", "one\\"),
            ("a=one\\\\\\\n\\\\\\\n two", "a", "one\\\\two"),
            ("a=one\\\n# two", "a", "one# two"),
            ("a=b\\", "a", "b"),
            ("a=b # c", "a", "b # c"),
        ];
        for (text, key, value) in cases {
            let first = pairs(text).swap_remove(0);
            assert_eq!(first, (1, key.to_owned(), value.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn comments_and_blank_lines_count_as_lines() {
        let text = "# one\\\n! two\n\n \t\na=1\r\n\rb=2\rc=\\\n  3\nd=4";
        let lines: Vec<_> = pairs(text)
            .into_iter()
            .map(|(line, key, _)| (line, key))
            .collect();
        let expected = [(5, "a"), (7, "b"), (8, "c"), (10, "d")];
        assert_eq!(lines, expected.map(|(line, key)| (line, key.to_owned())));
    }

    #[test]
    fn a_short_unicode_escape_names_its_line() {
        for text in ["\na=\\u12", "\na=\\u12g4", "\n\\u=1", "\na=\\u00-1"] {
            assert_eq!(parse(text), Err(BadEscape { line: 2 }), "{text:?}");
        }
    }
}
