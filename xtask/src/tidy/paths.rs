//! No file names a place on somebody's machine.

use super::{Finding, Tree};

/// Top-level folders that only exist, or only mean something, on one machine.
const FOLDERS: [&str; 5] = ["root", "home", "work", "tmp", "Users"];

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in tree.files() {
        for (number, line) in text.lines().enumerate() {
            for folder in FOLDERS.iter().filter(|folder| names(line, folder)) {
                let wrong = format!("names a place on one machine: /{folder}");
                findings.push(Finding::at(file, number, wrong, "use a path from the workspace's root"));
            }
        }
    }
    findings
}

/// Whether `/folder` stands in the line as the start of a path.
fn names(line: &str, folder: &str) -> bool {
    let path = format!("/{folder}");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + path.len()..].chars().next();
        let inside =
            |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '}' | ')' | '*' | '~');
        !before.is_some_and(inside)
            && !after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_are_found_in_any_file() {
        for folder in FOLDERS {
            for line in [format!("see /{folder}/me/x"), format!("\"/{folder}\""), format!("cd /{folder}")] {
                let found = findings(&Tree::of(&[("a.md", &format!("one\n{line}\n"))]));
                assert_eq!(found.len(), 1, "{line}");
                assert!(
                    found[0]
                        .to_string()
                        .starts_with(&format!("a.md:2: names a place on one machine: /{folder}"))
                );
            }
        }
    }

    #[test]
    fn other_paths_are_left_alone() {
        for folder in FOLDERS {
            let harmless = [
                format!(".github/{folder}flows/ci.yml"),
                format!("https://example.com/{folder}/x"),
                format!("target/{folder}"),
                format!("/{folder}stead"),
                format!("and/or/{folder}"),
            ];
            for line in harmless {
                assert_eq!(findings(&Tree::of(&[("a.md", &line)])), [], "{line}");
            }
        }
    }
}
