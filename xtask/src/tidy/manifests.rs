//! Every dependency and every feature says why it is there, and versions stand in one place.

use toml::Table;

use super::layers::tables;
use super::{Finding, Tree};

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let workspace = tree.text("Cargo.toml").unwrap_or_default();
    let mut findings = without_reason("Cargo.toml", workspace, "workspace.dependencies");
    // They have versions of their own, but reasons like all others.
    for (name, text) in tree.outsiders() {
        findings.extend(without_reason(&format!("{name}/Cargo.toml"), text, "dependencies"));
    }
    for (name, text) in tree.members() {
        let path = format!("{name}/Cargo.toml");
        findings.extend(without_workspace(&path, text));
        for entry in Section::read(text, "features").unexplained() {
            let wrong = format!("the feature {} is not explained", entry.name);
            findings.push(Finding::at(
                &path,
                entry.line,
                wrong,
                "say in a comment above it what it turns on",
            ));
        }
    }
    findings
}

fn without_reason(path: &str, manifest: &str, section: &str) -> Vec<Finding> {
    let section = Section::read(manifest, section);
    // Our own crates need no reason.
    let entries = section.unexplained_by_group().filter(|entry| !entry.name.starts_with("tgscan-"));
    let found = entries.map(|entry| {
        let wrong = format!("the dependency {} has no reason", entry.name);
        Finding::at(path, entry.line, wrong, "say in a comment above it what it is for")
    });
    found.collect()
}

fn without_workspace(path: &str, text: &str) -> Vec<Finding> {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::new(path, format!("cannot be read: {error}"), "mend it")],
    };
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let all = tables(&manifest, &kinds).into_iter().flat_map(|(kind, table)| {
        table.iter().map(move |(name, value)| (kind, name, value.get("workspace")))
    });
    all.filter(|(_, _, workspace)| workspace.and_then(toml::Value::as_bool) != Some(true))
        .map(|(kind, name, _)| {
            let remedy = "put it into [workspace.dependencies], and `workspace = true` here";
            Finding::new(path, format!("{name} in [{kind}] does not come from the workspace"), remedy)
        })
        .collect()
}

struct Entry<'a> {
    name: &'a str,
    line: usize,
    /// A comment stands on the line above.
    is_explained: bool,
    /// Which of the blocks between empty lines it stands in.
    block: usize,
}

/// A section with its comments. By hand, because a parser of values drops them.
#[derive(Default)]
struct Section<'a> {
    entries: Vec<Entry<'a>>,
    /// How many comments stand in each block.
    comments: Vec<usize>,
}

impl<'a> Section<'a> {
    fn read(manifest: &'a str, section: &str) -> Self {
        let mut read = Self { entries: Vec::new(), comments: vec![0] };
        let (mut is_inside, mut is_explained) = (false, false);
        // Open brackets of a value that goes on over several lines.
        let mut depth = 0_usize;
        for (line, text) in manifest.lines().enumerate() {
            let text = text.trim();
            let block = read.comments.len() - 1;
            if depth > 0 {
                // Still inside a value.
            } else if text.is_empty() {
                is_explained = false;
                read.comments.push(0);
            } else if text.starts_with('#') {
                read.comments[block] += usize::from(!is_explained);
                is_explained = true;
            } else if let Some(header) = text.strip_prefix('[') {
                let name = header.split(']').next().unwrap_or_default();
                is_inside = name == section;
                // `[workspace.dependencies.serde]` is an entry too.
                if let Some(name) = name.strip_prefix(section).and_then(|name| name.strip_prefix('.')) {
                    read.entries.push(Entry { name, line, is_explained, block });
                }
                is_explained = false;
                continue;
            } else if is_inside {
                let name = text.split(['=', '.', ' ']).next().unwrap_or_default();
                read.entries.push(Entry { name, line, is_explained, block });
                is_explained = false;
            }
            depth =
                (depth + text.matches(['[', '{']).count()).saturating_sub(text.matches([']', '}']).count());
        }
        read
    }

