//! Parses the flags and dispatches.
#![expect(clippy::print_stderr, reason = "tasks print to the terminal")]

use std::process::ExitCode;

use clap::Parser;
use xtask::{ci, contract, demo, docs};

/// Tasks of this workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Runs every check, as CI does; stops at the first failure.
    Ci(ci::Flags),
    /// Tests the mock against its OpenAPI document with schemathesis, which `.ci/install` installs.
    Contract(contract::Flags),
    /// Demonstrates all API methods over HTTPS on loopback, and the errors that a user sees.
    Demo(demo::Flags),
    /// Writes the generated sections of the documentation.
    Docs(docs::Flags),
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Ci(flags) => ci::run(&flags),
        Task::Contract(flags) => contract::run(&flags),
        Task::Demo(flags) => demo::run(&flags),
        Task::Docs(flags) => docs::run(&flags),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
