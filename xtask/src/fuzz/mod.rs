//! `cargo xtask fuzz`: a fuzzer looks for inputs that break what must always hold.
//!
//! The targets live in `xtask/fuzz`, a package outside of this workspace, so that nobody else builds the fuzzer. They
//! are built with plain cargo: all that `cargo fuzz` adds are flags of the compiler, and of those only the
//! sanitizers need a nightly toolchain. They would find nothing here, since this code forbids `unsafe`.

mod build;
mod run;

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{Outcome, proof, root};

/// The fuzz targets, each with a folder of inputs in `xtask/fuzz/corpus`.
const TARGETS: [&str; 4] = ["response", "request", "values", "decode"];

/// Flags of `cargo xtask fuzz`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Fuzz this target alone.
    #[arg(value_parser = TARGETS)]
    target: Option<String>,
    /// How long to fuzz each target.
    #[arg(long, default_value_t = 300)]
    seconds: u32,
    /// Seed of the inputs; random if there is none.
    #[arg(long)]
    seed: Option<u32>,
    /// Do not fuzz: run the target with this input again, such as one that failed.
    #[arg(long, requires = "target", value_name = "FILE")]
    input: Option<PathBuf>,
    /// Do not fuzz: add to the committed corpus the short inputs found so far that reach what it does not.
    #[arg(long)]
    keep: bool,
}

/// What is kept of the last long run.
#[derive(Deserialize, Serialize)]
struct Figures {
    command: String,
    version: String,
    targets: Vec<Figure>,
}

/// One target of a run.
#[derive(Deserialize, Serialize)]
struct Figure {
    name: String,
    executions: u64,
    seconds: u32,
    corpus_files: usize,
}

/// Fuzzes, and writes how often each target was executed to `xtask/proof/fuzz.json`.
///
/// # Errors
/// If the targets cannot be built, or an input breaks one: which, and how to run it again.
pub fn run(flags: &Flags) -> Outcome {
    let programs = build::programs()?;
    let targets = TARGETS.iter().filter(|name| flags.target.as_deref().is_none_or(|only| only == **name));
    if let (Some(name), Some(input)) = (&flags.target, &flags.input) {
        return run::again(&programs, name, input);
    }
    if flags.keep {
        return targets.into_iter().try_for_each(|name| run::keep(&programs, name));
    }
    let mut figures = Figures {
        command: format!("cargo xtask fuzz --seconds {}", flags.seconds),
        version: format!("libfuzzer-sys {}", build::version()?),
        targets: proof::read("fuzz")?.map_or_else(Vec::new, |earlier: Figures| earlier.targets),
    };
    for name in targets {
        let executions = run::fuzz(&programs, name, flags.seconds, flags.seed)?;
        let corpus_files = run::corpus(name)?.len();
        let figure = Figure { name: (*name).into(), executions, seconds: flags.seconds, corpus_files };
        figures.targets.retain(|earlier| earlier.name != *name);
        figures.targets.push(figure);
    }
    let order = |figure: &Figure| TARGETS.iter().position(|name| *name == figure.name);
    figures.targets.retain(|figure| order(figure).is_some());
    figures.targets.sort_by_key(order);
    proof::write("fuzz", &figures)
}

/// The short form that CI runs: every input of the corpus, then fuzzing for a moment.
///
/// # Errors
/// As [`run`].
pub fn check() -> Outcome {
    let programs = build::programs()?;
    // The same inputs every time, so that a failure is that of a change.
    let one = |name: &str| -> Outcome {
        let executions = run::fuzz(&programs, name, 10, Some(1))?;
        eprintln!("{name}: {} files of the corpus, {executions} executions", run::corpus(name)?.len());
        Ok(())
    };
    // A target keeps one core busy, and the machine of CI has two.
    for pair in TARGETS.chunks(2) {
        std::thread::scope(|scope| {
            let running: Vec<_> = pair.iter().map(|name| scope.spawn(|| one(name))).collect();
            running.into_iter().try_for_each(|target| {
                target.join().unwrap_or_else(|_| Err("a fuzz target could not be run".into()))
            })
        })?;
    }
    Ok(())
}

/// The package of the targets.
fn package() -> PathBuf {
    root().join("xtask").join("fuzz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_its_program_and_its_corpus() {
        let list = |folder: &str| {
            let entries = std::fs::read_dir(package().join(folder)).unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        };
        let mut targets = TARGETS.map(str::to_owned);
        targets.sort();
        assert_eq!(list("fuzz_targets"), targets);
        assert_eq!(list("corpus"), targets);
        for name in TARGETS {
            assert!(!run::corpus(name).unwrap().is_empty(), "{name}");
        }
    }
}
