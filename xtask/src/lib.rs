//! Tasks of this workspace, run as `cargo xtask <task>`.
//!
//! One module per task; no task uses another. `main` parses the flags and dispatches. The error of a task is a text with the
//! problem and the remedy.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "tasks print to the terminal")]

use std::path::{Path, PathBuf};
use std::process::Command;

pub mod ci;
pub mod contract;
pub mod demo;
pub mod docs;

/// The result of a task. The error is printed to the terminal.
pub type Outcome = Result<(), String>;

/// Returns the top-level folder of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Returns the target folder, in which `.ci/install` also puts the tools.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Removes the variables about this package that cargo sets. Build scripts that watch them would rerun and cause rebuilds.
pub fn remove_package_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let describes_package = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_BIN_NAME"
        });
        if describes_package {
            command.env_remove(name);
        }
    }
}

// In this crate, because it may depend on all others and is never packaged, so the path is always valid.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
