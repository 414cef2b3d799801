//! The command line. There are few flags, so they are read by hand: what is accepted stands in
//! [`USAGE`], and every message names the argument as it was typed.

use std::ffi::OsString;
use std::path::PathBuf;

use super::report::{ConfigError, Setting, Warning, WarningKind};
use super::zoo_cfg::{OPEN_PORT, positional};
use super::{Config, Host, Listen};
use crate::words::{Whitelist, Word};

/// What `--help` prints.
pub const USAGE: &str = "\
A server of the ZooKeeper protocol.

Usage:
  lockkeeper-server --data-dir DIR [flags]     safe defaults: loopback only, limits on
  lockkeeper-server zoo.cfg                    does what the file means to Apache's server
  lockkeeper-server PORT DIR [TICK [MAX]]      Apache's short form: port, data directory,
                                               tick in ms, connections per address

Flags:
  --data-dir DIR             where snapshots and logs lie; made if it does not exist
  --data-log-dir DIR         where logs lie, to give them a disk of their own
  --listen HOST:PORT         where clients connect; may be repeated  [127.0.0.1:2181]
  --tick-time MS             unit of session expiry                  [3000]
  --min-session-timeout MS   shortest session timeout granted        [2 ticks]
  --max-session-timeout MS   longest session timeout granted         [20 ticks]
  --max-client-cnxns N       connections from one address, 0 for any [60]
  --max-cnxns N              connections in total, 0 for any         [4096]
  --words LIST               four-letter words answered, or *        [srvr]
  -h, --help                 print this text
  -V, --version              print the version

Exit codes: 2 for a bad invocation or configuration, 3 for a data directory
that cannot be used, 1 for any other failure.

Examples:
  lockkeeper-server --data-dir /tmp/zk
  lockkeeper-server --data-dir /var/lib/zk --listen 10.0.0.7:2181 --words srvr,mntr,ruok
";

/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Invocation {
    /// Print [`USAGE`].
    Help,
    /// Serve, with these settings.
    Serve(Box<Config>),
    /// Serve, with the settings of this file: see [`Config::load`].
    ServeFile(PathBuf),
    /// Print the version.
    Version,
}

impl Invocation {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    ///
    /// When they do not form one of the three usages, or a value has no meaning.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, ConfigError> {
        let mut positionals = Vec::new();
        let mut flags = Vec::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let text = argument.to_str().unwrap_or_default();
            match text {
                "-h" | "--help" => return Ok(Self::Help),
                "-V" | "--version" => return Ok(Self::Version),
                _ if text.starts_with('-') => flags.push(Flag::parse(text, &mut arguments)?),
                _ => positionals.push(argument),
            }
        }
        match (positionals.len(), flags.is_empty()) {
            (0, true) => Err(ConfigError::usage("neither --data-dir nor a file is given")),
            (0, false) => Ok(Self::Serve(Box::new(config(flags)?))),
            (1, true) => Ok(Self::ServeFile(positionals.swap_remove(0).into())),
            (2..=4, true) => {
                let texts: Result<Vec<_>, _> =
                    positionals.into_iter().map(OsString::into_string).collect();
                let texts = texts.map_err(|_| ConfigError::usage("an argument is not UTF-8"))?;
                Ok(Self::Serve(Box::new(positional(&texts)?)))
            }
            (_, true) => Err(ConfigError::usage("there are more than four arguments")),
            (_, false) => {
                let stray = positionals.swap_remove(0).to_string_lossy().into_owned();
                Err(ConfigError::usage(format!(
                    "{stray} does not go together with flags"
                )))
            }
        }
    }
}

/// A flag with its value; all flags that end up here have one.
struct Flag {
    name: &'static str,
    value: OsString,
}

const NAMES: [&str; 9] = [
    "--data-dir",
    "--data-log-dir",
    "--listen",
    "--tick-time",
    "--min-session-timeout",
    "--max-session-timeout",
    "--max-client-cnxns",
    "--max-cnxns",
    "--words",
];

