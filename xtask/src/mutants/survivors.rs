//! Mutants that no test noticed, and the list of those that none can notice.

use std::fmt;

use serde::Deserialize;

/// Where the list is kept.
pub(super) const LIST: &str = "xtask/src/mutants/equivalent.toml";

/// A mutant as cargo-mutants prints it, without its line, which moves with every edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    file: String,
    change: String,
}

impl Mutant {
    /// Reads `path:line:column: change`.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        let read = || {
            let (place, change) = line.split_once(": ")?;
            let mut parts = place.rsplitn(3, ':');
            let (_column, _line, file) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Self { file: file.into(), change: change.into() })
        };
        read().ok_or_else(|| format!("cannot read the mutant {line:?}"))
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.change)
    }
}

/// A mutant that behaves as the code does, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Equivalent {
    file: String,
    change: String,
    /// For those who read the list.
    reason: String,
}

impl Equivalent {
    /// The listed mutants of a package.
    pub(super) fn of(package: &str) -> Result<Vec<Self>, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct List {
            #[serde(default)]
            mutant: Vec<Equivalent>,
        }
        let list: List =
            toml::from_str(include_str!("equivalent.toml")).map_err(|error| format!("{LIST}: {error}"))?;
        if let Some(empty) = list.mutant.iter().find(|mutant| mutant.reason.trim().is_empty()) {
            return Err(format!("{LIST}: {} has no reason", empty.change));
        }
        let folder = format!("{package}/");
        Ok(list.mutant.into_iter().filter(|mutant| mutant.file.starts_with(&folder)).collect())
    }
}

/// What is left of the survivors.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sorted {
    pub(super) missed: Vec<Mutant>,
    pub(super) equivalent: usize,
    /// Listed, but not among the survivors.
    pub(super) stale: Vec<Mutant>,
}

/// Each entry of the list stands for one survivor.
pub(super) fn sort(survivors: Vec<Mutant>, listed: Vec<Equivalent>) -> Sorted {
    let mut open: Vec<Mutant> =
        listed.into_iter().map(|listed| Mutant { file: listed.file, change: listed.change }).collect();
    let before = open.len();
    let mut missed = Vec::new();
    for survivor in survivors {
        match open.iter().position(|listed| *listed == survivor) {
            Some(at) => drop(open.swap_remove(at)),
            None => missed.push(survivor),
        }
    }
    Sorted { missed, equivalent: before - open.len(), stale: open }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(change: &str) -> Equivalent {
        Equivalent { file: "a/src/b.rs".into(), change: change.into(), reason: "…".into() }
    }

    #[test]
    fn survivors_are_those_listed_and_those_missed() {
        let survivors = ["a/src/b.rs:7:9: replace > with >= in c", "a/src/b.rs:8:1: delete ! in d"];
        let survivors: Vec<Mutant> = survivors.iter().map(|line| Mutant::read(line).unwrap()).collect();
        let sorted = sort(survivors.clone(), vec![listed("delete ! in d"), listed("delete ! in e")]);
        assert_eq!((&sorted.missed[..], sorted.equivalent), (&survivors[..1], 1));
        assert_eq!(sorted.stale[0].to_string(), "a/src/b.rs: delete ! in e");
        // One entry is not enough for two survivors of the same name.
        let twice = vec![survivors[1].clone(), survivors[1].clone()];
        assert_eq!(sort(twice, vec![listed("delete ! in d")]).missed.len(), 1);
        assert!(Mutant::read("nothing").is_err());
    }

    #[test]
    fn every_listed_mutant_is_of_a_package_that_is_tested_and_has_a_reason() {
        let counted: usize =
            super::super::PACKAGES.iter().map(|package| Equivalent::of(package.name).unwrap().len()).sum();
        let all = include_str!("equivalent.toml").lines().filter(|line| *line == "[[mutant]]").count();
        assert_eq!(counted, all);
    }
}
