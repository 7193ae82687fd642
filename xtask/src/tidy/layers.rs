//! Dependencies point one way, and the lower layers stay free of I/O, clocks and randomness.
//!
//! Read from the manifests and `Cargo.lock`, not from `cargo metadata`: that needs the sources of every optional
//! dependency for every platform, and this also runs as a plain test, perhaps without a network. The lock file holds
//! all features and platforms at once, so it can only show more dependencies than there are, never fewer.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::{Finding, Tree};

/// What each crate may depend on within the workspace, and what else in its tests.
const LAYERS: [(&str, &[&str], &[&str]); 6] = [
    ("tgscan-types", &[], &[]),
    ("tgscan-core", &["tgscan-types"], &[]),
    // Its tests may run against the mock's server.
    ("tgscan-transport-hyper", &["tgscan-types", "tgscan-core"], &["tgscan-mock"]),
    ("tgscan-mock", &["tgscan-types", "tgscan-core"], &[]),
    // Examples to copy from, held against the mock.
    ("tgscan-mock/blocking", &["tgscan-core"], &["tgscan-mock"]),
    ("tgscan-mock/transports", &["tgscan-core", "tgscan-example-blocking"], &["tgscan-mock"]),
];

/// Crates without I/O, clock or randomness, whatever their features.
const PURE: [&str; 2] = ["tgscan-types", "tgscan-core"];

fn is_impure(name: &str) -> bool {
    let named = ["fastrand", "getrandom", "chrono", "time", "mio", "socket2", "smol", "ureq", "openssl"];
    named.contains(&name)
        || ["tokio", "async-std", "hyper", "rustls", "rand", "reqwest"].iter().any(|p| name.starts_with(p))
        || ["-tls", "-rustls"].iter().any(|suffix| name.ends_with(suffix))
}

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    match Graph::read(tree) {
        Ok(graph) => [directions(tree, &graph), purity(&graph)].concat(),
        Err(problem) => vec![Finding::new("Cargo.lock", problem, "run cargo check")],
    }
}

fn directions(tree: &Tree, graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, _) in tree.members().filter(|(name, _)| *name != "xtask") {
        let Some((_, normal, tests)) = LAYERS.iter().find(|(layer, ..)| *layer == name) else {
            let remedy = "say what it may depend on in xtask/src/tidy/layers.rs";
            findings.push(Finding::new(format!("{name}/Cargo.toml"), "a crate without a layer", remedy));
            continue;
        };
        let direct = &graph.members[name];
        let is_wrong = |other: &String, test: bool| {
            graph.members.contains_key(other)
                && !normal.contains(&other.as_str())
                && !(test && tests.contains(&other.as_str()))
        };
        let wrong = direct.normal.iter().filter(|other| is_wrong(other, false));
        let wrong_in_tests = direct.tests.iter().filter(|other| is_wrong(other, true));
        for other in wrong.chain(wrong_in_tests) {
            findings.push(Finding::new(
                format!("{name}/Cargo.toml"),
                format!("depends on {other}"),
                format!("layers below {name} are [{}]; move the code to where it may be", normal.join(", ")),
            ));
        }
    }
    findings
}

fn purity(graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in PURE {
        for way in graph.reach(name).into_values() {
            // What an impure dependency brings along goes with it.
            if way.iter().position(|reached| is_impure(reached)) == Some(way.len() - 1) {
                findings.push(Finding::new(
                    format!("{name}/Cargo.toml"),
                    format!(
                        "{name} must have no I/O, clock or randomness, but depends on {}",
                        way.join(" → ")
                    ),
                    "leave that dependency to the transports or the mock",
                ));
            }
        }
    }
    findings
}

/// Direct dependencies of a member, by package name.
struct Direct {
    /// Of the crate itself and its build script, with all features, on all platforms.
    normal: BTreeSet<String>,
    tests: BTreeSet<String>,
}

struct Graph {
    members: BTreeMap<String, Direct>,
    /// Dependencies of every package in the lock file, by name; versions of one name are taken together.
    locked: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read(tree: &Tree) -> Result<Self, String> {
        let workspace = parse(tree, "Cargo.toml")?;
        let shared = workspace.get("workspace").and_then(|workspace| workspace.get("dependencies"));
        let mut members = BTreeMap::new();
        for (name, _) in tree.members() {
            let manifest = parse(tree, &format!("{name}/Cargo.toml"))?;
            let direct = |kinds: &[&str]| -> BTreeSet<String> {
                let tables = tables(&manifest, kinds).into_iter().flat_map(|(_, table)| table);
                tables.map(|(key, value)| package(key, value, shared)).collect()
            };
            let normal = direct(&["dependencies", "build-dependencies"]);
            members.insert(name.to_owned(), Direct { normal, tests: direct(&["dev-dependencies"]) });
        }
        let mut locked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let lock = parse(tree, "Cargo.lock")?;
        for package in lock.get("package").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = package.get("name").and_then(Value::as_str) else { continue };
            let dependencies = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
            // "name", or "name version" where there are several versions.
            let names = dependencies.filter_map(|entry| Some(entry.as_str()?.split(' ').next()?.to_owned()));
            locked.entry(name.to_owned()).or_default().extend(names);
        }
        Ok(Self { members, locked })
    }

    /// Every package that `from` depends on, with the way there.
    fn reach(&self, from: &str) -> BTreeMap<String, Vec<String>> {
        let mut reached: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut open = vec![(from.to_owned(), Vec::new())];
        while let Some((name, way)) = open.pop() {
            // A member's entry in the lock file has its tests' dependencies too.
            let next =
                self.members.get(&name).map(|direct| &direct.normal).or_else(|| self.locked.get(&name));
            for other in next.into_iter().flatten() {
                if !reached.contains_key(other) {
                    let way = [way.clone(), vec![other.clone()]].concat();
                    reached.insert(other.clone(), way.clone());
                    open.push((other.clone(), way));
                }
            }
        }
        reached
    }
}

