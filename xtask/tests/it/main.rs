//! The workspace as it is keeps its own rules.

mod demo;

use xtask::tidy::{self, Tree};

#[test]
fn the_house_rules_hold() {
    let tree = Tree::load(&xtask::root()).unwrap();
    let findings: Vec<String> = tidy::findings(&tree).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn the_generated_documentation_is_current() {
    xtask::docs::check().unwrap();
}
