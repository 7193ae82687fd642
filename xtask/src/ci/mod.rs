//! `cargo xtask ci`: every check, in order, until the first that fails.
//!
//! What the tools print is left alone: the closing lines of `cargo test` on stdout are read by machines. What this
//! task says of its own goes to stderr.

mod deny;
mod msrv;
mod package;
mod parts;
mod semver;
mod step;

use std::process::Command;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

pub(crate) use msrv::{output, promised as rust_version, promised_cargo};
pub use step::Step;
use step::{Job, Run};

use crate::{Outcome, api, contract, docs, features, root, tidy};

/// Flags of `cargo xtask ci`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Run this step alone.
    #[arg(long, value_name = "STEP")]
    only: Option<Step>,
}

/// Runs all steps, or the one that was asked for.
///
/// # Errors
/// If a step fails: which one, and how to run it again.
pub fn run(flags: &Flags) -> Outcome {
    let steps = flags.only.as_ref().map_or(Step::value_variants(), std::slice::from_ref);
    let mut times = Vec::new();
    for step in steps {
        eprintln!("\n=== {} ===", step.name());
        let start = Instant::now();
        let outcome = run_step(*step);
        times.push((step.name(), start.elapsed(), outcome.is_ok()));
        if let Err(problem) = outcome {
            let name = step.name();
            summarise(&times, steps.len());
            return Err(format!(
                "\nci failed at step `{name}`: {problem}\nto run it again: cargo xtask ci --only {name}"
            ));
        }
    }
    summarise(&times, steps.len());
    Ok(())
}

fn run_step(step: Step) -> Outcome {
    step.runs().iter().try_for_each(run_one)
}

fn run_one(run: &Run) -> Outcome {
    match run {
        Run::Msrv => msrv::check(),
        Run::Tidy => tidy::run(),
        Run::Docs => docs::check(),
        Run::Deny => deny::check(),
        Run::Features => features::run(&features::Flags::CI),
        Run::Package => package::check(),
        Run::Semver => semver::check(),
        Run::Api => api::check(),
        Run::Parts => parts::check(),
        Run::Contract => contract::check(),
        Run::Cargo(job) => run_cargo(job),
    }
}

fn run_cargo(job: &Job) -> Outcome {
    eprintln!("$ {job}");
    let mut command = cargo_like("cargo");
    command.args(job.args).envs(job.env.iter().copied());
    succeed(&mut command, &job.to_string())
}

/// A command in the workspace's root that shares one target directory with all others.
pub(crate) fn cargo_like(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    if std::env::var_os("CARGO_TARGET_DIR").is_none() {
        command.env("CARGO_TARGET_DIR", root().join("target"));
    }
    // `cargo run` tells this task about its own package. Build scripts that watch these variables would take the
    // difference for a change and build everything again.
    for (name, _) in std::env::vars_os() {
        let about_me = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_BIN_NAME"
        });
        if about_me {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn succeed(command: &mut Command, shown: &str) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` ended with {status}")),
        Err(error) => Err(format!("`{shown}` cannot be started: {error}")),
    }
}

fn summarise(times: &[(String, Duration, bool)], steps: usize) {
    eprintln!("\n=== summary ===");
    for (name, time, passed) in times {
        eprintln!("{name:<8}{:>8.1} s  {}", time.as_secs_f64(), if *passed { "passed" } else { "FAILED" });
    }
    let total: Duration = times.iter().map(|(_, time, _)| *time).sum();
    eprintln!("{:<8}{:>8.1} s  {} of {steps} steps run", "total", total.as_secs_f64(), times.len());
}
