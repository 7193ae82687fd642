//! `cargo xtask docs`: writes the sections of the documentation that are generated from the code.
//!
//! Markers in hand-written files enclose these sections, and name the command that generates them.

mod credits;
mod gateway;
mod markers;
mod methods;

use std::path::Path;

use clap::Args;

use crate::{Outcome, root};

/// Flags of `cargo xtask docs`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Fail if a file is out of date, and write nothing
    #[arg(long)]
    check: bool,
}

/// A file with generated sections.
struct Page {
    path: &'static str,
    /// The names and texts of the sections.
    sections: Vec<(&'static str, String)>,
}

/// The OpenAPI document of the service, which the mock's server serves.
const OPENAPI: &str = "tgscan-mock/openapi.json";
/// The OpenAPI document of the gateway, which it serves and prints.
const GATEWAY: &str = "tgscan-transport-hyper/tgscan-cli/openapi.json";

/// Writes the generated sections that are out of date, or only checks them.
///
/// # Errors
/// Returns an error if a file cannot be read or written, or if the check finds one out of date.
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

/// Checks that the generated sections are up to date.
///
/// # Errors
/// Returns the files that are out of date, with the command to write them.
pub fn check() -> Outcome {
    let outdated: Vec<&str> = outdated(&root())?.into_iter().map(|(path, _)| path).collect();
    if outdated.is_empty() {
        return Ok(());
    }
    Err(format!("out of date: {}; to update: cargo xtask docs", outdated.join(", ")))
}

/// Returns the files that are out of date, with their current text.
fn outdated(root: &Path) -> Result<Vec<(&'static str, String)>, String> {
    let mut outdated = Vec::new();
    for Page { path, sections } in pages(root)? {
        let text = read(root, path)?;
        let current = markers::fill(&text, &sections).map_err(|problem| format!("{path}: {problem}"))?;
        if current != text {
            outdated.push((path, current));
        }
    }
    for (path, document) in [(OPENAPI, tgscan_mock::openapi()), (GATEWAY, gateway::openapi())] {
        let text = serde_json::to_string_pretty(&document).map_err(|error| error.to_string())? + "\n";
        if read(root, path).ok().as_ref() != Some(&text) {
            outdated.push((path, text));
        }
    }
    Ok(outdated)
}

fn pages(root: &Path) -> Result<Vec<Page>, String> {
    let methods = methods::table(&read(root, methods::CLIENT)?);
    let of = |manifest| rust_version(root, manifest);
    let rust_version = format!(
        "Rust {} or newer; `tgscan-mock` needs {}, and `tgscan-cli` {}.",
        of("Cargo.toml")?,
        of("tgscan-mock/Cargo.toml")?,
        of("tgscan-transport-hyper/tgscan-cli/Cargo.toml")?
    );
    Ok(vec![
        Page { path: "README.md", sections: vec![("rust-version", rust_version)] },
        Page { path: "tgscan-core/README.md", sections: vec![("methods", methods)] },
        Page { path: "tgscan-core/src/credits.md", sections: credits::sections()? },
        Page {
            path: "tgscan-transport-hyper/tgscan-cli/SERVE.md",
            sections: vec![("errors", gateway::table())],
        },
    ])
}

/// Returns the `rust-version` of a manifest.
fn rust_version(root: &Path, manifest: &str) -> Result<String, String> {
    let text = read(root, manifest)?;
    let version = text.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let version = version.ok_or_else(|| format!("{manifest} has no rust-version"))?;
    Ok(version.trim_matches('"').to_owned())
}

fn read(root: &Path, path: &str) -> Result<String, String> {
    std::fs::read_to_string(root.join(path)).map_err(|error| format!("cannot read {path}: {error}"))
}
