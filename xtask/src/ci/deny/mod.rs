//! Step `deny`: licences, duplicate and unwanted crates, where crates come from, and known holes in them.
//!
//! By cargo-deny, as `.cargo/deny.toml` says.

use std::path::Path;
use std::process::Command;

use super::{cargo_like, succeed};
use crate::python::Tool;
use crate::tidy::Tree;
use crate::workspace::target;
use crate::{Outcome, root};

const DENY: Tool = Tool { program: "cargo-deny", requirements: include_str!("requirements.txt") };

pub(super) fn check() -> Outcome {
    let deny = DENY.installed(&target())?;
    run(&deny, &["--locked", "check", "--deny", "warnings", "licenses", "bans", "sources"])?;
    // Workspaces of tools that nobody embeds: whose licence a tool has, and what it builds twice, hurts nobody, but code
    // from anywhere would run on our machines.
    for (folder, _) in Tree::load(&root())?.outsiders() {
        run(&deny, &["--locked", "--manifest-path", &format!("{folder}/Cargo.toml"), "check", "sources"])?;
    }
    advisories(&deny)
}

/// Known holes, crates that nobody looks after, and withdrawn ones.
fn advisories(deny: &Path) -> Outcome {
    let fetched = command(deny, &["fetch", "db"]).output().map_err(|error| error.to_string())?;
    if fetched.status.success() {
        return run(deny, &["--locked", "check", "--disable-fetch", "advisories"]);
    }
    let why = String::from_utf8_lossy(&fetched.stderr);
    // What is not known here is no fault of the change that CI looks at; but nobody may take it for checked.
    eprintln!(
        "advisories were NOT checked, nor whether a version was withdrawn: their database cannot be reached: {}",
        why.trim().lines().last().unwrap_or("no reason given")
    );
    Ok(())
}

fn run(deny: &Path, arguments: &[&str]) -> Outcome {
    let shown = format!("cargo deny {}", arguments.join(" "));
    eprintln!("$ {shown}");
    succeed(&mut command(deny, arguments), &shown)
}

fn command(deny: &Path, arguments: &[&str]) -> Command {
    let mut command = cargo_like(&deny.display().to_string());
    command.args(arguments);
    command
}
