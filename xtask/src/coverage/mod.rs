//! `cargo xtask coverage`: which lines the tests of a crate reach, measured with cargo-llvm-cov.
//!
//! Lines of tests do not count. What is left uncovered is printed, line by line, to be tested or explained.

mod lcov;

use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::ci::{cargo_like, output, succeed};
use crate::workspace::target;
use crate::{Outcome, packages, proof, root, tools};

/// The crates whose lines are counted, each by its own tests and those of the crates above it.
const CRATES: [&str; 2] = ["tgscan-types", "tgscan-core"];

/// The version of cargo-llvm-cov.
const VERSION: &str = "0.9.1";

/// Flags of `cargo xtask coverage`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Print the figures alone, without the lines that no test reaches.
    #[arg(long)]
    quiet: bool,
}

/// What is kept of the last run.
#[derive(Deserialize, Serialize)]
struct Figures {
    command: String,
    version: String,
    crates: Vec<Figure>,
}

/// One crate of a run.
#[derive(Deserialize, Serialize)]
struct Figure {
    name: String,
    lines: usize,
    covered: usize,
}

/// Measures, prints what no test reaches, and writes the figures to `xtask/proof/coverage.json`.
///
/// # Errors
/// If a tool cannot be installed, a test fails, or the report cannot be read.
pub fn run(flags: &Flags) -> Outcome {
    let report = measure()?;
    let text = std::fs::read_to_string(&report).map_err(|error| format!("{}: {error}", report.display()))?;
    let files = lcov::read(&text)?;
    let mut crates = Vec::new();
    for name in CRATES {
        let folder = root().join(name).join("src");
        let mut figure = Figure { name: name.into(), lines: 0, covered: 0 };
        for (path, lines) in files.iter().filter(|(path, _)| path.starts_with(&folder)) {
            let source =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let counted = lcov::without_tests(lines, &source);
            figure.lines += counted.len();
            figure.covered += counted.values().filter(|hits| **hits > 0).count();
            let shown = path.strip_prefix(root()).unwrap_or(path).display().to_string();
            for (line, _) in counted.iter().filter(|(_, hits)| **hits == 0 && !flags.quiet) {
                let code = source.lines().nth(line - 1).unwrap_or_default();
                println!("{shown}:{line}: {}", code.trim());
            }
        }
        if figure.lines == 0 {
            return Err(format!("the report has no line of {name}"));
        }
        println!("{name}: {} of {} lines covered", figure.covered, figure.lines);
        crates.push(figure);
    }
    let (command, version) = ("cargo xtask coverage".into(), format!("cargo-llvm-cov {VERSION}"));
    proof::write("coverage", &Figures { command, version, crates })
}

/// Runs the tests with counters; returns the report in LCOV's form.
fn measure() -> Result<PathBuf, String> {
    let tool = tools::installed("cargo-llvm-cov", VERSION)?;
    let report = target().join("coverage.lcov");
    let mut command = cargo_like("cargo");
    // `cargo` finds it by this path, as it would one that is installed for good.
    command.env("PATH", tools::path_with(&tool)?);
    for (name, value) in llvm()? {
        command.env(name, value);
    }
    command.args(["llvm-cov", "--locked", "--all-features", "--lib", "--tests"]);
    for name in CRATES {
        command.args(["--package", name]);
    }
    command.arg("--lcov").arg("--output-path").arg(&report);
    succeed(&mut command, "cargo llvm-cov")?;
    Ok(report)
}

/// LLVM's own programs, which must not be older than the LLVM in the compiler: from rustup's component where it is
/// there, else from Debian's packages.
fn llvm() -> Result<Vec<(&'static str, String)>, String> {
    let about = output(Command::new("rustc").arg("-vV"))?;
    let word =
        |name: &str| about.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let component =
        PathBuf::from(sysroot.trim()).join("lib/rustlib").join(word("host: ")).join("bin/llvm-cov");
    if component.is_file() {
        return Ok(Vec::new());
    }
    let version = word("LLVM version: ");
    let major = version.split('.').next().unwrap_or_default();
    let (cov, profdata, package) =
        (format!("llvm-cov-{major}"), format!("llvm-profdata-{major}"), format!("llvm-{major}"));
    packages::ensure(&[(&cov, &package), (&profdata, &package)])?;
    Ok(vec![("LLVM_COV", cov), ("LLVM_PROFDATA", profdata)])
}
