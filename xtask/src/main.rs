//! Chores of this repository, run as `cargo xtask COMMAND`.

#![forbid(unsafe_code)]

mod deny;
mod interop;
mod python;
mod run;
mod source;
mod suites;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy       check crate directions, purity of the cores and bans on unsafe code
  deny       check dependencies by deny.toml; installs cargo-deny below target if need be
  test       run the tests of every language and count them
  test-python  run those of the Python package only
  interop    run the tests that need Java and Python software, which is fetched first;
             further words go to the test program, such as a part of a name
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["tidy"] => tidy::run(),
        ["deny"] => deny::run(),
        ["test"] => suites::run(),
        ["test-python"] => suites::run_python(),
        ["interop", ref filters @ ..] => interop::run(filters),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
