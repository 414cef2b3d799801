//! What every story needs: settings, an ensemble to play on, and an end that says what went wrong.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use lockkeeper::Client;
use lockkeeper_server::embed::{Embedded, embed};

/// How stories end.
pub(crate) type Ended = Result<(), Box<dyn Error>>;

/// Where a story plays.
pub(crate) struct Stage {
    connect: String,
    server: Option<Embedded>,
    settings: Vec<Setting>,
}

/// A number that the command line may change: its name, what it is, its value.
#[derive(Clone, Copy)]
pub(crate) struct Setting(
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) usize,
);

impl Stage {
    /// Plays `story` on the ensemble of `--connect`, or on a server inside this program.
    pub(crate) async fn play(
        name: &str,
        settings: &[Setting],
        story: impl AsyncFnOnce(&Self) -> Ended,
    ) -> ExitCode {
        let ended = async {
            let stage = Self::open(settings).await.map_err(|error| {
                let usage = usage(name, settings);
                format!("{error}\n{usage}")
            })?;
            story(&stage).await?;
            stage.close().await
        };
        let Err(error) = ended.await else {
            return ExitCode::SUCCESS;
        };
        eprintln!("{name}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            eprintln!("  because: {error}");
            cause = error.source();
        }
        ExitCode::FAILURE
    }

    /// A client with a session of its own.
    pub(crate) async fn client(&self) -> Result<Client, Box<dyn Error>> {
        Ok(Client::connect(&self.connect).await?)
    }

    /// The value of a setting; 0 for one that was not declared.
    pub(crate) fn setting(&self, name: &str) -> usize {
        let found = self.settings.iter().find(|setting| setting.0 == name);
        found.map_or(0, |setting| setting.2)
    }

    async fn open(settings: &[Setting]) -> Result<Self, Box<dyn Error>> {
        let mut settings = settings.to_vec();
        let mut connect = None;
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let value = arguments
                .next()
                .ok_or_else(|| format!("{argument} needs a value"))?;
            if argument == "--connect" {
                connect = Some(value);
                continue;
            }
            let name = argument.strip_prefix("--");
            let setting = settings.iter_mut().find(|setting| Some(setting.0) == name);
            let setting = setting.ok_or_else(|| format!("unknown argument {argument:?}"))?;
            let number = value.parse().ok().filter(|&number| number > 0);
            setting.2 = number.ok_or_else(|| format!("{value:?} is no positive number"))?;
        }
        let (connect, server) = match connect {
            Some(connect) => (connect, None),
            None => {
                let server = tokio::task::spawn_blocking(|| embed().start()).await??;
                let connect = server.connect_string();
                println!("a server of our own listens on {connect}\n");
                (connect, Some(server))
            }
        };
        Ok(Self {
            connect,
            server,
            settings,
        })
    }

    async fn close(self) -> Ended {
        if let Some(server) = self.server {
            tokio::task::spawn_blocking(|| server.stop()).await?;
        }
        Ok(())
    }
}

fn usage(name: &str, settings: &[Setting]) -> String {
    let mut text = format!(
        "usage: {name} [--connect HOST:PORT[,HOST:PORT]...] [--SETTING N]...\n  \
         {:<14} the ensemble to use (a server inside this program)",
        "--connect"
    );
    for Setting(name, what, value) in settings {
        text += &format!("\n  {:<14} {what} ({value})", format!("--{name}"));
    }
    text
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
