//! `cargo xtask contract`: an independent tester compares what the mock does with its OpenAPI document.
//!
//! It sends requests that the document allows, which must be answered as it says, and ones that it does not allow,
//! which must be refused. It is written by others, so it does not share our misunderstandings.

use std::process::Command;

use clap::Args;
use tgscan_mock::{Mock, MockServer, ServerOptions};

use crate::Outcome;
use crate::python::Tool;
use crate::workspace::target;

/// The tester.
const TESTER: Tool = Tool { program: "schemathesis", requirements: include_str!("requirements.txt") };

/// Flags of `cargo xtask contract`.
#[derive(Args, Debug)]
pub struct Flags {
    /// How many random requests to try per path, of allowed ones and of others each.
    #[arg(long, default_value_t = 1000)]
    examples: u32,
    /// Seed of the requests; random if there is none.
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs the tester; with live keys on the live paths, with test keys on the others.
///
/// # Errors
/// If the tester cannot be installed, or finds a difference; it prints which.
pub fn run(flags: &Flags) -> Outcome {
    let tester = TESTER.installed(&target())?;
    // So many credits that no run ends them: a refusal for want of credits would hide what is tested.
    let mock = Mock::builder().credits(i64::MAX).build().map_err(|error| error.to_string())?;
    let server = MockServer::start(&mock, &ServerOptions::new()).map_err(|error| error.to_string())?;
    for (paths, key) in [("--exclude-path-regex", Mock::LIVE_KEY), ("--include-path-regex", Mock::TEST_KEY)] {
        let mut command = Command::new(&tester);
        command
            // It leaves notes where it runs.
            .current_dir(target())
            .arg("run")
            .arg(format!("{}/_mock/openapi.json", server.url()))
            .args(["--url", &server.url(), paths, "/test/", "--header", &format!("Api-Key: {key}")])
            .args(["--mode", "all", "--no-color", "--max-examples", &flags.examples.to_string()]);
        if let Some(seed) = flags.seed {
            command.args(["--seed", &seed.to_string()]);
        }
        match command.status() {
            Ok(status) if status.success() => {}
            Ok(status) => {
                return Err(format!("the mock differs from its OpenAPI document ({status}); see above"));
            }
            Err(error) => return Err(format!("{} cannot be started: {error}", tester.display())),
        }
    }
    let kept = u64::try_from(mock.requests().len()).unwrap_or(u64::MAX);
    println!("{} requests, no difference", kept.saturating_add(mock.dropped_requests()));
    Ok(())
}

/// The short form that CI runs.
///
/// # Errors
/// As [`run`].
pub fn check() -> Outcome {
    // The same ones every time, so that a failure is that of a change.
    run(&Flags { examples: 50, seed: Some(1) })
}
