//! `tgscan-mock`: the mock as a server, for clients in any language.

mod log;
mod sample;
mod serve;
mod settings;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Command, FromArgMatches};
use sample::Sample;
use settings::Settings;

fn main() -> ExitCode {
    let serve = Settings::augment_args(Command::new("serve"));
    let sample = Sample::augment_args(Command::new("sample"));
    let command = Command::new("tgscan-mock")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A free mock of the TgScan API, with random data and simulated credits")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(serve.about("Serve the API over HTTP or HTTPS until stopped"))
        .subcommand(sample.about("Print one answer"));
    let result = match command.get_matches().remove_subcommand() {
        Some((name, flags)) if name == "serve" => serve::run(&flags),
        Some((_, flags)) => Sample::from_arg_matches(&flags)
            .map_err(|error| error.to_string())
            .and_then(|sample| sample.run()),
        None => Ok(()),
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
