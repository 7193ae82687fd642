//! Step `features`: every combination of the transport's features builds without a warning.
//!
//! By clippy and not by a plain check, because it denies warnings in this crate alone, without building all others
//! again. Without tests and examples, whose dependencies would turn features on.

use toml::{Table, Value};

use super::{cargo_like, succeed};
use crate::{Outcome, root};

const CRATE: &str = "tgscan-transport-hyper";

pub(super) fn check() -> Outcome {
    let path = format!("{CRATE}/Cargo.toml");
    let text = std::fs::read_to_string(root().join(&path))
        .map_err(|error| format!("cannot read {path}: {error}"))?;
    let features = features(&text).map_err(|problem| format!("{path}: {problem}"))?;
    let combinations = combinations(&features);
    eprintln!("{} combinations of {}", combinations.len(), features.join(", "));
    combinations.iter().try_for_each(|combination| {
        let list = combination.join(",");
        let arguments =
            ["clippy", "--package", CRATE, "--lib", "--locked", "--quiet", "--no-default-features"];
        let shown = format!("cargo {} --features {list:?} -- -D warnings", arguments.join(" "));
        eprintln!("$ {shown}");
        let mut command = cargo_like("cargo");
        command.args(arguments).args(["--features", &list, "--", "-D", "warnings"]);
        succeed(&mut command, &shown)
    })
}

/// All features but `default`, which only names others.
fn features(manifest: &str) -> Result<Vec<String>, String> {
    let manifest: Table = manifest.parse().map_err(|error| format!("cannot be read: {error}"))?;
    let features = manifest.get("features").and_then(Value::as_table).ok_or("has no [features]")?;
    Ok(features.keys().filter(|name| *name != "default").cloned().collect())
}

/// Every subset, the empty one and all of them too.
fn combinations(features: &[String]) -> Vec<Vec<&str>> {
    features.iter().fold(vec![Vec::new()], |subsets, feature| {
        let with = subsets.iter().map(|subset| [subset.as_slice(), &[feature.as_str()]].concat());
        subsets.iter().cloned().chain(with).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subset_once_and_without_default() {
        let features = features("[features]\ndefault = [\"a\"]\na = []\nb = [\"dep:b\"]\n").unwrap();
        assert_eq!(features, ["a", "b"]);
        assert_eq!(combinations(&features), [vec![], vec!["a"], vec!["b"], vec!["a", "b"]]);
    }
}
