//! `tgscan-mock`: the mock as a server, for clients in any language.

mod config;
mod log;
mod sample;
mod serve;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A mock of the TgScan API with random data and an account with credits. Free of charge.
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
            warn(&message);
            // The exit code of clap for a wrong command line.
            ExitCode::from(2)
        }
    }
}

/// Prints a line for scripts, and flushes it.
fn print_line(line: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| format!("cannot print: {error}"))
}

/// Prints a line to stderr. Ignores a closed stderr.
fn warn(message: &str) {
    let _ = writeln!(std::io::stderr(), "tgscan-mock: {message}");
}
