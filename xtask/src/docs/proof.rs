//! The page of figures: how much was tried, and what it found. The tasks that measure leave their results in
//! `xtask/proof/`, and nobody types a figure.

use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(super) const PAGE: &str = "xtask/PROOF.md";

/// A result, from its file: which command wrote it, and with which version of its tool.
#[derive(Deserialize)]
struct Measured<T> {
    command: String,
    version: String,
    #[serde(alias = "targets", alias = "packages", alias = "crates")]
    rows: Vec<T>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    executions: u64,
    seconds: u64,
    corpus_files: u64,
}

#[derive(Deserialize)]
struct Mutants {
    name: String,
    caught: u64,
    unviable: u64,
    timeout: u64,
    missed: u64,
    /// Of those that were missed: change nothing that anybody could see, each listed with its reason.
    equivalent: u64,
}

#[derive(Deserialize)]
struct Coverage {
    name: String,
    lines: u64,
    covered: u64,
}

/// The whole page.
///
/// # Errors
/// If a file of results cannot be read, or what was counted does not add up.
pub(super) fn page(root: &Path, crates: &str, mock_crates: &str) -> Result<String, String> {
    let fuzz = part(
        read::<Target>(root, "fuzz")?,
        "| fuzz target | executions | seconds | files in the corpus |",
        target,
    )?;
    let mutants = part(
        read::<Mutants>(root, "mutants")?,
        "| package | mutants | killed by a test | killed by a time limit | equivalent | survived | did not compile |",
        mutants,
    )?;
    let coverage =
        part(read::<Coverage>(root, "coverage")?, "| package | lines | covered | of a hundred |", coverage)?;
    let page = format!(
        "<!-- generated: cargo xtask docs -->\n\n# Figures\n\n\
         How much was tried to break the SDK. Nothing here is typed by hand: each part says which command measured it, and\n\
         `cargo xtask docs --check` fails if this page and the results differ. What each of them is, and how to run it, is\n\
         in [CONTRIBUTING.md](../CONTRIBUTING.md).\n\n\
         ## Fuzzing\n\n\
         Random bytes as answers, as requests and as values: none may panic, hang, or be read in two ways.\n\n{fuzz}\n\
         ## Mutants\n\n\
         Changes made to the code on purpose, one at a time; a test must fail for each. One that is *equivalent* changes\n\
         nothing that anybody could see, and is listed with the reason.\n\n{mutants}\n\
         ## Lines covered by tests\n\n{coverage}\n\
         ## Crates in each set of features\n\n\
         {}\n\n{}\n",
        crates.trim(),
        mock_crates.trim(),
    );
    Ok(page)
}

/// `None` if there is no file: it was not measured yet.
fn read<T: DeserializeOwned>(root: &Path, name: &str) -> Result<Option<Measured<T>>, String> {
    let path = format!("xtask/proof/{name}.json");
    let wrong = |error: &dyn std::fmt::Display| format!("cannot read {path}: {error}");
    match std::fs::read_to_string(root.join(&path)) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| wrong(&error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(&error)),
    }
}

fn part<T>(
    measured: Option<Measured<T>>,
    head: &str,
    row: fn(&T) -> Result<String, String>,
) -> Result<String, String> {
    let Some(measured) = measured else { return Ok("Not measured yet.\n".into()) };
    let rule = "|---".repeat(head.matches('|').count() - 1);
    let mut part =
        format!("Measured by `{}` with {}.\n\n{head}\n{rule}|\n", measured.command, measured.version);
    for measured in &measured.rows {
        writeln!(part, "{}", row(measured)?).map_err(|error| error.to_string())?;
    }
    Ok(part)
}

#[expect(clippy::unnecessary_wraps, reason = "one type for all rows")]
fn target(target: &Target) -> Result<String, String> {
    Ok(format!(
        "| `{}` | {} | {} | {} |",
        target.name,
        grouped(target.executions),
        grouped(target.seconds),
        target.corpus_files
    ))
}

#[expect(clippy::unnecessary_wraps, reason = "one type for all rows")]
fn mutants(mutants: &Mutants) -> Result<String, String> {
    let Mutants { name, caught, unviable, timeout, missed, equivalent } = mutants;
    let all = caught + timeout + missed + equivalent;
    Ok(format!("| `{name}` | {all} | {caught} | {timeout} | {equivalent} | {missed} | {unviable} |"))
}

fn coverage(coverage: &Coverage) -> Result<String, String> {
    let Coverage { name, lines, covered } = coverage;
    if covered > lines || *lines == 0 {
        return Err(format!("{name}: {covered} of {lines} lines cannot be covered"));
    }
    // Rounded down, so that only all is 100.
    let tenths = covered * 1000 / lines;
    Ok(format!(
        "| `{name}` | {} | {} | {}.{} |",
        grouped(*lines),
        grouped(*covered),
        tenths / 10,
        tenths % 10
    ))
}

/// With a comma between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let group = |(at, digit): (usize, char)| {
        let is_first_of_group = at > 0 && (digits.len() - at).is_multiple_of(3);
        is_first_of_group.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_become_rows() {
        let text = r#"{"command": "a", "version": "b 1", "packages": [
            {"name": "c", "caught": 10, "unviable": 5, "timeout": 2, "missed": 3, "equivalent": 1}]}"#;
        let part = part(Some(serde_json::from_str(text).unwrap()), "| x | y |", mutants).unwrap();
        assert_eq!(
            part,
            "Measured by `a` with b 1.\n\n| x | y |\n|---|---|\n| `c` | 16 | 10 | 2 | 1 | 3 | 5 |\n"
        );
        let row = target(&Target { name: "t".into(), executions: 1_234_567, seconds: 61, corpus_files: 9 });
        assert_eq!(row.unwrap(), "| `t` | 1,234,567 | 61 | 9 |");
        let row = coverage(&Coverage { name: "t".into(), lines: 2000, covered: 1999 });
        assert_eq!(row.unwrap(), "| `t` | 2,000 | 1,999 | 99.9 |");
    }

    #[test]
    fn what_was_not_measured_is_said_so() {
        assert_eq!(part(None, "| x |", coverage).unwrap(), "Not measured yet.\n");
    }

    #[test]
    fn figures_that_do_not_add_up_are_refused() {
        for (lines, covered) in [(1, 2), (0, 0)] {
            assert!(coverage(&Coverage { name: "a".into(), lines, covered }).is_err());
        }
        assert!(serde_json::from_str::<Measured<Target>>(r#"{"command": "a", "targets": []}"#).is_err());
    }

    #[test]
    fn large_numbers_are_readable() {
        let numbers = [0, 12, 999, 1000, 12_345, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "12", "999", "1,000", "12,345", "1,234,567"]);
    }
}