fn parse(tree: &Tree, path: &str) -> Result<Table, String> {
    let text = tree.text(path).ok_or_else(|| format!("{path} is missing"))?;
    text.parse().map_err(|error| format!("{path} cannot be read: {error}"))
}

/// The dependency tables of a manifest, those for single platforms too, with their names.
pub(super) fn tables<'a>(manifest: &'a Table, kinds: &[&'a str]) -> Vec<(&'a str, &'a Table)> {
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let everywhere = std::iter::once(manifest).chain(platforms.filter_map(Value::as_table));
    everywhere
        .flat_map(|table| kinds.iter().filter_map(|kind| Some((*kind, table.get(*kind)?.as_table()?))))
        .collect()
}

/// The package behind a key: a dependency may be renamed, here or in the workspace's table.
fn package(key: &str, value: &Value, shared: Option<&Value>) -> String {
    let renamed = |value: &Value| Some(value.get("package")?.as_str()?.to_owned());
    renamed(value).or_else(|| renamed(shared?.get(key)?)).unwrap_or_else(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Tree {
        Tree::of(&[
            ("Cargo.toml", "[workspace.dependencies]\nquick = { package = \"hyper\", version = \"1\" }\n"),
            ("tgscan-types/Cargo.toml", "[dependencies]\nserde.workspace = true\n"),
            (
                "tgscan-core/Cargo.toml",
                "[dependencies]\ntgscan-types.workspace = true\nhttp.workspace = true\n",
            ),
            (
                "tgscan-mock/Cargo.toml",
                "[dependencies]\ntgscan-core.workspace = true\ntokio.workspace = true\n",
            ),
            (
                "tgscan-transport-hyper/Cargo.toml",
                "[dependencies]\ntgscan-core.workspace = true\n[dev-dependencies]\ntgscan-mock.workspace = true\n",
            ),
            (
                "Cargo.lock",
                "[[package]]\nname = \"http\"\ndependencies = [\"bytes 1.0.0\"]\n\
                 [[package]]\nname = \"bytes\"\n\
                 [[package]]\nname = \"tgscan-core\"\ndependencies = [\"tokio\"]\n",
            ),
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
    fn a_dependency_against_the_direction_is_found() {
        for (path, kind, other) in [
            ("tgscan-types/Cargo.toml", "dependencies", "tgscan-core"),
            ("tgscan-types/Cargo.toml", "dev-dependencies", "tgscan-mock"),
            ("tgscan-core/Cargo.toml", "target.\"cfg(unix)\".build-dependencies", "tgscan-mock"),
            ("tgscan-core/Cargo.toml", "dev-dependencies", "tgscan-mock"),
            ("tgscan-mock/Cargo.toml", "dev-dependencies", "tgscan-transport-hyper"),
            ("tgscan-transport-hyper/Cargo.toml", "build-dependencies", "tgscan-mock"),
        ] {
            let mut tree = sound();
            let manifest = format!("{}[{kind}]\n{other} = {{}}\n", tree.text(path).unwrap());
            // A table may not stand twice.
            let manifest = manifest.replace("serde.workspace = true\n[dependencies]\n", "");
            tree.insert(path, &manifest);
            let found: String = findings(&tree).iter().map(ToString::to_string).collect();
            assert!(found.starts_with(path) && found.contains(&format!("depends on {other}")), "{found}");
        }
    }

    #[test]
    fn an_impure_dependency_is_found_however_deep_and_by_its_real_name() {
        let mut deep = sound();
        deep.replace(
            "Cargo.lock",
            "name = \"bytes\"",
            "name = \"bytes\"\ndependencies = [\"getrandom 0.3.1\"]",
        );
        assert!(only(&deep).contains("http → bytes → getrandom"));

        let mut renamed = sound();
        renamed.replace("tgscan-types/Cargo.toml", "serde.workspace", "quick.workspace");
        let found: Vec<String> = findings(&renamed).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "in both pure crates: {found:?}");
        assert!(found[1].contains("tgscan-types → hyper"), "{found:?}");

        let mut optional = sound();
        let tls =
            "[target.'cfg(windows)'.dependencies]\nnative-tls = { workspace = true, optional = true }\n";
        let manifest = format!("{}{tls}", optional.text("tgscan-core/Cargo.toml").unwrap());
        optional.insert("tgscan-core/Cargo.toml", &manifest);
        assert!(only(&optional).contains("native-tls"));
    }

    #[test]
    fn names_that_only_look_similar_are_pure() {
        for pure in ["httpdate", "tower-service", "timely", "zeroize", "serde"] {
            assert!(!is_impure(pure), "{pure}");
        }
        for impure in
            ["tokio", "tokio-rustls", "hyper-util", "rustls-pki-types", "rand_core", "time", "native-tls"]
        {
            assert!(is_impure(impure), "{impure}");
        }
    }

    #[test]
    fn a_new_crate_needs_a_layer_and_the_lock_file_must_be_there() {
        let mut tree = sound();
        tree.insert("tgscan-extra/Cargo.toml", "");
        assert!(only(&tree).contains("without a layer"));
        let mut tree = sound();
        tree.remove("Cargo.lock");
        assert!(only(&tree).contains("Cargo.lock is missing"));
    }
}
