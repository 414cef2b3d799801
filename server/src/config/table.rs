//! The settings of one start by name, with readers that speak Java's dialects of values.
//!
//! What is read into [`super::Config`] is asked for by name. [`Table::judge`] deals with all the
//! rest: it is refused, warned about or passed over as [`keys`] says.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use lockkeeper_zab::properties::{self, Property};

use super::keys::{self, Rule};
use super::report::{ConfigError, Origin, Setting, Warning, WarningKind};

/// Settings by bare name.
pub(super) struct Table {
    settings: BTreeMap<String, Setting>,
    warnings: Vec<Warning>,
    /// Where a missing setting is missing.
    whole: Origin,
}

impl Table {
    pub(super) fn new(whole: Origin, settings: Vec<Setting>) -> Result<Self, ConfigError> {
        let mut table = Self {
            settings: BTreeMap::new(),
            warnings: Vec::new(),
            whole,
        };
        for setting in settings {
            table.add(setting)?;
        }
        Ok(table)
    }

    fn add(&mut self, setting: Setting) -> Result<(), ConfigError> {
        let name = keys::bare(&setting.key).to_owned();
        if keys::find(&name).is_none() {
            let text = match keys::nearest(&name) {
                Some(known) => format!("there is no such setting; {known} has a similar name"),
                None => "there is no such setting".to_owned(),
            };
            self.push(shown(&setting), WarningKind::Unknown, text);
            return Ok(());
        }
        let Some(first) = self.settings.insert(name.clone(), setting) else {
            return Ok(());
        };
        if name.starts_with("server.") {
            let need =
                format!("{first} is the same server; give each one line and a number of its own");
            return Err(self.invalid(&name, need));
        }
        let text = "is set again further down, which counts";
        self.push(shown(&first), WarningKind::Ignored, text);
        Ok(())
    }

    /// Deals with every setting that is not read: it is refused, warned about or passed over.
    pub(super) fn judge(&mut self, is_member: bool) -> Result<(), ConfigError> {
        let mut warnings = Vec::new();
        for (name, setting) in &self.settings {
            let Some(key) = keys::find(name) else {
                continue;
            };
            let rule = if is_member { key.member } else { key.rule };
            let (kind, why) = match rule {
                _ if key.moot.contains(&setting.value().to_lowercase().as_str()) => continue,
                Rule::Moot | Rule::Used => continue,
                Rule::Ignored(why) => (WarningKind::Ignored, why),
                Rule::Missing(instead) => (WarningKind::Missing, instead),
                Rule::Refused(instead) => {
                    return Err(ConfigError::unsupported(shown(setting), instead));
                }
            };
            warnings.push((shown(setting), kind, format!("has no effect: {why}")));
        }
        for (setting, kind, text) in warnings {
            self.push(setting, kind, text);
        }
        Ok(())
    }

    /// The setting as it may be printed; marked as missing if it is not set.
    pub(super) fn setting(&self, name: &str) -> Setting {
        match self.settings.get(name) {
            Some(setting) => shown(setting),
            None => Setting {
                origin: self.whole.clone(),
                key: name.to_owned(),
                value: None,
            },
        }
    }

    /// The settings whose names start with `prefix`, with the rest of the name.
    pub(super) fn family(&self, prefix: &str) -> Vec<(String, Setting)> {
        let of_family = |(name, setting): (&String, &Setting)| {
            Some((name.strip_prefix(prefix)?.to_owned(), setting.clone()))
        };
        self.settings.iter().filter_map(of_family).collect()
    }

    pub(super) fn invalid(&self, name: &str, need: impl Into<String>) -> ConfigError {
        ConfigError::invalid(self.setting(name), need)
    }

    pub(super) fn warn(&mut self, name: &str, kind: WarningKind, text: impl Into<String>) {
        let setting = self.setting(name);
        self.push(setting, kind, text);
    }

    pub(super) fn push(&mut self, setting: Setting, kind: WarningKind, text: impl Into<String>) {
        self.warnings.push(Warning {
            setting,
            kind,
            text: text.into(),
        });
    }

