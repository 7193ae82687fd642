//! `cargo xtask tidy`: the house rules that no compiler checks.
//!
//! Each rule is a function from the files to its findings, so that its tests can feed it broken files.

mod ci_files;
mod layers;
mod manifests;
mod methods;
mod pages;
mod paths;
mod privacy;
mod rust;
mod source;
mod supply;
mod tree;

use std::fmt;

pub(crate) use methods::type_name;
pub(crate) use rust::test_lines;
pub use tree::Tree;

use crate::{Outcome, root};

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where: the file, with its line if there is one.
    pub place: String,
    /// What is wrong.
    pub wrong: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    fn new(place: impl Into<String>, wrong: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { place: place.into(), wrong: wrong.into(), remedy: remedy.into() }
    }

    /// In a line, counted from 0.
    fn at(file: &str, line: usize, wrong: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(format!("{file}:{}", line + 1), wrong, remedy)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.wrong, self.remedy)
    }
}

/// All findings of all rules.
pub fn findings(tree: &Tree) -> Vec<Finding> {
    let methods = tgscan_types::registry::infos();
    [
        layers::findings(tree),
        methods::findings(tree, &methods),
        manifests::findings(tree),
        source::findings(tree),
        paths::findings(tree),
        pages::findings(tree),
        privacy::findings(tree),
        ci_files::findings(tree),
        supply::findings(tree),
    ]
    .concat()
}

/// Checks the workspace.
///
/// # Errors
/// If a rule is broken; the findings are printed.
pub fn run() -> Outcome {
    let findings = findings(&Tree::load(&root())?);
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(format!("findings: {count}; the rules are in CONTRIBUTING.md")),
    }
}
