//! `tgscan-mock`: the mock as a server of its own, for callers in any language.

mod serve;

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
    Serve(serve::Serve),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(serve) => serve.run(),
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

#[expect(clippy::print_stderr, reason = "this is the program's way to say what is wrong")]
fn complain(message: &str) {
    eprintln!("tgscan-mock: {message}");
}
