//! `cargo xtask ci`: runs every check, in order, until the first failure.
//!
//! Passes the output of the tools through, because CI reads the last lines of `cargo test` on stdout. Messages of this task go
//! to stderr.

mod step;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

pub use step::Step;

use crate::{Outcome, root, target};

/// Flags of `cargo xtask ci`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Run only this step
    #[arg(long, value_name = "STEP")]
    only: Option<Step>,
}

/// Runs all steps, or only the one in the flags.
///
/// # Errors
/// Returns the step that failed, with the command to run it again.
pub fn run(flags: &Flags) -> Outcome {
    let steps = flags.only.as_ref().map_or(Step::value_variants(), std::slice::from_ref);
    let mut times = Vec::new();
    for step in steps {
        let name = step.name();
        eprintln!("\n=== {name} ===");
        let start = Instant::now();
        let outcome = step.commands().iter().try_for_each(|line| run_line(line));
        times.push((name.clone(), start.elapsed(), outcome.is_ok()));
        if let Err(problem) = outcome {
            summarise(&times, steps.len());
            return Err(format!(
                "\nci failed at step `{name}`: {problem}\nto run it again: cargo xtask ci --only {name}"
            ));
        }
    }
    summarise(&times, steps.len());
    Ok(())
}

fn run_line(line: &str) -> Outcome {
    eprintln!("$ {line}");
    match command(line)?.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` ended with {status}")),
        Err(error) => Err(format!("`{line}` cannot be started: {error}")),
    }
}

/// Parses a command line of assignments, a program, and arguments without spaces or quotes.
fn command(line: &str) -> Result<Command, String> {
    let is_assignment = |word: &&str| word.contains('=') && !word.starts_with('-');
    let mut words = line.split_whitespace().peekable();
    let assignments: Vec<&str> = std::iter::from_fn(|| words.next_if(is_assignment)).collect();
    let mut command = Command::new(words.next().ok_or("an empty command")?);
    command.args(words).current_dir(root()).env("CARGO_TARGET_DIR", target()).env("PATH", path()?);
    command.envs(assignments.iter().filter_map(|word| word.split_once('=')));
    // `cargo run` sets variables about this package. Build scripts that watch them would rerun and cause rebuilds.
    for (name, _) in std::env::vars_os() {
        let describes_xtask = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_BIN_NAME"
        });
        if describes_xtask {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Returns `PATH` with the tools from `.ci/install` and with `/usr/sbin`, which contains servers.
fn path() -> Result<OsString, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = target().join("tools").join(if cfg!(windows) { "Scripts" } else { "bin" });
    let folders = [tools].into_iter().chain(std::env::split_paths(&path)).chain([PathBuf::from("/usr/sbin")]);
    std::env::join_paths(folders).map_err(|error| format!("PATH cannot be extended: {error}"))
}

fn summarise(times: &[(String, Duration, bool)], steps: usize) {
    eprintln!("\n=== summary ===");
    for (name, time, passed) in times {
        eprintln!("{name:<8}{:>8.1} s  {}", time.as_secs_f64(), if *passed { "passed" } else { "FAILED" });
    }
    let total: Duration = times.iter().map(|(_, time, _)| *time).sum();
    eprintln!("{:<8}{:>8.1} s  {} of {steps} steps run", "total", total.as_secs_f64(), times.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_line_into_variables_program_and_arguments() {
        let command = command("A=1 B=-x cargo test --features=a -- b=c").unwrap();
        assert_eq!(command.get_program(), "cargo");
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["test", "--features=a", "--", "b=c"]);
        for (name, value) in [("A", "1"), ("B", "-x")] {
            assert!(command.get_envs().any(|(n, v)| n == name && v == Some(value.as_ref())), "{name}");
        }
    }
}
