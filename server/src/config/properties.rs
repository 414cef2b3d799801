//! Java's properties format, as `java.util.Properties.load` reads it.
//!
//! Bytes are Latin-1, as they are to Apache's server: a file in UTF-8 must spell other letters as
//! `\uXXXX` to be understood by both. Unlike Java's table, the result keeps order, repeated keys
//! and line numbers, since messages to the operator need them.

/// One `key=value`, trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Property {
    /// Number of the first line it stands on, from 1.
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) value: String,
}

/// An escape `\uXXXX` without four hexadecimal digits; the only way a file can be malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadEscape {
    pub(super) line: usize,
}

/// Reads a whole file.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Property>, BadEscape> {
    let mut properties = Vec::new();
    let mut lines = natural_lines(bytes).enumerate();
    while let Some((index, first)) = lines.next() {
        let line = index + 1;
        let first = trim_start(first);
        if first.is_empty() || matches!(first[0], b'#' | b'!') {
            continue;
        }
        let mut logical = first.to_vec();
        while ends_in_backslash(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.extend_from_slice(trim_start(next));
        }
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

/// Lines end with `\n`, `\r` or both together.
fn natural_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let Some(end) = bytes.iter().position(|b| matches!(b, b'\n' | b'\r')) else {
            rest = None;
            return Some(bytes);
        };
        let len = if bytes[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = Some(&bytes[end + len..]);
        Some(&bytes[..end])
    })
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0c')
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let start = bytes
        .iter()
        .position(|&b| !is_blank(b))
        .unwrap_or(bytes.len());
    &bytes[start..]
}

/// Whether the line goes on: an even number of backslashes are escaped backslashes.
fn ends_in_backslash(bytes: &[u8]) -> bool {
    bytes.iter().rev().take_while(|&&b| b == b'\\').count() % 2 == 1
}

/// Cuts at the first `=`, `:` or blank that is not escaped; blanks may surround the separator.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let mut end = 0;
    while end < line.len() && !is_blank(line[end]) && !matches!(line[end], b'=' | b':') {
        end += if line[end] == b'\\' { 2 } else { 1 };
    }
    let end = end.min(line.len());
    let mut value = trim_start(&line[end..]);
    if let [b'=' | b':', rest @ ..] = value {
        value = trim_start(rest);
    }
    (&line[..end], value)
}

/// Resolves escapes; none if a `\u` is cut short.
fn unescape(bytes: &[u8]) -> Option<String> {
    // UTF-16 in between, because a pair of escapes may spell one character.
    let mut units: Vec<u16> = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            units.push(byte.into());
            continue;
        }
        let Some((&escaped, tail)) = rest.split_first() else {
            break;
        };
        rest = tail;
        units.push(match escaped {
            b't' => 0x09,
            b'n' => 0x0a,
            b'f' => 0x0c,
            b'r' => 0x0d,
            b'u' => {
                let (digits, tail) = rest.split_at_checked(4)?;
                rest = tail;
                hex(digits)?
            }
            other => other.into(),
        });
    }
    Some(String::from_utf16_lossy(&units))
}

fn hex(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0, |number, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(number << 4 | digit as u16)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        let properties = parse(text.as_bytes()).expect("well formed");
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
    fn bytes_are_latin_1() {
        let properties = parse(b"a=\xe9").expect("well formed");
        assert_eq!(properties[0].value, "é");
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
            assert_eq!(
                parse(text.as_bytes()),
                Err(BadEscape { line: 2 }),
                "{text:?}"
            );
        }
    }
}
