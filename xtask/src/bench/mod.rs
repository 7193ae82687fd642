//! `cargo xtask bench`: this SDK beside its peers, and limits that noise cannot move.
//!
//! What is measured lives in `xtask/bench`, a package outside of this workspace, so that nobody else builds the peers.

mod gates;
mod limits;

use clap::Args;

use crate::Outcome;
use crate::ci::{cargo_like, succeed};
use crate::workspace::target;

/// The package that measures.
const MANIFEST: &str = "xtask/bench/Cargo.toml";

/// Flags of `cargo xtask bench`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Measure only these. Default: all.
    #[arg(value_name = "SUITE", value_parser = ["decode", "build", "call", "mock"])]
    suites: Vec<String>,
    /// A first look, with more noise.
    #[arg(long)]
    quick: bool,
    /// Measure no time: check the limits of instructions and allocations in `xtask/bench/limits.toml`.
    #[arg(long, conflicts_with_all = ["suites", "quick"])]
    gates: bool,
}

/// Measures, prints tables and writes them as JSON; or checks the limits.
///
/// # Errors
/// If it cannot be built or run, or if a limit is exceeded.
pub fn run(flags: &Flags) -> Outcome {
    if flags.gates {
        return gates();
    }
    let results = target().join("bench-results");
    let mut command = cargo_like("cargo");
    command.args(["run", "--release", "--locked", "--manifest-path", MANIFEST, "--bin", "beside", "--"]);
    command.arg("--json").arg(&results).args(&flags.suites);
    if flags.quick {
        command.arg("--quick");
    }
    succeed(&mut command, "the measuring package")?;
    eprintln!("\nas JSON: {}", results.display());
    Ok(())
}

/// Checks the limits of instructions and allocations.
///
/// # Errors
/// If a limit is exceeded: which one, and by how much.
pub fn gates() -> Outcome {
    gates::check()
}
