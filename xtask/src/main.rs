//! Chores of this repository, run as `cargo xtask COMMAND`.

#![forbid(unsafe_code)]

mod bench;
mod crash_loop;
mod deny;
mod header;
mod install_c;
mod interop;
mod python;
mod run;
mod server;
mod simulate;
mod source;
mod suites;
mod test_c;
mod tidy;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy       check crate directions, purity of the cores and bans on unsafe code
  deny       check dependencies by deny.toml; installs cargo-deny below target if need be
  test       run the tests of every language and count them
  header     make ffi/include/lockkeeper.h; with --verify only compare it
  install-c PREFIX
             install the C library: header, shared and static library, files for pkg-config
             and CMake; installs cargo-c below target if need be
  test-c     run the tests of the C library against our server, or against another one:
             apache-3.9, apache-3.8
  test-python  run those of the Python package only
  interop    run the tests that need Java and Python software, which is fetched first,
             but for --mixed; further words go to the test program, such as a part of a name; --recipes
             means those of recipes, and the recipes' own tests on Apache's server; --mixed
             means ensembles of servers of different makes, and prints what each one went through
  crash-loop [--restarts N] [--seed N]
             kill our server while it is written to, 200 times unless told otherwise, and
             look for every acknowledged write after each restart
  crash-loop --ensemble [--restarts N] [--seed N]
             the same with members of an ensemble, one, two or all three at a time
  simulate [--seeds N] [--from S]
             run whole systems in simulated worlds, 100 unless told otherwise, on all cores;
             --seed S shows one, --without KIND:N,... leaves faults out of it
  seeded-bugs [--seeds N]
             plant one bug after the other and say after how many simulated worlds it is caught
  bench      measure our server beside Apache's; --only get,set  --runs N  --seconds N
  bench --recipes
             measure our recipes beside Curator's and kazoo's; --server apache and the same
  bench --ensemble
             measure ensembles of three, Apache's and ours; --kills N  --server apache and the same
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["tidy"] => tidy::run(),
        ["deny"] => deny::run(),
        ["test"] => suites::run(),
        ["header"] => header::write(),
        ["header", "--verify"] => header::verify(),
        ["install-c", prefix] => install_c::run(prefix),
        ["test-c"] => test_c::run("ours"),
        ["test-c", peer] => test_c::run(peer),
        ["test-python"] => suites::run_python(),
        ["interop", "--recipes"] => interop::recipes(),
        ["interop", "--mixed"] => interop::run(&["mixed::", "--show-output"]),
        ["interop", ref filters @ ..] => interop::run(filters),
        ["crash-loop", ref flags @ ..] => crash_loop::run(flags),
        ["seeded-bugs", ref words @ ..] => simulate::seeded_bugs(words),
        ["simulate", ref words @ ..] => simulate::run(words),
        ["bench", ref options @ ..] => bench::run(options),
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
