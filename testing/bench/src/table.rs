//! Medians, and rows of Markdown.

use std::fmt::Display;

/// The middle of some measurements, by whatever is compared; of an even number the lower middle.
pub(crate) fn median<T: Clone>(samples: &[T], by: impl Fn(&T) -> f64) -> T {
    let mut sorted = samples.to_vec();
    sorted.sort_by(|a, b| by(a).total_cmp(&by(b)));
    sorted[(sorted.len() - 1) / 2].clone()
}

/// What has to be true of a row for its goal to be met.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// None: the row is there to be read.
    Open,
    /// At least so many times Apache's.
    Times(f64),
    /// At most this part of Apache's.
    Part(f64),
    /// At most so much.
    Most(f64),
}

/// One comparison.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) unit: &'static str,
    pub(crate) apache: f64,
    pub(crate) ours: f64,
    pub(crate) goal: Goal,
}

impl Row {
    fn cells(&self) -> [String; 5] {
        let ratio = self.ours / self.apache;
        let (goal, met) = match self.goal {
            Goal::Open => (String::new(), None),
            Goal::Times(times) => (format!("at least {times}x"), Some(ratio >= times)),
            Goal::Part(part) => (format!("at most {part}x"), Some(ratio <= part)),
            Goal::Most(most) => (
                format!("at most {most} {}", self.unit),
                Some(self.ours <= most),
            ),
        };
        let verdict = match met {
            None => "",
            Some(true) => ": met",
            Some(false) => ": **missed**",
        };
        [
            format!("{}, {}", self.work, self.unit),
            number(self.apache),
            number(self.ours),
            format!("{ratio:.2}"),
            goal + verdict,
        ]
    }
}

/// Three digits that count, and thousands apart.
pub(crate) fn number(value: f64) -> String {
    match value {
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

/// Prints the comparison.
pub(crate) fn print(rows: &[Row]) {
    line(["work", "Apache", "ours", "ratio", "goal"]);
    line(["---", "---:", "---:", "---:", "---"]);
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
            apache: 100.0,
            ours,
            goal,
        };
        assert!(row(800.0, Goal::Times(8.0)).cells()[4].ends_with(": met"));
        assert!(row(799.0, Goal::Times(8.0)).cells()[4].ends_with("missed**"));
        assert!(row(50.0, Goal::Part(0.5)).cells()[4].ends_with(": met"));
        assert!(row(46.0, Goal::Most(45.0)).cells()[4].ends_with("missed**"));
        assert_eq!(row(1.0, Goal::Open).cells()[4], "");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(1.234), "1.23");
        assert_eq!(median(&[3.0, 1.0, 2.0], |&sample| sample), 2.0);
    }
}
