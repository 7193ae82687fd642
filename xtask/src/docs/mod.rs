//! `cargo xtask docs`: writes the parts of the documentation that follow from the code.
//!
//! They stand between markers in hand-written files, so that a reader of the file sees where they come from.

mod credits;
mod markers;
mod methods;

use std::path::Path;

use clap::Args;

use crate::{Outcome, root};

/// Flags of `cargo xtask docs`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Write nothing; fail if a file is out of date
    #[arg(long)]
    check: bool,
}

/// A file with generated parts.
struct Page {
    path: &'static str,
    /// Names of the parts, and their text.
    parts: Vec<(&'static str, String)>,
}

/// The description of the service for other tools, which the mock's server serves.
const OPENAPI: &str = "tgscan-mock/openapi.json";

/// Writes the generated parts that are out of date, or only checks them.
///
/// # Errors
/// If a file cannot be read or written, or is out of date when checked.
pub fn run(flags: &Flags) -> Outcome {
    if flags.check {
        return check();
    }
    let root = root();
    for (path, text) in outdated(&root)? {
        std::fs::write(root.join(path), text).map_err(|error| format!("cannot write {path}: {error}"))?;
        println!("wrote {path}");
    }
    Ok(())
}

/// Checks that the generated parts are up to date.
///
/// # Errors
/// If one is not: which file, and how to write it.
pub fn check() -> Outcome {
    let outdated: Vec<&str> = outdated(&root())?.into_iter().map(|(path, _)| path).collect();
    if outdated.is_empty() {
        return Ok(());
    }
    Err(format!("out of date: {}; to write it: cargo xtask docs", outdated.join(", ")))
}

/// Files that are out of date, with what should be in them.
fn outdated(root: &Path) -> Result<Vec<(&'static str, String)>, String> {
    let mut outdated = Vec::new();
    for Page { path, parts } in pages(root)? {
        let text = read(root, path)?;
        let current = markers::fill(&text, &parts).map_err(|problem| format!("{path}: {problem}"))?;
        if current != text {
            outdated.push((path, current));
        }
    }
    let openapi = openapi()?;
    if read(root, OPENAPI).ok().as_ref() != Some(&openapi) {
        outdated.push((OPENAPI, openapi));
    }
    Ok(outdated)
}

fn pages(root: &Path) -> Result<Vec<Page>, String> {
    let methods = methods::table(&read(root, methods::CLIENT)?);
    let versions = (rust_version(root, "Cargo.toml")?, rust_version(root, "tgscan-mock/Cargo.toml")?);
    let rust_version = format!("Rust {} or newer; `tgscan-mock` needs {}.", versions.0, versions.1);
    Ok(vec![
        Page { path: "README.md", parts: vec![("methods", methods), ("rust-version", rust_version)] },
        Page { path: "tgscan-core/src/credits.md", parts: credits::parts()? },
    ])
}

/// The oldest Rust that a manifest promises to work with.
fn rust_version(root: &Path, manifest: &str) -> Result<String, String> {
    let text = read(root, manifest)?;
    let version = text.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let version = version.ok_or_else(|| format!("{manifest} has no rust-version"))?;
    Ok(version.trim_matches('"').to_owned())
}

fn openapi() -> Result<String, String> {
    let text = serde_json::to_string_pretty(&tgscan_mock::openapi()).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

fn read(root: &Path, path: &str) -> Result<String, String> {
    std::fs::read_to_string(root.join(path)).map_err(|error| format!("cannot read {path}: {error}"))
}
