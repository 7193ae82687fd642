//! `cargo xtask mutants`: breaks the code in one place at a time and looks whether a test notices.
//!
//! A mutant that no test notices is killed by a better test, or is listed with the reason why it is no other
//! behaviour. It takes hours, so CI does not run it.

mod survivors;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::ci::cargo_like;
use crate::workspace::target;
use crate::{Outcome, proof, tools};
use survivors::{Equivalent, Mutant};

/// The version of cargo-mutants.
const VERSION: &str = "27.1.0";

/// A package whose code is broken, tested by its own tests.
struct Package {
    name: &'static str,
    /// Which of its files, if not all.
    files: Option<&'static str>,
    features: &'static [&'static str],
}

const PACKAGES: [Package; 3] = [
    Package { name: "tgscan-types", files: None, features: &["--all-features"] },
    Package { name: "tgscan-core", files: None, features: &["--all-features"] },
    Package {
        name: "tgscan-mock",
        files: Some("tgscan-mock/src/engine/**"),
        // All but those that need clients in other languages.
        features: &["--features=cli,conformance,openapi"],
    },
];

/// Flags of `cargo xtask mutants`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Break this package alone.
    #[arg(long, value_parser = PACKAGES.map(|package| package.name))]
    package: Option<String>,
    /// Do not run again: count what the last run left, such as one that was begun by hand.
    #[arg(long)]
    count: bool,
}

/// What is kept of the last run.
#[derive(Deserialize, Serialize)]
struct Figures {
    command: String,
    version: String,
    packages: Vec<Figure>,
}

/// One package of a run.
#[derive(Deserialize, Serialize)]
struct Figure {
    name: String,
    /// A test failed.
    caught: usize,
    /// It does not build.
    unviable: usize,
    /// The tests did not end, which is noticed too.
    timeout: usize,
    /// No test noticed, and nobody has said why.
    missed: usize,
    /// No test can notice, for a reason that is written down.
    equivalent: usize,
}

/// Breaks, tests, and writes how many mutants survived to `xtask/proof/mutants.json`.
///
/// # Errors
/// If the tool cannot be installed or run, if a mutant survives without a reason, or if one that is listed as
/// equivalent does not survive any more.
pub fn run(flags: &Flags) -> Outcome {
    let tool = tools::installed("cargo-mutants", VERSION)?;
    let mut figures = Figures {
        command: "cargo xtask mutants".into(),
        version: format!("cargo-mutants {VERSION}"),
        packages: proof::read("mutants")?.map_or_else(Vec::new, |earlier: Figures| earlier.packages),
    };
    let mut problems = Vec::new();
    let wanted = |package: &&Package| flags.package.as_deref().is_none_or(|only| only == package.name);
    for package in PACKAGES.iter().filter(wanted) {
        let results = target().join("mutants").join(package.name);
        if !flags.count {
            test(&tool, package, &results)?;
        }
        let figure = count(package.name, &results.join("mutants.out"), &mut problems)?;
        figures.packages.retain(|earlier| earlier.name != figure.name);
        figures.packages.push(figure);
    }
    let order = |figure: &Figure| PACKAGES.iter().position(|package| package.name == figure.name);
    figures.packages.retain(|figure| order(figure).is_some());
    figures.packages.sort_by_key(order);
    proof::write("mutants", &figures)?;
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn test(tool: &Path, package: &Package, results: &Path) -> Outcome {
    std::fs::create_dir_all(results).map_err(|error| format!("{}: {error}", results.display()))?;
    let mut command = cargo_like("cargo");
    command.env("PATH", tools::path_with(tool)?);
    // It builds in a copy of its own.
    command.env_remove("CARGO_TARGET_DIR");
    command.args(["mutants", "--colors=never", "--package", package.name]).args(package.features);
    if let Some(files) = package.files {
        command.args(["--file", files]);
    }
    command.arg("--output").arg(results);
    let status = command.status().map_err(|error| format!("cargo mutants cannot be started: {error}"))?;
    match status.code() {
        // All caught; some missed; some without an end.
        Some(0 | 2 | 3) => Ok(()),
        _ => Err(format!("cargo mutants ended with {status}")),
    }
}

/// Counts what a run left, and says what is wrong with it.
fn count(package: &str, results: &Path, problems: &mut Vec<String>) -> Result<Figure, String> {
    let list = |name: &str| -> Result<Vec<Mutant>, String> {
        let path: PathBuf = results.join(format!("{name}.txt"));
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        text.lines().map(Mutant::read).collect()
    };
    let listed = Equivalent::of(package)?;
    let sorted = survivors::sort(list("missed")?, listed);
    for mutant in &sorted.missed {
        problems
            .push(format!("no test notices {mutant}; write one, or say in {} why none can", survivors::LIST));
    }
    for stale in &sorted.stale {
        problems.push(format!("{stale} does not survive any more; remove it from {}", survivors::LIST));
    }
    Ok(Figure {
        name: package.into(),
        caught: list("caught")?.len(),
        unviable: list("unviable")?.len(),
        timeout: list("timeout")?.len(),
        missed: sorted.missed.len(),
        equivalent: sorted.equivalent,
    })
}
