//! What a program takes in with the SDK: no build script, no unsafe code, locked versions, and few exceptions.

use toml::{Table, Value};

use super::{Finding, Tree};

const DENY: &str = ".cargo/deny.toml";

/// The most crates that may stand twice in the lock file. Not to be raised for comfort: each is compiled twice by
/// everybody who builds it.
const MOST_TWICE: usize = 3;

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !tree.has("Cargo.lock") {
        findings.push(Finding::new(
            "Cargo.lock",
            "is missing",
            "commit it, so that everybody builds the same",
        ));
    }
    let workspace = tree.text("Cargo.toml").and_then(|text| text.parse::<Table>().ok()).unwrap_or_default();
    let level =
        workspace.get("workspace").and_then(|table| table.get("lints")?.get("rust")?.get("unsafe_code"));
    if level.and_then(Value::as_str) != Some("forbid") {
        findings.push(Finding::new(
            "Cargo.toml",
            "unsafe code is not forbidden",
            "`unsafe_code = \"forbid\"`",
        ));
    }
    for (name, text) in tree.members() {
        findings.extend(member(tree, name, &text.parse().unwrap_or_default()));
    }
    findings.extend(exceptions(tree.text(DENY).unwrap_or_default()));
    findings
}

fn member(tree: &Tree, name: &str, manifest: &Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    let path = format!("{name}/Cargo.toml");
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
    if lints != Some(true) {
        let remedy = "`lints.workspace = true`, so that unsafe code is forbidden here too";
        findings.push(Finding::new(&path, "does not take the workspace's lints", remedy));
    }
    let is_named = manifest.get("package").is_some_and(|package| package.get("build").is_some());
    let needs_crates =
        super::layers::tables(manifest, &["build-dependencies"]).iter().any(|(_, t)| !t.is_empty());
    if is_named || needs_crates || tree.has(&format!("{name}/build.rs")) {
        let remedy = "do without: a build script runs on the machine of everybody who builds the crate";
        findings.push(Finding::new(path, "has a build script", remedy));
    }
    findings
}

fn exceptions(deny: &str) -> Vec<Finding> {
    let deny: Table = match deny.parse() {
        Ok(deny) => deny,
        Err(error) => return vec![Finding::new(DENY, format!("cannot be read: {error}"), "mend it")],
    };
    let Some(bans) = deny.get("bans") else {
        return vec![Finding::new(DENY, "has no [bans]", "say what may stand twice")];
    };
    let mut findings = Vec::new();
    let skipped = bans.get("skip").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if skipped.len() > MOST_TWICE || bans.get("skip-tree").is_some() {
        let wrong = format!("lets more than {MOST_TWICE} crates stand twice");
        findings.push(Finding::new(DENY, wrong, "raise or lower a dependency until one version is left"));
    }
    for skip in
        skipped.iter().filter(|skip| skip.get("reason").and_then(Value::as_str).is_none_or(str::is_empty))
    {
        let name = skip.get("crate").or(Some(skip)).and_then(Value::as_str).unwrap_or("a crate");
        findings.push(Finding::new(DENY, format!("skips {name} without a reason"), "add `reason = \"…\"`"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKIP: &str = "{ crate = \"a@1\", reason = \"b\" }";

    fn sound() -> Tree {
        Tree::of(&[
            ("Cargo.lock", ""),
            ("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"),
            ("a/Cargo.toml", "[package]\nname = \"a\"\n[lints]\nworkspace = true\n"),
            (DENY, &format!("[bans]\nskip = [{SKIP}]\n")),
        ])
    }

    fn only(tree: &Tree) -> String {
        let findings = findings(tree);
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings[0].to_string()
    }

    #[test]
    fn a_sound_workspace_has_no_findings() {
        assert_eq!(findings(&sound()), []);
    }

    #[test]
    fn unsafe_code_and_loose_versions_are_found() {
        let mut tree = sound();
        tree.replace("Cargo.toml", "forbid", "deny");
        assert!(only(&tree).contains("unsafe code is not forbidden"));
        let mut tree = sound();
        tree.replace("a/Cargo.toml", "true", "false");
        assert!(only(&tree).starts_with("a/Cargo.toml: does not take the workspace's lints"));
        let mut tree = sound();
        tree.remove("Cargo.lock");
        assert!(only(&tree).starts_with("Cargo.lock: is missing"));
    }

    #[test]
    fn build_scripts_are_found() {
        let mut tree = sound();
        tree.insert("a/build.rs", "fn main() {}\n");
        assert!(only(&tree).contains("has a build script"));
        for (from, to) in [
            ("name", "build = \"x.rs\"\nname"),
            ("[lints]", "[build-dependencies]\nb.workspace = true\n[lints]"),
            ("[lints]", "[target.'cfg(unix)'.build-dependencies]\nb.workspace = true\n[lints]"),
        ] {
            let mut tree = sound();
            tree.replace("a/Cargo.toml", from, to);
            assert!(only(&tree).contains("has a build script"), "{to}");
        }
    }

    #[test]
    fn exceptions_stay_few_and_have_reasons() {
        for (to, says) in [
            (format!("[{SKIP}, {SKIP}, {SKIP}, {SKIP}]"), "more than 3 crates stand twice"),
            (format!("[{SKIP}]\nskip-tree = [{SKIP}]"), "more than 3 crates stand twice"),
            ("[{ crate = \"a@1\" }]".into(), "without a reason"),
            ("[\"a@1\"]".into(), "without a reason"),
        ] {
            let mut tree = sound();
            tree.replace(DENY, &format!("[{SKIP}]"), &to);
            assert!(only(&tree).contains(says), "{to}");
        }
        let mut tree = sound();
        tree.remove(DENY);
        assert!(only(&tree).contains("has no [bans]"));
    }
}
