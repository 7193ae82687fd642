//! Runs the targets: fuzzes, replays and minimises.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::package;
use crate::Outcome;
use crate::workspace::target;

/// What every run of a target holds it to: an answer is small, quick to read and takes little memory.
const LIMITS: [&str; 3] = ["-timeout=5", "-rss_limit_mb=512", "-max_len=4096"];

/// Longest input, in bytes, that is kept in the corpus when it was found and not written by hand.
const LONGEST_KEPT: u64 = 64;

fn committed(name: &str) -> PathBuf {
    package().join("corpus").join(name)
}

/// Where a run leaves what it found, for the next run to go on from.
fn found(name: &str) -> PathBuf {
    target().join("fuzz").join("found").join(name)
}

fn program(programs: &Path, name: &str) -> Command {
    Command::new(programs.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

/// The committed inputs of a target.
pub(super) fn corpus(name: &str) -> Result<Vec<PathBuf>, String> {
    let folder = committed(name);
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    let entries = std::fs::read_dir(&folder).map_err(wrong)?;
    entries.map(|entry| Ok(entry.map_err(wrong)?.path())).collect()
}

/// Runs every input of the corpus, and then new ones for so long; returns how many were run.
pub(super) fn fuzz(programs: &Path, name: &str, seconds: u32, seed: Option<u32>) -> Result<u64, String> {
    let found = match seed {
        // From the same start every time.
        Some(_) => target().join("fuzz").join("seeded").join(name),
        None => found(name),
    };
    if seed.is_some() && found.exists() {
        std::fs::remove_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    }
    std::fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    let failures = target().join("fuzz").join(format!("{name}-"));
    let mut command = program(programs, name);
    command
        .args([&found, &committed(name)])
        .args(LIMITS)
        .arg(format!("-dict={}", package().join("words.dict").display()))
        .args(["-print_final_stats=1", &format!("-max_total_time={seconds}")])
        .arg(format!("-artifact_prefix={}", failures.display()));
    if let Some(seed) = seed {
        command.arg(format!("-seed={seed}"));
    }
    eprintln!("fuzzing {name} for {seconds} s …");
    let output = command.output().map_err(|error| format!("{name} cannot be started: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let end: Vec<&str> = said.lines().rev().take(60).collect();
        let end: Vec<&str> = end.into_iter().rev().collect();
        return Err(format!(
            "{}\nthe fuzz target {name} failed; to run it again: cargo xtask fuzz {name} --input FILE, with the file \
             that is named above; keep it in {}, and mend what it found",
            end.join("\n"),
            committed(name).display(),
        ));
    }
    executions(&said).ok_or_else(|| format!("{name} did not say how many inputs it ran"))
}

fn executions(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")?.trim().parse().ok())
}

/// Runs one input.
pub(super) fn again(programs: &Path, name: &str, input: &Path) -> Outcome {
    let mut command = program(programs, name);
    command.args(LIMITS).arg(input);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} ended with {status}")),
        Err(error) => Err(format!("{name} cannot be started: {error}")),
    }
}

/// Adds to the committed corpus those of the inputs found that reach what none of it reaches yet.
pub(super) fn keep(programs: &Path, name: &str) -> Outcome {
    let short = target().join("fuzz").join("short").join(name);
    let wrong = |error: std::io::Error| format!("the corpus of {name} cannot grow: {error}");
    if short.exists() {
        std::fs::remove_dir_all(&short).map_err(wrong)?;
    }
    std::fs::create_dir_all(&short).map_err(wrong)?;
    for entry in std::fs::read_dir(found(name)).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        if entry.metadata().map_err(wrong)?.len() <= LONGEST_KEPT {
            std::fs::copy(entry.path(), short.join(entry.file_name())).map_err(wrong)?;
        }
    }
    let mut command = program(programs, name);
    // Edges alone: how often each was taken would keep thousands of inputs.
    command.args(["-set_cover_merge=1", "-use_counters=0"]).args(LIMITS).args([&committed(name), &short]);
    let output = command.output().map_err(|error| format!("{name} cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("{}\n{name} cannot be merged", String::from_utf8_lossy(&output.stderr)));
    }
    eprintln!("{name}: {} inputs", corpus(name)?.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_number_of_executions_is_read_from_what_the_fuzzer_says() {
        let said = "Done 12 runs in 2 second(s)\nstat::number_of_executed_units: 12\nstat::peak_rss_mb: 3\n";
        assert_eq!(super::executions(said), Some(12));
        assert_eq!(super::executions("nothing"), None);
    }
}