impl Flag {
    /// Reads `--name value` or `--name=value`.
    fn parse(text: &str, rest: &mut impl Iterator<Item = OsString>) -> Result<Self, ConfigError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.into())),
            None => (text, None),
        };
        let known = NAMES.into_iter().find(|&known| known == name);
        let name = known.ok_or_else(|| ConfigError::usage(format!("there is no flag {name}")))?;
        let value = value.or_else(|| rest.next());
        match value.filter(|value| !value.is_empty()) {
            Some(value) => Ok(Self { name, value }),
            None => Err(ConfigError::usage(format!("{name} needs a value"))),
        }
    }

    fn setting(&self) -> Setting {
        Setting::argument(self.name, self.value.to_string_lossy())
    }

    fn invalid(&self, need: impl Into<String>) -> ConfigError {
        ConfigError::invalid(self.setting(), need)
    }

    fn number(&self, min: u32) -> Result<u32, ConfigError> {
        let max = i32::MAX as u32;
        let number = self.value.to_str().and_then(|text| text.parse().ok());
        number
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| self.invalid(format!("must be a number from {min} to {max}")))
    }

    fn listen(&self) -> Result<Listen, ConfigError> {
        let parse = |text: &str| {
            let (host, port) = text.rsplit_once(':')?;
            // A bare IPv6 address would lose its last group to the port.
            let bare = host.contains(':') && !host.starts_with('[');
            let host = Host::parse(host).filter(|_| !bare)?;
            Some(Listen {
                host,
                port: port.parse().ok()?,
            })
        };
        let need = "must be HOST:PORT, an IPv6 address in brackets, for example 127.0.0.1:2181";
        self.value
            .to_str()
            .and_then(parse)
            .ok_or_else(|| self.invalid(need))
    }

    fn words(&self) -> Result<Whitelist, ConfigError> {
        let text = self.value.to_string_lossy();
        match text
            .split(',')
            .map(str::trim)
            .find(|&w| w != "*" && Word::named(w).is_none())
        {
            Some(word) => Err(self.invalid(format!("this server has no answer to {word}"))),
            None => Ok(Whitelist::parse(&text)),
        }
    }
}

