//! Four-letter words: one word out, text back until the server closes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// Sends `word` and returns the whole answer.
///
/// A server that knows the word but has it off its whitelist says so in the answer; one that does
/// not know it closes without a byte, which gives an empty string.
pub fn ask(server: SocketAddr, word: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(word.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The value of a `Key: value` line, as in `srvr` and `stat`.
pub fn value<'a>(answer: &'a str, key: &str) -> Option<&'a str> {
    answer
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(str::trim)
}

/// The number behind a tab-separated key, as in `mntr`.
pub fn metric(answer: &str, key: &str) -> Option<f64> {
    answer
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('\t')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_their_whole_key() {
        let answer = "Zxid: 0x2\nMode: leader\nNode count: 5\n";
        assert_eq!(value(answer, "Mode"), Some("leader"));
        assert_eq!(value(answer, "Node"), None);
        assert_eq!(
            metric("zk_watch_count\t3\nzk_avg_latency\t0.5\n", "zk_avg_latency"),
            Some(0.5)
        );
    }
}
