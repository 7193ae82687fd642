//! Builds the targets with what libFuzzer needs.

use std::path::PathBuf;
use std::process::Command;

use toml::Table;

use super::package;
use crate::ci::{cargo_like, output, succeed};
use crate::packages;
use crate::workspace::target;

/// What `cargo fuzz` passes too: counters at every edge, and what comparisons compare, for libFuzzer to read.
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-stack-depth",
    "--cfg=fuzzing",
];

/// The folder of the targets' programs, built anew where something changed.
pub(super) fn programs() -> Result<PathBuf, String> {
    // libFuzzer is C++, and comes as source.
    packages::ensure(&[("c++", "g++")])?;
    let manifest = package().join("Cargo.toml");
    let triple = host()?;
    // Named, though it is the host's, or the flags would apply to build scripts too.
    let shown = format!("cargo build --release --bins --locked --target {triple}");
    let mut command = cargo_like("cargo");
    command
        .args(shown.split(' ').skip(1))
        .arg("--manifest-path")
        .arg(manifest)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    eprintln!("$ {shown}");
    succeed(&mut command, "cargo build of the fuzz targets")?;
    Ok(target().join(triple).join("release"))
}

fn host() -> Result<String, String> {
    let about = output(Command::new("rustc").arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not name its host".into())
}

/// The locked version of libFuzzer's crate.
pub(super) fn version() -> Result<String, String> {
    let path = package().join("Cargo.lock");
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(&error))?;
    let lock: Table = text.parse().map_err(|error| wrong(&error))?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let crates = packages.into_iter().flatten();
    let found = crates
        .into_iter()
        .find(|package| package.get("name").and_then(toml::Value::as_str) == Some("libfuzzer-sys"));
    let version = found.and_then(|package| package.get("version")?.as_str());
    version.map(str::to_owned).ok_or_else(|| wrong(&"libfuzzer-sys is not in it"))
}
