//! Tasks of this workspace, run as `cargo xtask <task>`.
//!
//! One module per task; none uses another. `main` parses the flags and dispatches. A task returns `Ok`, or one text
//! that says what is wrong and what to do.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the person who runs it")]

use std::path::{Path, PathBuf};

pub mod ci;
pub mod contract;
pub mod demo;
pub mod docs;

/// How a task ends; the error is for the person who ran it.
pub type Outcome = Result<(), String>;

/// The top-level folder of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where everything is built, and where `.ci/install` puts the tools.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

// Here, because this crate may depend on all others and is never packaged, so the path always leads to the file.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
