//! Each promise of `docs/guarantees.md` names the tests that hold it; this sees that they exist.

use std::collections::BTreeSet;

use super::Complaint;

/// Where the promises stand.
pub(super) const PAGE: &str = "docs/guarantees.md";

/// The tests that the last cell of each row names, with their lines.
fn named(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let cells = (1..).zip(page.lines()).filter_map(|(line, row)| {
        let row = row.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some((line, row.rsplit('|').next()?))
    });
    cells.flat_map(|(line, cell)| {
        let words = cell.split('`').skip(1).step_by(2);
        words.map(move |word| (line, word))
    })
}

/// The functions of a source file that take no argument, as tests do.
pub(super) fn functions(source: &str) -> impl Iterator<Item = &str> {
    let parts = source.split("fn ").skip(1);
    parts.filter_map(|part| Some(part.split_once("()")?.0))
}

pub(super) fn check(page: &str, functions: &BTreeSet<String>, complaints: &mut Vec<Complaint>) {
    let mut count = 0;
    for (line, name) in named(page) {
        count += 1;
        if !functions.contains(name) {
            complaints.push(Complaint::new(
                format!("{PAGE}:{line}"),
                format!("there is no test {name}"),
            ));
        }
    }
    if count == 0 {
        complaints.push(Complaint::new(PAGE, "no row names a test"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "Words `not_a_test`.\n\n| promise | tests |\n|---|---|\n| `sync` waits | `a_b`, `c_d` |\n";

    fn complaints(source: &str) -> Vec<String> {
        let functions = functions(source).map(str::to_owned).collect();
        let mut complaints = Vec::new();
        check(PAGE, &functions, &mut complaints);
        complaints.into_iter().map(|it| it.to_string()).collect()
    }

    #[test]
    fn a_test_that_is_named_must_exist() {
        let both = "#[test]\nfn a_b() {\n}\n    async fn c_d() -> Result<()> {";
        assert_eq!(complaints(both), [""; 0]);
        assert_eq!(
            complaints("fn a_b() {}\nfn c_d(with: u8) {}"),
            ["docs/guarantees.md:5: there is no test c_d"]
        );
    }

    #[test]
    fn a_page_that_names_none_is_no_page() {
        let mut complaints = Vec::new();
        check("| promise | tests |", &BTreeSet::new(), &mut complaints);
        assert_eq!(complaints.len(), 1);
    }
}
