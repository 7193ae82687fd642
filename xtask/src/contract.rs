//! `cargo xtask contract`: compares the mock with its OpenAPI document, using schemathesis.
//!
//! schemathesis sends requests that the document allows, which must get a documented answer, and others, which must be
//! refused. It is a third-party tool, so it does not share the mistakes of this code.

use std::path::Path;
use std::process::Command;

use clap::Args;
use tgscan_mock::data::Profile;
use tgscan_mock::{Mock, MockServer, ServerOptions};

use crate::{Outcome, target};

/// Flags of `cargo xtask contract`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Number of random requests per path, both allowed and disallowed
    #[arg(long, default_value_t = 1000)]
    examples: u32,
    /// Seed of the requests; random by default
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs schemathesis, with a live key on the live paths and a test key on the test paths.
///
/// # Errors
/// Returns an error if schemathesis is not installed or finds a difference, which it prints.
pub fn run(flags: &Flags) -> Outcome {
    let programs = target().join("tools").join(if cfg!(windows) { "Scripts" } else { "bin" });
    let mut requests = 0;
    // `Profile::Undocumented` differs from the document on purpose.
    for profile in [Profile::Typical, Profile::Extreme] {
        requests += check(flags, &programs, profile)?;
    }
    check_control(flags, &programs)?;
    println!("{requests} requests, no differences");
    Ok(())
}

/// Checks the answers of a profile. Returns their number.
fn check(flags: &Flags, programs: &Path, profile: Profile) -> Result<u64, String> {
    // Enough credits for any run, so that no request is refused for lack of them.
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
    // A schema cannot express duplicate keys, or the queries and answers of each method.
    let except = ["--exclude-checks", "positive_data_acceptance"];
    schemathesis(flags, programs, &mock, "control.json", &except)?;
    mock.clear_script();
    Ok(())
}

/// Compares a server of this mock with one of its documents.
fn schemathesis(flags: &Flags, programs: &Path, mock: &Mock, document: &str, arguments: &[&str]) -> Outcome {
    let server = MockServer::start(mock, &ServerOptions::new()).map_err(|error| error.to_string())?;
    let mut command = Command::new(programs.join("schemathesis"));
    command
        // schemathesis writes files into its working directory.
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
