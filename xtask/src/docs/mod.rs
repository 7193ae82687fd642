//! `cargo xtask docs`: writes the parts of the documentation that follow from the code.
//!
//! They stand between markers in hand-written files, so that a reader of the file sees where they come from.

mod crates;
mod credits;
mod markers;
mod methods;
mod proof;

use std::path::Path;

use clap::Args;

use crate::{Outcome, ci, root};

/// Flags of `cargo xtask docs`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Write nothing; fail if a file is not current.
    #[arg(long)]
    check: bool,
}

/// A file with generated parts.
struct Page {
    path: &'static str,
    /// Names of the parts, and what stands in them.
    parts: Vec<(&'static str, String)>,
}

/// Tables that stand on more than one page.
struct Counts {
    crates: String,
    mock_crates: String,
}

fn pages(root: &Path, counts: &Counts) -> Result<Vec<Page>, String> {
    let methods = methods::table(&read(root, methods::CLIENT)?);
    let rust_version = format!("Rust {} or newer.", ci::rust_version()?);
    Ok(vec![
        Page {
            path: "README.md",
            parts: vec![
                ("methods", methods),
                ("crates", counts.crates.clone()),
                ("mock-crates", counts.mock_crates.clone()),
                ("rust-version", rust_version),
            ],
        },
        Page { path: "tgscan-core/src/credits.md", parts: credits::parts()? },
    ])
}

fn read(root: &Path, path: &str) -> Result<String, String> {
    std::fs::read_to_string(root.join(path)).map_err(|error| format!("cannot read {path}: {error}"))
}

/// The description of the service for other tools, which the mock's server serves.
const OPENAPI: &str = "tgscan-mock/openapi.json";

fn openapi() -> Result<String, String> {
    let text = serde_json::to_string_pretty(&tgscan_mock::openapi()).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

/// Files that are not current, with what should be in them.
fn outdated(root: &Path) -> Result<Vec<(&'static str, String)>, String> {
    let mut outdated = Vec::new();
    let counts = Counts { crates: crates::of_transport()?, mock_crates: crates::of_mock()? };
    for Page { path, parts } in pages(root, &counts)? {
        let text = read(root, path)?;
        let current = markers::fill(&text, &parts).map_err(|problem| format!("{path}: {problem}"))?;
        if current != text {
            outdated.push((path, current));
        }
    }
    // Whole files, which may not be there yet.
    let proof = proof::page(root, &counts.crates, &counts.mock_crates)?;
    for (path, text) in [(OPENAPI, openapi()?), (proof::PAGE, proof)] {
        if read(root, path).ok().as_ref() != Some(&text) {
            outdated.push((path, text));
        }
    }
    Ok(outdated)
}

/// Writes the generated parts, or only checks them.
///
/// # Errors
/// If a file cannot be read or written, or is not current when checked.
pub fn run(flags: &Flags) -> Outcome {
    if flags.check {
        return check();
    }
    write()
}

/// Writes the generated parts that are not current.
///
/// # Errors
/// If a file cannot be read or written.
pub fn write() -> Outcome {
    let root = root();
    for (path, text) in outdated(&root)? {
        std::fs::write(root.join(path), text).map_err(|error| format!("cannot write {path}: {error}"))?;
        println!("wrote {path}");
    }
    Ok(())
}

/// Checks that the generated parts are current.
///
/// # Errors
/// If one is not: which file, and how to write it.
pub fn check() -> Outcome {
    let outdated: Vec<&str> = outdated(&root())?.into_iter().map(|(path, _)| path).collect();
    if outdated.is_empty() {
        return Ok(());
    }
    Err(format!("not current: {}; to write it: cargo xtask docs", outdated.join(", ")))
}
