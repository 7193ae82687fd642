//! Instructions and allocations, counted by the programs beside this one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use super::profile::{self, Shares};

/// How often a subject is done in the shorter and the longer run; the difference leaves out the start.
const TIMES: [u32; 2] = [10, 60];

/// Whether instructions can be counted.
pub(super) fn has_valgrind() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok()
}

/// A program of this package, built together with this one.
fn program(name: &str) -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(here.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

/// Instructions of one time.
pub(super) fn instructions(subject: &str) -> Result<f64, String> {
    Ok(instructions_by_crate(subject)?.values().sum())
}

/// The same, by the crate of the function that they stand in; what is inlined counts where it is inlined.
pub(super) fn instructions_by_crate(subject: &str) -> Result<Shares, String> {
    let file = std::env::temp_dir().join(format!("tgscan-callgrind-{}", std::process::id()));
    let mut shares = Shares::new();
    for (times, sign) in TIMES.into_iter().zip([-1.0, 1.0]) {
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--tool=callgrind", "--quiet"])
            .arg(format!("--callgrind-out-file={}", file.display()));
        run(valgrind.arg(program("instructions")?).args([subject, &times.to_string()]))?;
        let text =
            std::fs::read_to_string(&file).map_err(|error| format!("callgrind wrote nothing: {error}"))?;
        for (name, count) in by_crate(&text)? {
            *shares.entry(name).or_default() += sign * count / f64::from(TIMES[1] - TIMES[0]);
        }
    }
    let _ = std::fs::remove_file(file);
    Ok(shares)
}

/// What callgrind wrote: `fn=(id) name` begins a function, a line with its instructions is `line count`, and that after
/// `calls=` counts for the function that is called. A name is written out the first time only.
fn by_crate(text: &str) -> Result<Shares, String> {
    let (mut names, mut shares) = (BTreeMap::new(), Shares::new());
    let (mut function, mut total) = (String::new(), 0.0);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((kind @ ("fn" | "cfn"), name)) = line.split_once('=') {
            let (id, name) = name.split_once(' ').unwrap_or((name, ""));
            if !name.is_empty() {
                names.insert(id, profile::crate_of(name));
            }
            if kind == "fn" {
                function.clone_from(names.get(id).ok_or("callgrind names no function")?);
            }
        } else if line.starts_with("calls=") {
            lines.next();
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let count = line.split(' ').nth(1).and_then(|count| count.parse::<f64>().ok());
            *shares.entry(function.clone()).or_default() += count.ok_or("callgrind counts nothing")?;
        } else if let Some(found) = line.strip_prefix("totals: ") {
            total = found.trim().parse().map_err(|error| format!("callgrind's total: {error}"))?;
        }
    }
    let sum: f64 = shares.values().sum();
    if total > 0.0 && (sum - total).abs() < 0.5 {
        Ok(shares)
    } else {
        Err(format!("callgrind counts {total} instructions, of which {sum} were found"))
    }
}

/// How often each subject calls the allocator.
pub(super) fn allocations() -> Result<BTreeMap<String, f64>, String> {
    counts("allocations")
}

/// Bytes that decoding has in use at most, and those of the bodies.
pub(super) fn bytes() -> Result<BTreeMap<String, f64>, String> {
    counts("memory")
}

fn counts(name: &str) -> Result<BTreeMap<String, f64>, String> {
    let printed = run(&mut Command::new(program(name)?))?;
    serde_json::from_slice(&printed).map_err(|error| format!("cannot read what {name} prints: {error}"))
}

fn run(command: &mut Command) -> Result<Vec<u8>, String> {
    let shown = format!("{}", command.get_program().display());
    let output = command.output().map_err(|error| format!("{shown} cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{shown} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = "\
events: Ir
fn=(1) hyper::a
16 400
cfn=(2) <tokio::b as core::c>::d
calls=2 10
+3 6000
-2 5
fn=(2)
* 7

fn=(3) malloc
0 1
cfn=(1)
calls=1 0
0 9
totals: 413
";

    #[test]
    fn each_function_counts_for_its_crate_and_not_for_its_callers() {
        let shares = by_crate(WRITTEN).unwrap();
        let found: Vec<_> = shares.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(found, [("hyper", 405.0), ("the allocator", 1.0), ("tokio", 7.0)]);
    }

    #[test]
    fn what_does_not_add_up_is_told() {
        let less = WRITTEN.replace("16 400", "16 399");
        assert!(by_crate(&less).unwrap_err().contains("413 instructions, of which 412"));
        assert!(by_crate("fn=(1)\n").is_err());
    }
}
