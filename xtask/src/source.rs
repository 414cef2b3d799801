//! Rust source as a list of names, enough to see what a file refers to.
//!
//! Not a parser: comments and literals are taken out, what is left is split into words and signs,
//! `use` trees are spread out, and every path `a::b::c` is reported with its line. Modules marked
//! `#[cfg(test)]` are left out, because tests may do what a core may not.

/// A path of two or more parts, or the single word behind `use`, with the line it starts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// Parts joined by `::`, without a leading `::`.
    pub(crate) path: String,
    /// Counts from 1.
    pub(crate) line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

/// Every path in the code of a file.
pub(crate) fn names(text: &str) -> Vec<Name> {
    let tokens = without_tests(tokens(text));
    let mut names = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        // `use<'a>` behind a type says what it captures and imports nothing.
        if token.text == "use" && tokens.get(at + 1).is_none_or(|next| next.text != "<") {
            at = use_tree(&tokens, at + 1, "", &mut names);
        } else if is_word(&token.text) {
            let (path, next) = plain_path(&tokens, at);
            if path.contains("::") {
                names.push(Name {
                    path,
                    line: token.line,
                });
            }
            at = next;
        } else {
            at += 1;
        }
    }
    names
}

/// Reads one branch of a `use` tree below `prefix`; returns the place behind it.
fn use_tree(tokens: &[Token], mut at: usize, prefix: &str, names: &mut Vec<Name>) -> usize {
    let mut path = prefix.to_owned();
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = use_tree(tokens, at, &path, names);
                    if tokens.get(at).is_some_and(|token| token.text == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            // The new name says nothing about where the thing comes from.
            "as" => at += 2,
            word if is_word(word) || word == "*" => {
                if !path.is_empty() {
                    path.push_str("::");
                }
                path.push_str(word);
                at += 1;
            }
            "," | ";" | "}" => break,
            _ => at += 1,
        }
    }
    names.push(Name { path, line });
    at
}

/// Reads `a::b::c` from its first word on; returns it with the place behind it.
fn plain_path(tokens: &[Token], mut at: usize) -> (String, usize) {
    let mut path = tokens[at].text.clone();
    at += 1;
    while let [separator, word, ..] = &tokens[at..] {
        if separator.text != "::" || !is_word(&word.text) {
            break;
        }
        path.push_str("::");
        path.push_str(&word.text);
        at += 2;
    }
    (path, at)
}

/// Takes out modules marked `#[cfg(test)]`, each up to its closing brace.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    const MARK: [&str; 8] = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    let mut kept = Vec::new();
    let mut left = tokens.as_slice();
    while let [first, rest @ ..] = left {
        if left.len() >= MARK.len()
            && left
                .iter()
                .zip(MARK)
                .all(|(token, mark)| token.text == mark)
        {
            left = &left[item_len(left)..];
        } else {
            kept.push(first.clone());
            left = rest;
        }
    }
    kept
}

/// Tokens up to the semicolon or the closing brace that ends the first item.
fn item_len(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            ";" => {}
            _ => continue,
        }
        if depth == 0 {
            return i + 1;
        }
    }
    tokens.len()
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let rest = &chars[at..];
        let len = match rest {
            ['/', '/', ..] => rest.iter().take_while(|&&c| c != '\n').count(),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] | ['b', '"', ..] | ['c', '"', ..] => string(rest),
            ['r', '"' | '#', ..] | ['b', 'r', '"' | '#', ..] => raw_string(rest),
            ['\'', ..] => quote(rest),
            [':', ':', ..] => {
                tokens.push(Token {
                    text: "::".to_owned(),
                    line,
                });
                2
            }
            [c, ..] if c.is_alphanumeric() || *c == '_' => {
                let word: String = rest
                    .iter()
                    .take_while(|c| c.is_alphanumeric() || **c == '_')
                    .collect();
                let len = word.chars().count();
                tokens.push(Token { text: word, line });
                len
            }
            [c, ..] => {
                if !c.is_whitespace() {
                    tokens.push(Token {
                        text: c.to_string(),
                        line,
                    });
                }
                1
            }
            [] => 0,
        };
        line += rest[..len.min(rest.len())]
            .iter()
            .filter(|&&c| c == '\n')
            .count();
        at += len.max(1);
    }
    tokens
}

fn block_comment(rest: &[char]) -> usize {
    let (mut at, mut depth) = (2, 1);
    while at < rest.len() && depth > 0 {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = rest
        .iter()
        .position(|&c| c == '"')
        .map_or(1, |quote| quote + 1);
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw_string(rest: &[char]) -> usize {
    let start = rest.iter().take_while(|&&c| c == 'b' || c == 'r').count();
    let hashes = rest[start..].iter().take_while(|&&c| c == '#').count();
    if rest.get(start + hashes) != Some(&'"') {
        // A raw identifier: the word behind the sign comes next.
        return start + hashes;
    }
    let mut at = start + hashes + 1;
    while at < rest.len() {
        let closes = rest[at] == '"'
            && rest[at + 1..].len() >= hashes
            && rest[at + 1..at + 1 + hashes].iter().all(|&c| c == '#');
        if closes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    at
}

/// A character literal, or just the sign in front of a lifetime.
fn quote(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', _, tail @ ..] => {
            3 + tail
                .iter()
                .position(|&c| c == '\'')
                .map_or(0, |end| end + 1)
        }
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        names(text).into_iter().map(|name| name.path).collect()
    }

    #[test]
    fn use_trees_are_spread_out() {
        let text = "use std::{fs, io::{self, Read as _}, net::*};\nuse bytes::Bytes;";
        let expected = [
            "std::fs",
            "std::io::self",
            "std::io::Read",
            "std::net::*",
            "bytes::Bytes",
        ];
        assert_eq!(paths(text), expected);
    }

    #[test]
    fn a_precise_capture_is_no_import() {
        let text = "fn f(&self) -> impl Fn() + use<Self> { { a::b() } }\nuse c::d;";
        assert_eq!(paths(text), ["a::b", "c::d"]);
    }

    #[test]
    fn paths_in_code_are_found_and_text_is_not() {
        let text = r##"
            // std::net::TcpStream
            /* std::fs /* nested */ std::fs */
            let a = "std::fs::File"; let b = r#"std::fs "quoted" "#; let c = '"'; let d: &'a str;
            let now = std::time::Instant::now();
        "##;
        assert_eq!(paths(text), ["std::time::Instant::now"]);
        assert_eq!(names(text)[0].line, 5);
    }

    #[test]
    fn tests_are_left_out() {
        let text = "use a::b;\n#[cfg(test)]\nmod tests { fn f() { c::d(); } }\nuse e::f;";
        assert_eq!(paths(text), ["a::b", "e::f"]);
        assert_eq!(paths("#[cfg(test)] mod tests; use a::b;"), ["a::b"]);
    }
}
