//! Parses the flags and dispatches.
#![expect(clippy::print_stderr, reason = "a task talks to the person who runs it")]

use std::process::ExitCode;

use clap::Parser;
use xtask::{bench, ci, contract, demo, docs, features, tidy};

/// Tasks of this workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Runs every check, as CI does; stops at the first that fails.
    Ci(ci::Flags),
    /// Lets an independent tester compare the mock with its OpenAPI document; needs Python and, once, a network.
    Contract(contract::Flags),
    /// Shows the main job over HTTPS on loopback, and what a user sees when things go wrong.
    Demo(demo::Flags),
    /// Builds and tests every combination of every package's features, which takes hours.
    Features(features::Flags),
    /// Checks the house rules.
    Tidy,
    /// Measures this SDK beside its peers, or checks the limits that noise cannot move.
    Bench(bench::Flags),
    /// Writes the generated parts of the documentation.
    Docs(docs::Flags),
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Ci(flags) => ci::run(&flags),
        Task::Contract(flags) => contract::run(&flags),
        Task::Demo(flags) => demo::run(&flags),
        Task::Features(flags) => features::run(&flags),
        Task::Tidy => tidy::run(),
        Task::Bench(flags) => bench::run(&flags),
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
