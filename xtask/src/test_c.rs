//! `test-c`: the C face, compiled and run as its users do.
//!
//! The header must compile as C and C++ of several ages without a warning. Each program of
//! `ffi/tests` and the example run against a server started by `lockkeeper-peers`, linked to the
//! shared library and to the static one, and again under valgrind if that is installed. A test is
//! a line `test NAME ... ok` or `FAILED`, whoever prints it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::header;
use crate::interop::{self, SERVER_VARIABLE};
use crate::run::{self, Result, cargo, root, target_folder, watch};
use crate::suites::Tally;

const PROGRAMS: [&str; 4] = ["client", "lock", "fork", "pause"];

/// As the header promises, and as strict as compilers are.
const STRICT: [&str; 5] = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wpedantic"];

/// Compilers and what the header is compiled as; those that are not installed are left out.
const DIALECTS: [(&str, &str, &str); 8] = [
    ("gcc", "c", "-std=c99"),
    ("gcc", "c", "-std=c11"),
    ("g++", "c++", "-std=c++11"),
    ("g++", "c++", "-std=c++20"),
    ("clang", "c", "-std=c99"),
    ("clang", "c", "-std=c11"),
    ("clang++", "c++", "-std=c++11"),
    ("clang++", "c++", "-std=c++20"),
];

/// What the static library needs of the system; `rustc --print native-static-libs` lists it.
const STATIC_NEEDS: [&str; 6] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

const VALGRIND: [&str; 7] = [
    "valgrind",
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--show-leak-kinds=definite",
    "--errors-for-leak-kinds=definite",
    // A forked child ends without the threads that own the memory.
    "--child-silent-after-fork=yes",
];

/// Runs everything against ours, or against the server that is named as `lockkeeper-peers` does.
pub(crate) fn run(peer: &str) -> Result<()> {
    let tally = test(peer)?;
    println!("C: {} passed, {} failed", tally.passed, tally.failed);
    match tally.failed {
        0 => Ok(()),
        _ => Err("not every test passed".into()),
    }
}

/// The suite of `cargo xtask test`.
pub(crate) fn suite() -> Result<Tally> {
    test("ours")
}

/// The tests on a server of this make.
pub(crate) fn test(peer: &str) -> Result<Tally> {
    let libraries = build()?;
    let mut tally = Tally::default();
    report(&mut tally, "header is up to date", header::verify().is_ok());
    report(
        &mut tally,
        "every function is tested",
        untested()?.is_empty(),
    );
    for (compiler, language, standard) in DIALECTS {
        if is_installed(compiler) {
            let name = format!("header as {} by {compiler}", standard.replace("-std=", ""));
            report(
                &mut tally,
                &name,
                compile_header(compiler, language, standard)?,
            );
        }
    }
    let server = Server::start(peer)?;
    let valgrind = is_installed("valgrind");
    if !valgrind {
        println!("test-c: no valgrind, so nothing looks for leaks");
    }
    for link in [Link::Shared, Link::Static] {
        for program in PROGRAMS {
            let source = root().join(format!("ffi/tests/{program}.c"));
            let binary = compile(&libraries, link, program, &source)?;
            let arguments = [server.connect.as_str()];
            run_tests(&mut tally, link, program, &[], &binary, &arguments)?;
            if valgrind && link == Link::Shared {
                run_tests(&mut tally, link, program, &VALGRIND, &binary, &arguments)?;
            }
        }
        let binary = compile(
            &libraries,
            link,
            "example",
            &root().join("examples/c/lock.c"),
        )?;
        let arguments = ["--connect", server.connect.as_str()];
        run_example(&mut tally, link, &[], &binary, &arguments)?;
        if valgrind && link == Link::Shared {
            run_example(&mut tally, link, &VALGRIND, &binary, &arguments)?;
        }
    }
    Ok(tally)
}

/// Builds the library and the mutex peer, and returns the peer's path.
pub(crate) fn build_mutex_peer() -> Result<PathBuf> {
    let libraries = build()?;
    let source = root().join("ffi/tests/mutex_peer.c");
    compile(&libraries, Link::Shared, "mutex_peer", &source)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Shared,
    Static,
}

impl Link {
    fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Static => "static",
        }
    }
}

/// Builds the libraries and gives the shared one the name that programs look for; returns their
/// folder.
fn build() -> Result<PathBuf> {
    run::run(&mut cargo(&[
        "build",
        "--locked",
        "--package",
        "lockkeeper-ffi",
    ]))?;
    let built = target_folder().join("debug");
    let folder = target_folder().join("c");
    fs::create_dir_all(&folder)?;
    for (from, to) in [
        ("liblockkeeper.so", "liblockkeeper.so"),
        ("liblockkeeper.so", "liblockkeeper.so.0"),
        ("liblockkeeper.a", "liblockkeeper.a"),
    ] {
        fs::copy(built.join(from), folder.join(to))?;
    }
    Ok(folder)
}

/// Functions of the header that no test calls.
fn untested() -> Result<Vec<String>> {
    let mut tests = String::new();
    for program in PROGRAMS {
        tests += &fs::read_to_string(root().join(format!("ffi/tests/{program}.c")))?;
    }
    let header = fs::read_to_string(root().join("ffi/include/lockkeeper.h"))?;
    let mut untested = functions(&header);
    untested.retain(|name| !tests.contains(&format!("{name}(")));
    for name in &untested {
        println!("{name} is not tested");
    }
    Ok(untested)
}

