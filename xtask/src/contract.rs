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
    check_control(flags, &programs)?;
    println!("{requests} requests, no difference");
    Ok(())
}

/// Checks the answers of a profile. Returns how many there were.
fn check(flags: &Flags, programs: &Path, profile: Profile) -> Result<u64, String> {
    // Enough credits for any run: refusals for lack of credits would hide what is tested.
    let mock = Mock::builder().strict().profile(profile).credits(i64::MAX).build();
    let mock = mock.map_err(|error| error.to_string())?;
    for (paths, key) in [("--exclude-path-regex", Mock::LIVE_KEY), ("--include-path-regex", Mock::TEST_KEY)] {
        let key = format!("Api-Key: {key}");
        schemathesis(flags, programs, &mock, "openapi.json", &[paths, "/test/", "--header", &key])?;
    }
    let recorded = u64::try_from(mock.requests().len()).unwrap_or(u64::MAX);
    Ok(recorded.saturating_add(mock.dropped_requests()))
}

/// Checks the control paths.
fn check_control(flags: &Flags, programs: &Path) -> Outcome {
    let mock = Mock::new();
    // A schema cannot say which keys are given twice, or what is a query or an answer of a method.
    let except = ["--exclude-checks", "positive_data_acceptance"];
    schemathesis(flags, programs, &mock, "control.json", &except)?;
    mock.clear_script();
    Ok(())
}

/// Holds a server of this mock against one of its documents.
fn schemathesis(flags: &Flags, programs: &Path, mock: &Mock, document: &str, arguments: &[&str]) -> Outcome {
    let server = MockServer::start(mock, &ServerOptions::new()).map_err(|error| error.to_string())?;
    let mut command = Command::new(programs.join("schemathesis"));
    command
        // It leaves notes where it runs.
        .current_dir(target())
        .arg("run")
        .arg(format!("{}/_mock/{document}", server.url()))
        .args(["--url", &server.url(), "--mode", "all", "--no-color"])
        .args(["--max-examples", &flags.examples.to_string()])
        .args(arguments);
    if let Some(seed) = flags.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the mock differs from its {document} ({status}); see above")),
        Err(error) => Err(format!("schemathesis cannot be started: {error}; to install it: .ci/install")),
    }
}
