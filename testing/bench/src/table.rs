//! Medians, and rows of Markdown.

use std::fmt::Display;
use std::time::Duration;

/// The middle of some measurements, by whatever is compared; of an even number the lower middle.
pub(crate) fn median<T: Clone>(samples: &[T], by: impl Fn(&T) -> f64) -> T {
    let mut sorted = samples.to_vec();
    sorted.sort_by(|a, b| by(a).total_cmp(&by(b)));
    sorted[(sorted.len() - 1) / 2].clone()
}

/// The time that so many in a hundred keep within, of times in ascending order.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    sorted.get(sorted.len() * percent / 100).copied()
}

/// What has to be true of a row for its goal to be met.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// None: the row is there to be read.
    Open,
    /// At least so many times the first other's.
    Times(f64),
    /// At most this part of the first other's.
    Part(f64),
    /// At most so much.
    Most(f64),
}

/// One comparison.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) unit: &'static str,
    /// In the order of the columns; not a number if there is none.
    pub(crate) others: Vec<f64>,
    pub(crate) ours: f64,
    pub(crate) goal: Goal,
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let ratios = self.others.iter().map(|other| self.ours / other);
        let ratio = ratios.clone().next().unwrap_or(f64::NAN);
        let (goal, met) = match self.goal {
            Goal::Open => (String::new(), None),
            Goal::Times(times) => (format!("at least {times}x"), Some(ratio >= times)),
            Goal::Part(part) => (format!("at most {part:.2}x"), Some(ratio <= part)),
            Goal::Most(most) => (
                format!("at most {most} {}", self.unit),
                Some(self.ours <= most),
            ),
        };
        let verdict = match met.filter(|_| !self.ours.is_nan()) {
            None => "",
            Some(true) => ": met",
            Some(false) => ": **missed**",
        };
        let mut cells = vec![format!("{}, {}", self.work, self.unit)];
        cells.extend(self.others.iter().copied().map(number));
        cells.push(number(self.ours));
        cells.extend(ratios.map(|ratio| match ratio.is_nan() {
            true => "-".to_owned(),
            false => format!("{ratio:.2}"),
        }));
        cells.push(goal + verdict);
        cells
    }
}

/// Three digits that count, and thousands apart.
pub(crate) fn number(value: f64) -> String {
    match value {
        _ if value.is_nan() => "-".to_owned(),
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => thousands(value.round() as u64),
    }
}

fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints a comparison of ours with the others.
pub(crate) fn print(others: &[&str], rows: &[Row]) {
    let mut heads = vec!["work".to_owned()];
    heads.extend(others.iter().map(|&other| other.to_owned()));
    heads.push("ours".to_owned());
    heads.extend(others.iter().map(|other| format!("ours / {other}")));
    let mut rules = vec!["---:"; heads.len()];
    rules[0] = "---";
    heads.push("goal".to_owned());
    rules.push("---");
    line(heads);
    line(rules);
    for row in rows {
        line(row.cells());
    }
}

/// Prints one row of any table.
pub(crate) fn line<T: Display>(cells: impl IntoIterator<Item = T>) {
    let cells: Vec<String> = cells.into_iter().map(|cell| cell.to_string()).collect();
    println!("| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_judged() {
        let row = |ours, goal| Row {
            work: "work".to_owned(),
            unit: "us",
            others: vec![100.0, f64::NAN],
            ours,
            goal,
        };
        assert!(row(800.0, Goal::Times(8.0)).cells()[6].ends_with(": met"));
        assert!(row(799.0, Goal::Times(8.0)).cells()[6].ends_with("missed**"));
        assert!(row(50.0, Goal::Part(0.5)).cells()[6].ends_with(": met"));
        assert!(row(46.0, Goal::Most(45.0)).cells()[6].ends_with("missed**"));
        assert!(row(f64::NAN, Goal::Most(45.0)).cells()[6].ends_with("us"));
        let row = row(1.0, Goal::Open).cells();
        assert_eq!(row[1..], ["100", "-", "1.00", "0.01", "-", ""]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(1.234), "1.23");
        assert_eq!(median(&[3.0, 1.0, 2.0], |&sample| sample), 2.0);
    }
}
