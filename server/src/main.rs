//! The server's program: arguments in, exit code out.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use lockkeeper_server::config::{Invocation, USAGE};
use lockkeeper_server::words::VERSION;
use lockkeeper_server::{Config, Server, StartError};

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let config = match Invocation::parse(std::env::args_os().skip(1)) {
        Ok(Invocation::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::Version) => {
            println!("lockkeeper-server {VERSION}");
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::Serve(config)) => Ok(*config),
        Ok(Invocation::ServeFile(path)) => Config::load(&path),
        Err(error) => Err(error),
    };
    match config
        .map_err(StartError::from)
        .and_then(|config| run(&config))
    {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lockkeeper-server: {}", with_causes(&error));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Serves until a signal or the disk's failure.
fn run(config: &Config) -> Result<ExitCode, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|source| StartError::Threads { source })?;
    let signals = runtime.block_on(async { Signals::new() });
    let signals = signals.map_err(|source| StartError::Threads { source })?;
    let mut server = Server::start(config)?;
    let stopper = server.stopper();
    let listener = std::thread::Builder::new()
        .name("lk-signals".into())
        .spawn(move || {
            let name = runtime.block_on(signals.next());
            tracing::info!(signal = name, "stopping");
            stopper.stop();
        });
    listener.map_err(|source| StartError::Threads { source })?;
    match server.wait() {
        Ok(()) => {
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            tracing::error!(error = %with_causes(&error), "the server has ended by itself; see the cause");
            Ok(ExitCode::from(error.exit_code()))
        }
    }
}

/// What asks the server to end.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// An error and what is behind it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
