//! Instructions and allocations, counted by the programs beside this one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

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
    let file = std::env::temp_dir().join(format!("tgscan-callgrind-{}", std::process::id()));
    let mut totals = [0.0; 2];
    for (total, times) in totals.iter_mut().zip(TIMES) {
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--tool=callgrind", "--quiet"])
            .arg(format!("--callgrind-out-file={}", file.display()));
        run(valgrind.arg(program("instructions")?).args([subject, &times.to_string()]))?;
        let text =
            std::fs::read_to_string(&file).map_err(|error| format!("callgrind wrote nothing: {error}"))?;
        let found = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
        *total = found.ok_or("callgrind wrote no total")?;
    }
    let _ = std::fs::remove_file(file);
    Ok((totals[1] - totals[0]) / f64::from(TIMES[1] - TIMES[0]))
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