/// Names that a header declares, one on a line of its own beginning or behind its type.
fn functions(header: &str) -> Vec<String> {
    let code = header
        .lines()
        .filter(|line| !line.starts_with([' ', '/', '#']));
    code.filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("lk_"))
        .map(str::to_owned)
        .collect()
}

fn compile(libraries: &Path, link: Link, name: &str, source: &Path) -> Result<PathBuf> {
    let binary = libraries.join(format!("{name}-{}", link.name()));
    let mut command = Command::new("cc");
    command.args(STRICT).args(["-g", "-o"]).arg(&binary);
    command.arg("-I").arg(root().join("ffi/include"));
    command.arg(source);
    match link {
        Link::Shared => command
            .arg(format!("-L{}", libraries.display()))
            .args(["-llockkeeper", "-lpthread"])
            .arg(format!("-Wl,-rpath,{}", libraries.display())),
        Link::Static => command
            .arg(libraries.join("liblockkeeper.a"))
            .args(STATIC_NEEDS),
    };
    run::run(&mut command)?;
    Ok(binary)
}

fn compile_header(compiler: &str, language: &str, standard: &str) -> Result<bool> {
    let mut command = Command::new(compiler);
    command
        .args([
            standard,
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wpedantic",
            "-fsyntax-only",
            "-x",
        ])
        .arg(language)
        .arg("-include")
        .arg(root().join("ffi/include/lockkeeper.h"))
        .arg("/dev/null");
    Ok(command.status()?.success())
}

fn report(tally: &mut Tally, name: &str, passed: bool) {
    println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
    count(tally, passed);
}

fn count(tally: &mut Tally, passed: bool) {
    if passed {
        tally.passed += 1;
    } else {
        tally.failed += 1;
    }
}

/// A program that prints a line for each of its tests.
fn run_tests(
    tally: &mut Tally,
    link: Link,
    name: &str,
    tool: &[&str],
    binary: &Path,
    arguments: &[&str],
) -> Result<()> {
    announce(link, name, tool);
    let mut failed = false;
    let mut command = under(tool, binary, arguments);
    let succeeded = watch(&mut command, |line| {
        if let Some(passed) = parse(line) {
            failed |= !passed;
            count(tally, passed);
        }
    })?;
    if tool.is_empty() {
        tally.broken |= !succeeded && !failed;
    } else {
        report(
            tally,
            &format!("{name} without memory errors and leaks"),
            succeeded,
        );
    }
    Ok(())
}

/// A program whose exit status is the test.
fn run_example(
    tally: &mut Tally,
    link: Link,
    tool: &[&str],
    binary: &Path,
    arguments: &[&str],
) -> Result<()> {
    announce(link, "examples/c/lock.c", tool);
    let succeeded = watch(&mut under(tool, binary, arguments), |_| {})?;
    report(tally, "example", succeeded);
    Ok(())
}

fn announce(link: Link, name: &str, tool: &[&str]) {
    let tool = tool.first().map(|tool| format!(", {tool}"));
    println!("\nC: {name}, {}{}", link.name(), tool.unwrap_or_default());
}

fn under(tool: &[&str], binary: &Path, arguments: &[&str]) -> Command {
    let mut command = match tool.split_first() {
        Some((program, options)) => {
            let mut command = Command::new(program);
            command.args(options).arg(binary);
            command
        }
        None => Command::new(binary),
    };
    command.args(arguments);
    command
}

/// Whether a line says that a test passed or failed; it may say neither.
fn parse(line: &str) -> Option<bool> {
    let (_, verdict) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    match verdict {
        "ok" => Some(true),
        "FAILED" => Some(false),
        _ => None,
    }
}

fn is_installed(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A server of `lockkeeper-peers`, which stops it when its input ends: at the latest with this
/// process.
struct Server {
    connect: String,
    process: Child,
}

impl Server {
    fn start(peer: &str) -> Result<Self> {
        let words = [
            "run",
            "--locked",
            "--quiet",
            "--package",
            "lockkeeper-e2e",
            "--",
            "serve",
        ];
        let mut command = cargo(&words);
        command
            .arg(peer)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if std::env::var_os(SERVER_VARIABLE).is_none()
            && let Some(binary) = interop::build_server()?
        {
            command.env(SERVER_VARIABLE, binary);
        }
        let mut process = command.spawn()?;
        let output = process.stdout.take().expect("standard output was piped");
        let mut connect = String::new();
        BufReader::new(output).read_line(&mut connect)?;
        let connect = connect.trim().to_owned();
        let server = Self { connect, process };
        match server.connect.is_empty() {
            true => Err(format!("the server {peer} does not start").into()),
            false => Ok(server),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // Nothing is left to be done if it cannot be waited for.
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_in_a_header() {
        let header = "/**\n * See lk_a(x).\n */\nlk_status_t lk_b(int x,\n                 int y);\n\
                      const struct lk_c_t *lk_d(void);\ntypedef void (*lk_e_fn)(void *user);\n";
        assert_eq!(functions(header), ["lk_b", "lk_d"]);
    }

    #[test]
    fn lines_of_tests_are_counted() {
        assert_eq!(parse("test a_b ... ok"), Some(true));
        assert_eq!(parse("test header as c99 ... FAILED"), Some(false));
        assert_eq!(parse("test a_b ... "), None);
        assert_eq!(parse("tested"), None);
    }
}
