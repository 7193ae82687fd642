//! Step `msrv`: the `rust-version` of the manifest is true.

use std::process::Command;

use super::{cargo_like, succeed};
use crate::{Outcome, root};

const CHECK: [&str; 6] = ["check", "--workspace", "--all-features", "--all-targets", "--locked", "--quiet"];

/// A Rust version without its patch number, which `rust-version` leaves out too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl Version {
    /// Reads the beginning of `1.95`, `1.95.0` or `1.97.0-nightly (…)`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        Some(Self(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

/// What the running toolchain means for the promised one.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// It is the promised one: the other steps are the check.
    Same,
    /// It is newer: the promised one must check too.
    CheckToo,
}

fn plan(promised: &str, running: &str) -> Result<Plan, String> {
    let wrong = |what: &str, text: &str| format!("cannot read {what} {text:?} as a Rust version");
    let oldest = Version::parse(promised).ok_or_else(|| wrong("`rust-version`", promised))?;
    let number = running.strip_prefix("rustc ").unwrap_or(running);
    let running = Version::parse(number).ok_or_else(|| wrong("`rustc --version`", running))?;
    match running.cmp(&oldest) {
        std::cmp::Ordering::Less => Err(format!(
            "Rust {}.{} is older than the `rust-version` {promised} of Cargo.toml; update it: rustup update",
            running.0, running.1
        )),
        std::cmp::Ordering::Equal => Ok(Plan::Same),
        std::cmp::Ordering::Greater => Ok(Plan::CheckToo),
    }
}

pub(super) fn check() -> Outcome {
    let promised = promised()?;
    let running = running()?;
    match plan(&promised, &running)? {
        Plan::Same => {
            eprintln!("running {running}, which is the `rust-version`: the other steps check it");
            Ok(())
        }
        Plan::CheckToo => {
            let shown = format!("cargo +{promised} {}", CHECK.join(" "));
            eprintln!("$ {shown}");
            succeed(cargo_of(&installed(&promised)?).args(CHECK), &shown)
        }
    }
}

/// The cargo of the promised toolchain, for what another one would do differently.
pub(crate) fn promised_cargo() -> Result<Command, String> {
    let promised = promised()?;
    match plan(&promised, &running()?)? {
        Plan::Same => Ok(cargo_like("cargo")),
        Plan::CheckToo => Ok(cargo_of(&installed(&promised)?)),
    }
}

fn running() -> Result<String, String> {
    Ok(output(cargo_like("rustc").arg("--version"))?.trim().to_owned())
}

/// Under which name the promised toolchain is installed.
fn installed(promised: &str) -> Result<String, String> {
    let names = [promised.to_owned(), format!("{promised}.0")];
    let is_installed =
        |name: &String| output(cargo_like("rustup").args(["run", name, "rustc", "--version"])).is_ok();
    names.into_iter().find(is_installed).ok_or_else(|| {
        format!(
            "Rust {promised}, the `rust-version` of Cargo.toml, is not installed, so it cannot be checked; \
             install it: rustup toolchain install {promised} --profile minimal"
        )
    })
}

/// `rustup run` and not `cargo +…`, because `cargo` may not be rustup's own here.
fn cargo_of(toolchain: &str) -> Command {
    let mut command = cargo_like("rustup");
    command.args(["run", toolchain, "cargo"]);
    command
}

/// `rust-version` of the workspace.
pub(crate) fn promised() -> Result<String, String> {
    let path = root().join("Cargo.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read Cargo.toml: {error}"))?;
    let manifest: toml::Table = text.parse().map_err(|error| format!("cannot read Cargo.toml: {error}"))?;
    let version = manifest.get("workspace").and_then(|w| w.get("package")?.get("rust-version")?.as_str());
    version.map(str::to_owned).ok_or_else(|| "Cargo.toml has no workspace.package.rust-version".into())
}

/// What a command prints.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().display().to_string();
    let failed = |why: String| format!("`{program}` failed: {why}");
    match command.output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(failed(String::from_utf8_lossy(&output.stderr).into_owned())),
        Err(error) => Err(failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promised_toolchain_is_always_checked() {
        assert_eq!(plan("1.95", "rustc 1.95.0 (59807616e 2026-04-14)"), Ok(Plan::Same));
        assert_eq!(plan("1.95", "rustc 1.95.2 (59807616e 2026-04-14)"), Ok(Plan::Same));
        assert_eq!(plan("1.95", "rustc 1.100.0 (59807616e 2026-04-14)"), Ok(Plan::CheckToo));
        assert_eq!(plan("1.95", "rustc 1.97.0-nightly (59807616e 2026-04-14)"), Ok(Plan::CheckToo));
        let older = plan("1.95", "rustc 1.94.1 (59807616e 2026-04-14)").unwrap_err();
        assert!(older.contains("1.94 is older") && older.contains("rustup update"), "{older}");
        assert!(plan("new", "rustc 1.95.0").unwrap_err().contains("`rust-version` \"new\""));
        assert!(plan("1.95", "clang 17").unwrap_err().contains("`rustc --version` \"clang 17\""));
    }

    #[test]
    fn the_manifest_has_a_rust_version() {
        assert!(Version::parse(&promised().unwrap()).is_some());
    }
}
