//! CI runs what a person runs: its files call `cargo xtask ci` and nothing else of their own.

use super::{Finding, Tree};

const COMMAND: &str = "cargo xtask ci";

/// Lines of `.ci/run` besides the command that only prepare the shell.
const SHELL: [&str; 2] = ["set -euo pipefail", "cd \"$(dirname \"$0\")/..\""];

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    [commands(tree, ".ci/run", shell_commands), commands(tree, ".github/workflows/ci.yml", workflow_commands)]
        .concat()
}

fn commands(tree: &Tree, path: &str, read: fn(&str) -> Vec<&str>) -> Vec<Finding> {
    let Some(text) = tree.text(path) else {
        return vec![Finding::new(path, "is missing", format!("add it; it calls `{COMMAND}`"))];
    };
    let commands = read(text);
    let mut findings: Vec<Finding> = commands
        .iter()
        .filter(|command| **command != COMMAND)
        .map(|command| {
            Finding::new(path, format!("runs `{command}`"), "make it a step of xtask/src/ci/step.rs")
        })
        .collect();
    if !commands.contains(&COMMAND) {
        findings.push(Finding::new(path, format!("does not run `{COMMAND}`"), "let it run that"));
    }
    findings
}

fn shell_commands(text: &str) -> Vec<&str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !SHELL.contains(line))
        .map(|line| line.strip_prefix("exec ").unwrap_or(line))
        .collect()
}

/// What follows `run:`; a block of several lines shows as `|`, and so as a finding.
fn workflow_commands(text: &str) -> Vec<&str> {
    let steps = text.lines().map(|line| line.trim().trim_start_matches("- "));
    steps.filter_map(|line| Some(line.strip_prefix("run:")?.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str =
        "#!/usr/bin/env bash\n# Why.\nset -euo pipefail\ncd \"$(dirname \"$0\")/..\"\nexec cargo xtask ci\n";
    const WORKFLOW: &str =
        "jobs:\n  ci:\n    steps:\n      - uses: actions/checkout@v4\n      - run: cargo xtask ci\n";

    fn sound() -> Tree {
        Tree::of(&[(".ci/run", RUN), (".github/workflows/ci.yml", WORKFLOW)])
    }

    #[test]
    fn the_plain_call_is_sound() {
        assert_eq!(findings(&sound()), []);
    }

    #[test]
    fn other_commands_are_found() {
        for (path, from, to, says) in [
            (".ci/run", "exec", "cargo fmt --check\nexec", "runs `cargo fmt --check`"),
            (".ci/run", "ci\n", "ci --only fmt\n", "runs `cargo xtask ci --only fmt`"),
            (
                ".github/workflows/ci.yml",
                "      - run",
                "      - run: cargo test\n      - run",
                "runs `cargo test`",
            ),
            (".github/workflows/ci.yml", "run: cargo xtask ci", "run: |\n  cargo xtask ci", "runs `|`"),
            (
                ".github/workflows/ci.yml",
                "      - run: cargo xtask ci\n",
                "",
                "does not run `cargo xtask ci`",
            ),
        ] {
            let mut tree = sound();
            tree.replace(path, from, to);
            let found: Vec<String> = findings(&tree).iter().map(ToString::to_string).collect();
            assert!(
                found.iter().any(|finding| finding.starts_with(path) && finding.contains(says)),
                "{found:?}"
            );
        }
        let mut tree = sound();
        tree.remove(".ci/run");
        assert_eq!(findings(&tree)[0].wrong, "is missing");
    }
}
