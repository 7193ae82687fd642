//! `cargo xtask ci`: runs every check, until the first failure.
//!
//! The steps of [`ORDER`] run in two columns, because many of them mostly wait. The output of the tools in the left column
//! passes through. That of the right column goes to stderr when a command ends, so that it does not split the results of
//! `cargo test` on stdout. Messages of this task go to stderr.

mod step;

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

pub use step::{ORDER, Step};

use crate::{Outcome, remove_package_variables, root, target};

/// Flags of `cargo xtask ci`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Run only this step
    #[arg(long, value_name = "STEP")]
    only: Option<Step>,
}

/// A step that has ended.
struct Ended {
    name: String,
    time: Duration,
    outcome: Outcome,
}

/// Steps that run one after the other.
#[derive(Clone, Copy)]
struct Column<'a> {
    steps: &'a [Step],
    /// Whether the output of a command is printed when it ends.
    is_delayed: bool,
    /// Whether a step of any column has failed.
    has_failed: &'a AtomicBool,
}

/// Runs all steps, or only the one in the flags.
///
/// # Errors
/// Returns the steps that failed, with the commands to run them again.
pub fn run(flags: &Flags) -> Outcome {
    let begin = Instant::now();
    let has_failed = &AtomicBool::new(false);
    let column = |steps, is_delayed| Column { steps, is_delayed, has_failed };
    let ended: Vec<Ended> = match &flags.only {
        Some(step) => column(std::slice::from_ref(step), false).run(),
        None => ORDER
            .iter()
            .flat_map(|[left, right]| run_both(column(left, false), column(right, true)))
            .collect(),
    };
    summarise(&ended, begin.elapsed());
    let failures = ended.iter().filter_map(|Ended { name, outcome, .. }| {
        let problem = outcome.as_ref().err()?;
        Some(format!(
            "\nci failed at step `{name}`: {problem}\nto run it again: cargo xtask ci --only {name}"
        ))
    });
    let failures = failures.collect::<Vec<_>>().join("\n");
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

fn run_both(left: Column<'_>, right: Column<'_>) -> Vec<Ended> {
    thread::scope(|scope| {
        let right = scope.spawn(move || right.run());
        let mut ended = left.run();
        ended.extend(right.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended
    })
}

impl Column<'_> {
    /// Runs the steps, until one of any column fails.
    fn run(self) -> Vec<Ended> {
        let mut ended = Vec::new();
        for step in self.steps {
            if self.has_failed.load(Relaxed) {
                break;
            }
            let name = step.name();
            let start = Instant::now();
            eprintln!("\n=== {name}{} ===", if self.is_delayed { ", beside the other steps" } else { "" });
            let mut outcome = Ok(());
            for line in step.commands() {
                if self.has_failed.load(Relaxed) {
                    // Not counted as run.
                    return ended;
                }
                outcome = self.run_line(line);
                if outcome.is_err() {
                    self.has_failed.store(true, Relaxed);
                    break;
                }
            }
            ended.push(Ended { name, time: start.elapsed(), outcome });
        }
        ended
    }

    fn run_line(self, line: &str) -> Outcome {
        let mut command = command(line)?;
        let status = if self.is_delayed {
            // In a file, because a process that a test left behind would keep a pipe open.
            let path = target().join("ci-delayed.log");
            let status = File::create(&path).and_then(|file| {
                command.stdout(file.try_clone()?).stderr(file).stdin(Stdio::null()).status()
            });
            eprintln!("\n$ {line}\n{}", String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()));
            status
        } else {
            eprintln!("$ {line}");
            command.status()
        };
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("`{line}` ended with {status}")),
            Err(error) => Err(format!("`{line}` cannot be started: {error}")),
        }
    }
}

/// Parses a command line of assignments, a program, and arguments without spaces or quotes.
fn command(line: &str) -> Result<Command, String> {
    let is_assignment = |word: &&str| word.contains('=') && !word.starts_with('-');
    let mut words = line.split_whitespace().peekable();
    let assignments: Vec<&str> = std::iter::from_fn(|| words.next_if(is_assignment)).collect();
    let program = match words.next().ok_or("an empty command")? {
        // This program, without a build: `.ci/run` builds it differently from `cargo xtask`.
        "xtask" => target().join("debug/xtask"),
        program => program.into(),
    };
    let mut command = Command::new(program);
    command.args(words).current_dir(root()).env("CARGO_TARGET_DIR", target()).env("PATH", path()?);
    command.envs(assignments.iter().filter_map(|word| word.split_once('=')));
    remove_package_variables(&mut command);
    Ok(command)
}

/// Returns `PATH` with the tools from `.ci/install` and with `/usr/sbin`, which contains servers.
fn path() -> Result<OsString, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = target().join("tools").join(if cfg!(windows) { "Scripts" } else { "bin" });
    let folders = [tools].into_iter().chain(std::env::split_paths(&path)).chain([PathBuf::from("/usr/sbin")]);
    std::env::join_paths(folders).map_err(|error| format!("PATH cannot be extended: {error}"))
}

fn summarise(ended: &[Ended], total: Duration) {
    eprintln!("\n=== summary ===");
    for Ended { name, time, outcome } in ended {
        let passed = if outcome.is_ok() { "passed" } else { "FAILED" };
        eprintln!("{name:<8}{:>8.1} s  {passed}", time.as_secs_f64());
    }
    eprintln!("{:<8}{:>8.1} s  {} steps run", "total", total.as_secs_f64(), ended.len());
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
