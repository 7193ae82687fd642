//! `cargo xtask bench`: this SDK beside its peers, and limits that noise cannot move.
//!
//! What is measured lives in `xtask/bench`, a package outside of this workspace, so that nobody else builds the peers.

mod chart;
mod gates;
mod limits;
mod page;
mod results;

use std::path::PathBuf;

use clap::Args;

pub(crate) use chart::chart;
pub(crate) use page::page;
pub(crate) use results::Results;

use crate::ci::{cargo_like, succeed};
use crate::workspace::target;
use crate::{Outcome, docs};

/// The package that measures.
const MANIFEST: &str = "xtask/bench/Cargo.toml";

/// Flags of `cargo xtask bench`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Measure only these. Default: all.
    #[arg(value_name = "SUITE", value_parser = ["decode", "build", "call", "client", "mock", "footprint"])]
    suites: Vec<String>,
    /// A first look, with more noise; its figures are not kept.
    #[arg(long)]
    quick: bool,
    /// Measure no time: check the limits of instructions and allocations in `xtask/bench/limits.toml`.
    #[arg(long, conflicts_with_all = ["suites", "quick"])]
    gates: bool,
}

/// Measures, prints tables, and keeps them in `xtask/bench/results.json` and the page made from it; or checks the limits.
///
/// # Errors
/// If it cannot be built or run, or if a limit is exceeded.
pub fn run(flags: &Flags) -> Outcome {
    if flags.gates {
        return gates();
    }
    let machine = results::machine();
    eprintln!("building the measuring package and the peers …");
    let mut build = cargo_like("cargo");
    build.args(["build", "--release", "--locked", "--manifest-path", MANIFEST]);
    succeed(&mut build, "cargo build of the measuring package")?;

    // Without the figures of earlier runs.
    let folder = target().join("bench-results");
    let _ = std::fs::remove_dir_all(&folder);
    // Not by way of cargo, which would be another parent of what is measured. Each program finds the others beside it.
    let mut beside = cargo_like(program("beside").to_string_lossy().as_ref());
    beside.arg("--json").arg(&folder).args(&flags.suites);
    if flags.quick {
        beside.arg("--quick");
    }
    succeed(&mut beside, "the measuring package")?;
    if flags.quick {
        eprintln!("\nas JSON: {}", folder.display());
        return Ok(());
    }
    results::keep(&folder, &machine)?;
    docs::write()
}

/// A program of the measuring package.
fn program(name: &str) -> PathBuf {
    target().join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Checks the limits of instructions and allocations.
///
/// # Errors
/// If a limit is exceeded: which one, and by how much.
pub fn gates() -> Outcome {
    gates::check()
}
