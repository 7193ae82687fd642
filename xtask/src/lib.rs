//! Tasks of this workspace, run as `cargo xtask <task>`.
//!
//! One module per task; `main` parses the flags and dispatches. A task returns `Ok` or one text that says what is
//! wrong and what to do. What CI runs is [`ci`], and a person runs the same.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the person who runs it")]

pub mod api;
pub mod ci;
pub mod contract;
pub mod coverage;
pub mod demo;
pub mod docs;
pub mod features;
pub mod mutants;
mod packages;
mod proof;
mod python;
pub mod tidy;
mod tools;
mod workspace;

pub use workspace::root;

/// How a task ends; the error is for the person who ran it.
pub type Outcome = Result<(), String>;

// Here, because this crate may depend on all others and is never packaged, so the path always leads to the file.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
