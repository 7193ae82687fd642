//! `cargo xtask contract`: schemathesis compares what the mock does with its OpenAPI document.
//!
//! It sends requests that the document allows, which must be answered as it says, and ones that it does not allow,
//! which must be refused. It is a third-party tool, so it does not share our misunderstandings.

use std::path::Path;
use std::process::Command;

use clap::Args;
use tgscan_mock::data::Profile;
use tgscan_mock::{Mock, MockServer, ServerOptions};

use crate::{Outcome, target};

/// Flags of `cargo xtask contract`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Number of random requests per path, of allowed ones and of others each
    #[arg(long, default_value_t = 1000)]
    examples: u32,
    /// Seed of the requests; random by default
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs schemathesis; with live keys on the live paths, with test keys on the others.
///
/// # Errors
/// If it is not installed, or finds a difference; it prints which.
pub fn run(flags: &Flags) -> Outcome {
    let programs = target().join("tools").join(if cfg!(windows) { "Scripts" } else { "bin" });
    let mut requests = 0;
    // The third one goes beyond the documentation.
    for profile in [Profile::Typical, Profile::Extreme] {
        requests += check(flags, &programs, profile)?;
    }
    println!("{requests} requests, no difference");
    Ok(())
}

/// Checks the answers of a profile. Returns how many there were.
fn check(flags: &Flags, programs: &Path, profile: Profile) -> Result<u64, String> {
    // Enough credits for any run: refusals for lack of credits would hide what is tested.
    let mock = Mock::builder().strict().profile(profile).credits(i64::MAX).build();
    let mock = mock.map_err(|error| error.to_string())?;
    let server = MockServer::start(&mock, &ServerOptions::new()).map_err(|error| error.to_string())?;
    for (paths, key) in [("--exclude-path-regex", Mock::LIVE_KEY), ("--include-path-regex", Mock::TEST_KEY)] {
        let mut command = Command::new(programs.join("schemathesis"));
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
            Err(error) => {
                return Err(format!("schemathesis cannot be started: {error}; to install it: .ci/install"));
            }
        }
    }
    let recorded = u64::try_from(mock.requests().len()).unwrap_or(u64::MAX);
    Ok(recorded.saturating_add(mock.dropped_requests()))
}
