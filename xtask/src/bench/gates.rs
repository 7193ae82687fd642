//! Counts instructions and allocations, and holds them against `xtask/bench/limits.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use super::limits::{Count, Counts, Limit, Limits};
use super::{MANIFEST, program};
use crate::ci::{cargo_like, succeed};
use crate::workspace::target;
use crate::{Outcome, root};

/// The file of limits.
const LIMITS: &str = "xtask/bench/limits.toml";

/// How often a subject is done in the shorter and the longer run under callgrind. The difference leaves out the start
/// of the program, and what is set up at first use.
const TIMES: [u32; 2] = [10, 60];

pub(super) fn check() -> Outcome {
    let wrong = |error: &dyn std::fmt::Display| format!("cannot read {LIMITS}: {error}");
    let text = std::fs::read_to_string(root().join(LIMITS)).map_err(|error| wrong(&error))?;
    let limits: Limits = toml::from_str(&text).map_err(|error| wrong(&error))?;
    build()?;
    let mut counts = printed("allocations", Count::Allocations)?;
    counts.extend(printed("memory", Count::Bytes)?);
    let has_callgrind = Command::new("valgrind").arg("--version").output().is_ok();
    if has_callgrind {
        let of_instructions = limits.limit.iter().filter(|limit| limit.count == Count::Instructions);
        let subjects: BTreeSet<&String> = of_instructions.flat_map(Limit::subjects).collect();
        for (number, subject) in subjects.iter().enumerate() {
            eprintln!("[{}/{}] counting instructions of {subject} …", number + 1, subjects.len());
            counts.insert((Count::Instructions, (*subject).clone()), instructions(subject)?);
        }
    }
    let mut exceeded = 0;
    for limit in &limits.limit {
        if limit.count == Count::Instructions && !has_callgrind {
            continue;
        }
        let figure = limit.figure(&counts)?;
        println!("{}", limit.row(figure));
        exceeded += usize::from(!limit.allows(figure));
    }
    if !has_callgrind {
        eprintln!(
            "valgrind is not installed, so the limits of instructions were NOT checked, only allocations"
        );
    }
    match exceeded {
        0 => Ok(()),
        _ => Err(format!("limits exceeded: {exceeded}; make it cheaper, or change {LIMITS} and say why")),
    }
}

/// Without the peers, which are not limited.
fn build() -> Outcome {
    let bins = ["--bin", "allocations", "--bin", "memory", "--bin", "instructions"];
    let mut command = cargo_like("cargo");
    command.args(["build", "--release", "--locked", "--no-default-features", "--manifest-path", MANIFEST]);
    succeed(command.args(bins), "cargo build of the measuring package")
}

/// What a program prints that counts all its subjects in one run.
fn printed(name: &str, count: Count) -> Result<Counts, String> {
    let printed = output(&mut Command::new(program(name)))?;
    let counts: BTreeMap<String, u32> = serde_json::from_slice(&printed)
        .map_err(|error| format!("cannot read what {name} prints: {error}"))?;
    Ok(counts.into_iter().map(|(subject, figure)| ((count, subject), f64::from(figure))).collect())
}

/// Instructions of one time.
fn instructions(subject: &str) -> Result<f64, String> {
    let file = target().join("callgrind.out");
    let mut totals = [0.0; 2];
    for (total, times) in totals.iter_mut().zip(TIMES) {
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--tool=callgrind", "--quiet"])
            .arg(format!("--callgrind-out-file={}", file.display()));
        valgrind.arg(program("instructions")).args([subject, &times.to_string()]);
        output(&mut valgrind)?;
        *total = read_total(&file)?;
    }
    Ok((totals[1] - totals[0]) / f64::from(TIMES[1] - TIMES[0]))
}

/// The line `totals: 123` of callgrind's output.
fn read_total(file: &Path) -> Result<f64, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read what callgrind wrote: {error}"))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.ok_or_else(|| "callgrind wrote no total".into())
}

fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let shown = format!("{}", command.get_program().display());
    let output = command.output().map_err(|error| format!("{shown} cannot be started: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{shown} ended with {}: {why}", output.status));
    }
    Ok(output.stdout)
}
