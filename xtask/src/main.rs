//! Parses the flags and dispatches.
#![expect(clippy::print_stderr, reason = "a task talks to the person who runs it")]

use std::process::ExitCode;

use clap::Parser;
use xtask::{api, ci, contract, coverage, demo, docs, features, mutants, tidy};

/// Tasks of this workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Lists what the libraries offer to others, and checks that no dependency's type is among it.
    Api(api::Flags),
    /// Runs every check, as CI does; stops at the first that fails.
    Ci(ci::Flags),
    /// Lets an independent tester compare the mock with its OpenAPI document; needs Python and, once, a network.
    Contract(contract::Flags),
    /// Counts the lines that tests reach; installs cargo-llvm-cov and LLVM's tools where they are missing.
    Coverage(coverage::Flags),
    /// Shows the main job over HTTPS on loopback, and what a user sees when things go wrong.
    Demo(demo::Flags),
    /// Builds and tests every combination of every package's features, which takes longer than all of CI.
    Features(features::Flags),
    /// Checks the house rules.
    Tidy,
    /// Writes the generated parts of the documentation.
    Docs(docs::Flags),
    /// Breaks the code in one place at a time and looks whether a test notices; takes hours.
    Mutants(mutants::Flags),
}

fn main() -> ExitCode {
    if let Some(code) = api::rustdoc_in_its_place() {
        return code;
    }
    let outcome = match Task::parse() {
        Task::Api(flags) => api::run(&flags),
        Task::Ci(flags) => ci::run(&flags),
        Task::Contract(flags) => contract::run(&flags),
        Task::Coverage(flags) => coverage::run(&flags),
        Task::Demo(flags) => demo::run(&flags),
        Task::Features(flags) => features::run(&flags),
        Task::Tidy => tidy::run(),
        Task::Docs(flags) => docs::run(&flags),
        Task::Mutants(flags) => mutants::run(&flags),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
