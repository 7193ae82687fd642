//! `tgscan-mock`: the mock as a server of its own, for callers in any language.

mod config;
mod log;
mod sample;
mod serve;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A mock of the TgScan API: random test-shaped data, an account with credits, no costs.
#[derive(Parser)]
#[command(name = "tgscan-mock", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the API over HTTP or HTTPS until it is stopped.
    Serve(Box<serve::Serve>),
    /// Prints one answer.
    Sample(sample::Sample),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Sample(sample) => sample.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            complain(&message);
            // As clap's own: 2 is "called wrongly".
            ExitCode::from(2)
        }
    }
}

/// Prints a line for scripts to read, at once.
fn say(line: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| format!("cannot print: {error}"))
}

/// Prints a line for people. A closed stderr is no reason to stop.
fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "tgscan-mock: {message}");
}