fn config(flags: Vec<Flag>) -> Result<Config, ConfigError> {
    let data_dir = flags.iter().rev().find(|flag| flag.name == "--data-dir");
    let data_dir = data_dir.ok_or_else(|| ConfigError::usage("--data-dir is not given"))?;
    let mut config = Config::new(&data_dir.value);
    let mut listen = Vec::new();
    // The last flag that the relation of tick and timeouts depends on.
    let mut timing = None;
    for flag in &flags {
        match flag.name {
            "--data-dir" => {}
            "--data-log-dir" => config.data_log_dir = PathBuf::from(&flag.value),
            "--listen" => {
                let at = flag.listen()?;
                if !at.is_loopback() {
                    let text = OPEN_PORT.to_owned();
                    let kind = WarningKind::Open;
                    config.warnings.push(Warning {
                        setting: flag.setting(),
                        kind,
                        text,
                    });
                }
                listen.push(at);
            }
            "--tick-time" => config.tick_time_ms = flag.number(1)?,
            "--min-session-timeout" => config.session_timeout_min_ms = Some(flag.number(1)?),
            "--max-session-timeout" => config.session_timeout_max_ms = Some(flag.number(1)?),
            "--max-client-cnxns" => {
                let bound = flag.number(0)?;
                config.limits.connections_per_address_max = (bound > 0).then_some(bound);
            }
            "--max-cnxns" => {
                let bound = flag.number(0)?;
                config.limits.connections_max = (bound > 0).then_some(bound);
            }
            "--words" => config.words = flag.words()?,
            name => unreachable!("{name} is in NAMES only"),
        }
        if flag.name.ends_with("-time") || flag.name.ends_with("-timeout") {
            timing = Some(flag);
        }
    }
    if !listen.is_empty() {
        config.listen = listen;
    }
    match (config.check(), timing) {
        (Ok(()), _) => Ok(config),
        (Err(need), Some(flag)) => Err(flag.invalid(need)),
        (Err(need), None) => Err(ConfigError::usage(need)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Invocation, ConfigError> {
        Invocation::parse(line.split_whitespace().map(OsString::from))
    }

    fn serve(line: &str) -> Config {
        match parse(line).expect("a good command line") {
            Invocation::Serve(config) => *config,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn forms() {
        assert_eq!(parse("--help").expect("help"), Invocation::Help);
        assert_eq!(parse("--data-dir /d -h").expect("help"), Invocation::Help);
        assert_eq!(parse("-V").expect("version"), Invocation::Version);
        assert_eq!(
            parse("zoo.cfg").expect("a file"),
            Invocation::ServeFile("zoo.cfg".into())
        );
        assert_eq!(serve("--data-dir /d"), Config::new("/d"));
        assert_eq!(serve("--data-dir=/d"), Config::new("/d"));
    }

    #[test]
    fn flags_are_safe_until_told_otherwise() {
        let config = serve("--data-dir /d");
        assert_eq!(config.listen, [Listen::loopback(2181)]);
        assert!(config.warnings.is_empty());
        assert_eq!(config.limits.connections_max, Some(4096));
        let config = serve("--data-dir /d --listen 127.0.0.1:0 --listen 10.0.0.7:2181");
        let [warning] = &config.warnings[..] else {
            panic!("{:?}", config.warnings)
        };
        assert_eq!((warning.kind, config.listen.len()), (WarningKind::Open, 2));
        assert!(
            warning
                .to_string()
                .starts_with("--listen 10.0.0.7:2181: clients beyond")
        );
    }

    #[test]
    fn every_flag_has_its_effect() {
        let config = serve(
            "--data-dir /d --data-log-dir /l --listen [::1]:7 --tick-time 100 \
             --min-session-timeout 150 --max-session-timeout 9000 --max-client-cnxns 0 \
             --max-cnxns 7 --words srvr,ruok",
        );
        let mut expected = Config::new("/d");
        expected.data_log_dir = "/l".into();
        expected.listen = vec![Listen {
            host: Host::parse("::1").expect("an address"),
            port: 7,
        }];
        expected.tick_time_ms = 100;
        expected.session_timeout_min_ms = Some(150);
        expected.session_timeout_max_ms = Some(9000);
        expected.limits.connections_per_address_max = None;
        expected.limits.connections_max = Some(7);
        expected.words = Whitelist::parse("ruok");
        assert_eq!(config, expected);
        for name in NAMES {
            assert!(USAGE.contains(name), "{name} is missing in the usage");
        }
    }

    #[test]
    fn apaches_short_form_means_what_it_means_to_apache() {
        let config = serve("2182 /d 500 9");
        assert_eq!(
            config.listen,
            [Listen {
                host: Host::Any,
                port: 2182
            }]
        );
        assert_eq!(config.tick_time_ms, 500);
        assert_eq!(config.limits.connections_per_address_max, Some(9));
        assert_eq!(config.limits.connections_max, None);
        assert_eq!(config.warnings[0].kind, WarningKind::Open);
        let error = parse("port /d").expect_err("no number").to_string();
        assert_eq!(error, "clientPort port: must be a number from 0 to 65535");
    }

    #[test]
    fn bad_lines_say_what_is_wrong() {
        let cases = [
            (
                "",
                "neither --data-dir nor a file is given; --help shows the usage",
            ),
            (
                "--tick-time 5",
                "--data-dir is not given; --help shows the usage",
            ),
            (
                "--data-dir",
                "--data-dir needs a value; --help shows the usage",
            ),
            (
                "--data-dir=",
                "--data-dir needs a value; --help shows the usage",
            ),
            (
                "--datadir /d",
                "there is no flag --datadir; --help shows the usage",
            ),
            (
                "zoo.cfg --data-dir /d",
                "zoo.cfg does not go together with flags; --help shows the usage",
            ),
            (
                "1 2 3 4 5",
                "there are more than four arguments; --help shows the usage",
            ),
            (
                "--data-dir /d --tick-time 0",
                "--tick-time 0: must be a number from 1 to 2147483647",
            ),
            (
                "--data-dir /d --max-cnxns -1",
                "--max-cnxns -1: must be a number from 0 to 2147483647",
            ),
            (
                "--data-dir /d --listen 2181",
                "--listen 2181: must be HOST:PORT, an IPv6 address in brackets, for example 127.0.0.1:2181",
            ),
            (
                "--data-dir /d --listen ::1:2181",
                "--listen ::1:2181: must be HOST:PORT, an IPv6 address in brackets, for example 127.0.0.1:2181",
            ),
            (
                "--data-dir /d --words srvr,hash",
                "--words srvr,hash: this server has no answer to hash",
            ),
            (
                "--data-dir /d --min-session-timeout 90000",
                "--min-session-timeout 90000: the shortest session timeout, 90000 ms, is above the \
                 longest, 60000 ms; they are 2 and 20 ticks unless set",
            ),
        ];
        for (line, message) in cases {
            let error = parse(line).expect_err(line);
            assert_eq!(
                (error.to_string().as_str(), error.exit_code()),
                (message, 2),
                "{line}"
            );
        }
    }
}
