//! What is installed against what the header says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::is_installed;
use super::prefix::Prefix;
use super::programs::{Program, report};
use crate::header;
use crate::run::{self, Result};
use crate::suites::Tally;

/// Compilers and what the header is compiled as.
const DIALECTS: [(&str, &str, &[&str]); 4] = [
    ("gcc", "c", &["c99", "c11"]),
    ("g++", "c++", &["c++11", "c++20"]),
    ("clang", "c", &["c99", "c11"]),
    ("clang++", "c++", &["c++11", "c++20"]),
];

/// The name that programs look for at run time; the number is `LK_ABI_VERSION`.
const SONAME: &str = "liblockkeeper.so.0";

/// Tests the surface; the programs are all tests, linked to the shared library.
pub(super) fn test(prefix: &Prefix, programs: &[Program], tally: &mut Tally) -> Result<()> {
    report(tally, "header is up to date", header::verify().is_ok());
    for (compiler, language, standards) in DIALECTS {
        if !is_installed(compiler) {
            println!("test-c: no {compiler}, so the header is not compiled by it");
            continue;
        }
        for standard in standards {
            let passed = compile_header(&prefix.header(), compiler, language, standard)?;
            report(
                tally,
                &format!("header as {standard} by {compiler}"),
                passed,
            );
        }
    }
    let library = prefix.library("liblockkeeper.so");
    let promised = functions(&fs::read_to_string(prefix.header())?);
    let exported = symbols(&library, "--defined-only")?;
    let mut called = BTreeSet::new();
    for program in programs.iter().filter(|program| !program.is_example) {
        called.extend(symbols(&program.binary, "--undefined-only")?);
    }
    let exports_them = is_same("exported", &promised, &exported);
    report(
        tally,
        "library exports the header's functions and no others",
        exports_them,
    );
    called.retain(|name| name.starts_with("lk_"));
    report(
        tally,
        "tests call every function",
        is_same("called", &promised, &called),
    );
    let dynamic = run::output(Command::new("readelf").arg("--dynamic").arg(&library))?;
    let is_named = dynamic.contains(&format!("soname: [{SONAME}]"));
    report(tally, &format!("shared library is {SONAME}"), is_named);
    Ok(())
}

fn compile_header(header: &Path, compiler: &str, language: &str, standard: &str) -> Result<bool> {
    let mut command = Command::new(compiler);
    command
        .arg(format!("-std={standard}"))
        .args(["-Wall", "-Wextra", "-Werror", "-Wpedantic", "-fsyntax-only"])
        .args(["-x", language, "-include"])
        .arg(header)
        .arg("/dev/null");
    Ok(command.status()?.success())
}

/// Names in a file's table of dynamic symbols.
fn symbols(file: &Path, which: &str) -> Result<BTreeSet<String>> {
    let mut command = Command::new("nm");
    command
        .args(["--dynamic", "--format=just-symbols", which])
        .arg(file);
    let names = run::output(&mut command)?;
    Ok(names.lines().map(str::to_owned).collect())
}

/// Names that a header declares, one on a line of its own beginning or behind its type.
fn functions(header: &str) -> BTreeSet<String> {
    let code = header
        .lines()
        .filter(|line| !line.starts_with([' ', '/', '#']) && !line.starts_with("static "));
    code.filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("lk_"))
        .map(str::to_owned)
        .collect()
}

fn is_same(how: &str, promised: &BTreeSet<String>, found: &BTreeSet<String>) -> bool {
    for name in promised.difference(found) {
        println!("{name} is in the header, but not {how}");
    }
    for name in found.difference(promised) {
        println!("{name} is {how}, but not in the header");
    }
    promised == found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_in_a_header() {
        let header = "/**\n * See lk_a(x).\n */\nlk_status_t lk_b(int x,\n                 int y);\n\
                      const struct lk_c_t *lk_d(void);\ntypedef void (*lk_e_fn)(void *user);\n\
                      static inline int lk_f(void) {\n";
        assert_eq!(functions(header), ["lk_b", "lk_d"].map(String::from).into());
    }

    #[test]
    fn a_function_too_many_or_too_few_is_found() {
        let [a, b] = ["lk_a", "lk_b"].map(|name| BTreeSet::from([name.to_owned()]));
        assert!(is_same("called", &a, &a));
        assert!(!is_same("called", &a, &b));
        assert!(!is_same("called", &a, &BTreeSet::new()));
        assert!(!is_same("called", &BTreeSet::new(), &b));
    }
}