    /// The value, if there is one and it is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        Some(self.settings.get(name)?.value()).filter(|value| !value.is_empty())
    }

    /// A number, decimal or, as `Integer.decode` allows, hexadecimal after `0x` or `#`.
    pub(super) fn number(
        &self,
        name: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, ConfigError> {
        let Some(setting) = self.settings.get(name) else {
            return Ok(None);
        };
        match decode(setting.value()) {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (start, end) = range.into_inner();
                Err(self.invalid(name, format!("must be a number from {start} to {end}")))
            }
        }
    }

    /// A positive number that fits a Java `int`.
    pub(super) fn positive(&self, name: &str) -> Result<Option<u32>, ConfigError> {
        Ok(self
            .number(name, 1..=i32::MAX.into())?
            .map(|number| number as u32))
    }

    /// A number of which 0 and everything below means that there is no bound.
    pub(super) fn bound(&self, name: &str) -> Result<Option<Option<u32>>, ConfigError> {
        let number = self.number(name, i32::MIN.into()..=i32::MAX.into())?;
        Ok(number.map(|number| u32::try_from(number).ok().filter(|&bound| bound > 0)))
    }

    /// `true` or `false`, as the keys demand that Apache's parser knows itself.
    pub(super) fn strict_bool(&self, name: &str, default: bool) -> Result<bool, ConfigError> {
        match self
            .settings
            .get(name)
            .map(|setting| setting.value().to_lowercase())
            .as_deref()
        {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(self.invalid(name, "must be true or false")),
        }
    }

    /// `true`, or anything else for false, as Java reads system properties.
    pub(super) fn lenient_bool(&mut self, name: &str, default: bool) -> bool {
        let Some(setting) = self.settings.get(name) else {
            return default;
        };
        let value = setting.value().to_lowercase();
        if !matches!(value.as_str(), "true" | "false") {
            self.warn(
                name,
                WarningKind::Adjusted,
                "is read as false; write true or false",
            );
        }
        value == "true"
    }

    /// `yes` or `no` in lower case; anything else is the default, as Apache's server has it.
    pub(super) fn yes_no(&mut self, name: &str, default: bool) -> bool {
        let Some(setting) = self.settings.get(name) else {
            return default;
        };
        match setting.value() {
            "yes" => true,
            "no" => false,
            _ => {
                let read = if default { "yes" } else { "no" };
                let text = format!("is read as {read}; write yes or no");
                self.warn(name, WarningKind::Adjusted, text);
                default
            }
        }
    }

    /// All warnings, in the order of the file; those about it as a whole come first.
    pub(super) fn into_warnings(mut self) -> Vec<Warning> {
        self.warnings
            .sort_by_key(|warning| match warning.setting.origin {
                Origin::CommandLine => 0,
                Origin::File { line, .. } => line,
            });
        self.warnings
    }
}

/// The setting without a value that must not be printed; misspelt names are thought of.
fn shown(setting: &Setting) -> Setting {
    let lower = setting.key.to_lowercase();
    let mut setting = setting.clone();
    let is_secret = lower.contains("passw") && !lower.contains("path");
    if is_secret || lower.contains("superdig") {
        setting.value = setting.value.map(|_| "(hidden)".to_owned());
    }
    setting
}

fn decode(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = ["0x", "0X", "#"]
        .iter()
        .find_map(|prefix| digits.strip_prefix(prefix));
    let (digits, radix) = hex.map_or((digits, 10), |digits| (digits, 16));
    if digits.starts_with(['+', '-']) {
        return None;
    }
    Some(sign * i64::from_str_radix(digits, radix).ok()?)
}

/// The settings that a properties file holds.
///
/// Bytes are Latin-1, as they are to Apache's server: a file in UTF-8 must spell other letters as
/// `\uXXXX` to be understood by both.
pub(super) fn settings(path: &Path, bytes: &[u8]) -> Result<Vec<Setting>, ConfigError> {
    let text: String = bytes.iter().copied().map(char::from).collect();
    let properties = properties::parse(&text).map_err(|e| ConfigError::Malformed {
        path: path.to_owned(),
        line: e.line,
    })?;
    let setting = |property: Property| Setting {
        origin: Origin::File {
            path: path.to_owned(),
            line: property.line,
        },
        key: property.key,
        value: Some(property.value),
    };
    Ok(properties.into_iter().map(setting).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_latin_1() {
        let settings = settings(Path::new("zoo.cfg"), b"a=\xe9").expect("well formed");
        assert_eq!(settings[0].value(), "é");
    }

    #[test]
    fn numbers_as_java_decodes_them() {
        let cases = [
            ("12", Some(12)),
            ("-1", Some(-1)),
            ("+7", Some(7)),
            ("0x9fffff", Some(0x9f_ffff)),
            ("-0X10", Some(-16)),
            ("#ff", Some(255)),
            ("010", Some(10)),
            ("", None),
            ("--1", None),
            ("0x-1", None),
            ("1k", None),
            ("1 2", None),
        ];
        for (text, number) in cases {
            assert_eq!(decode(text), number, "{text:?}");
        }
    }
}