    /// Entries without a comment right above.
    fn unexplained(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().filter(|entry| !entry.is_explained)
    }

    /// Entries with neither a comment right above nor one above the group: a block with no other comment.
    fn unexplained_by_group(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.unexplained().filter(|entry| {
            let is_head = |head: &&Entry<'_>| head.block == entry.block && head.line < entry.line;
            let head = self.entries.iter().find(is_head);
            self.comments[entry.block] != 1 || !head.is_some_and(|head| head.is_explained)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = "[workspace.dependencies]\ntgscan-core = { path = \"tgscan-core\" }\n\n\
        # Why both.\na = \"1\"\nb = { version = \"1\", features = [\n  \"x\",\n] }\n\n# Why.\nc = \"1\"\n";
    const MEMBER: &str = "[features]\n# Nothing.\ndefault = []\n# More.\nx = [\n  \"dep:a\",\n]\n\n\
        [dependencies]\na = { workspace = true, optional = true }\nb.workspace = true\n";

    fn sound() -> Tree {
        Tree::of(&[("Cargo.toml", WORKSPACE), ("m/Cargo.toml", MEMBER)])
    }

    fn only(tree: &Tree) -> String {
        let findings = findings(tree);
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings[0].to_string()
    }

    #[test]
    fn sound_manifests_have_no_findings() {
        assert_eq!(findings(&sound()), []);
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        for (from, to, says) in [
            ("# Why.\n", "", "Cargo.toml:10: the dependency c has no reason"),
            (
                "c = \"1\"\n",
                "c = \"1\"\n# Not why c.\nd = \"1\"\ne = \"1\"\n",
                "the dependency e has no reason",
            ),
            ("c = \"1\"\n", "c = \"1\"\n\nd = \"1\"\n# Why.\ne = \"1\"\n", "the dependency d has no reason"),
            ("# Why.\n", "\n", "the dependency c has no reason"),
            ("a = \"1\"\nb", "a = \"1\"\n\nb", "the dependency b has no reason"),
            (
                "# Why.\nc = \"1\"",
                "[workspace.dependencies.c]\nversion = \"1\"",
                "the dependency c has no reason",
            ),
        ] {
            let mut tree = sound();
            tree.replace("Cargo.toml", from, to);
            let found = only(&tree);
            assert!(found.contains(says), "{found}");
        }
    }

    #[test]
    fn a_workspace_of_its_own_has_its_own_versions_but_reasons_too() {
        let mut tree = sound();
        tree.insert("x/bench/Cargo.toml", "[workspace]\n[dependencies]\n# Why.\na = \"1\"\n");
        assert_eq!(findings(&tree), []);
        tree.replace("x/bench/Cargo.toml", "# Why.\n", "");
        assert!(only(&tree).starts_with("x/bench/Cargo.toml:3: the dependency a has no reason"));
    }

    #[test]
    fn a_feature_without_a_comment_is_found() {
        let mut tree = sound();
        tree.replace("m/Cargo.toml", "# More.\n", "");
        assert!(only(&tree).starts_with("m/Cargo.toml:4: the feature x is not explained"));
    }

    #[test]
    fn a_version_outside_the_workspace_is_found() {
        for wrong in ["b = \"1\"", "b = { version = \"1\" }", "b.path = \"../b\"", "b.workspace = false"] {
            let mut tree = sound();
            tree.replace("m/Cargo.toml", "b.workspace = true", wrong);
            assert!(only(&tree).contains("b in [dependencies] does not come from the workspace"));
        }
        let mut tree = sound();
        tree.replace(
            "m/Cargo.toml",
            "[dependencies]",
            "[target.'cfg(unix)'.dev-dependencies]\nc = \"1\"\n[dependencies]",
        );
        assert!(only(&tree).contains("c in [dev-dependencies]"));
    }
}
