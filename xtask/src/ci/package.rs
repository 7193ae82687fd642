//! Step `package`: every published crate is whole, and builds from its own package alone, with the oldest versions of
//! its dependencies that its manifest allows.
//!
//! Two checks with one build: what is missing from a package, and which lower bound is too low, both show as an error of
//! the compiler. All other steps build the same sources with the newest versions.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{cargo_like, output, succeed};
use crate::Outcome;
use crate::workspace::{published, target};

/// Files that every package has.
const FILES: [&str; 5] = ["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "src/lib.rs"];

/// What the manifest of every package says.
const FIELDS: [&str; 6] = ["categories", "description", "keywords", "license", "readme", "rust-version"];

pub(super) fn check() -> Outcome {
    let names = published()?;
    let folder = target().join("packages");
    let packages = unpacked(&names, &folder)?;
    for package in &packages {
        let manifest = read(&package.join("Cargo.toml"))?;
        complete(&manifest, |file| package.join(file).is_file())
            .map_err(|problem| format!("{}: {problem}", package.display()))?;
    }
    let manifest = folder.join("Cargo.toml");
    std::fs::write(&manifest, workspace(&names))
        .map_err(|error| format!("cannot write {}: {error}", manifest.display()))?;
    // Of direct dependencies alone: the lower bounds of others are not ours to mend. The leave to use what is unstable
    // is for this command, which compiles nothing.
    let lock = ["generate-lockfile", "-Zdirect-minimal-versions"];
    output(cargo_like("cargo").args(lock).env("RUSTC_BOOTSTRAP", "1").current_dir(&folder))?;
    let build = ["check", "--workspace", "--lib", "--bins", "--all-features", "--locked", "--quiet"];
    let shown = format!("cargo {} (in {})", build.join(" "), folder.display());
    eprintln!("$ {shown}");
    succeed(cargo_like("cargo").args(build).current_dir(&folder), &shown)
}

/// Packs the crates, and unpacks the packages below `folder`.
fn unpacked(names: &[String], folder: &Path) -> Result<Vec<PathBuf>, String> {
    // What is not committed yet is packed too, so that a person can run this before committing.
    let mut pack = cargo_like("cargo");
    pack.args(["package", "--no-verify", "--locked", "--allow-dirty", "--quiet"]);
    pack.args(names.iter().flat_map(|name| ["--package", name]));
    succeed(&mut pack, "cargo package")?;
    // What an older package had must not stand in for what this one lacks.
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .map_err(|error| format!("cannot clear {}: {error}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let version = env!("CARGO_PKG_VERSION");
    let unpack = |name: &String| {
        let package = format!("{name}-{version}");
        let archive = target().join("package").join(format!("{package}.crate"));
        let mut tar = cargo_like("tar");
        succeed(tar.arg("-xzf").arg(archive).arg("-C").arg(folder), "tar")?;
        Ok(folder.join(package))
    };
    names.iter().map(unpack).collect()
}

/// What a package lacks.
fn complete(manifest: &Table, has: impl Fn(&str) -> bool) -> Outcome {
    let package = manifest.get("package").and_then(Value::as_table).ok_or("its manifest has no [package]")?;
    let is_said = |field: &&&str| match package.get(**field) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        _ => false,
    };
    let lacks =
        FIELDS.iter().filter(|field| !is_said(field)).map(|field| format!("`{field}` in its manifest"));
    let lacks = lacks.chain(FILES.iter().filter(|file| !has(file)).map(|file| format!("the file {file}")));
    let lacks: Vec<String> = lacks.collect();
    if lacks.is_empty() { Ok(()) } else { Err(format!("the package lacks {}", lacks.join(", "))) }
}

/// A workspace of the packages alone, in which they find each other and nothing else of ours.
fn workspace(names: &[String]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let patches = names.iter().map(|name| format!("{name} = {{ path = \"{name}-{version}\" }}\n"));
    // The profile is that of the whole workspace: with another one all of its dependencies are compiled again.
    let head = "[workspace]\nresolver = \"3\"\nmembers = [\"tgscan-*\"]\n\n\
        [profile.dev]\ndebug = \"line-tables-only\"\n\n[patch.crates-io]\n";
    patches.fold(head.to_owned(), |text, patch| text + &patch)
}

fn read(path: &Path) -> Result<Table, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    text.parse().map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn the_profile_is_the_whole_workspaces() {
        let whole = read(&crate::root().join("Cargo.toml")).unwrap();
        assert_eq!(manifest(&workspace(&[]))["profile"], whole["profile"]);
    }

    #[test]
    fn what_a_package_lacks_is_named() {
        let whole = "[package]\ncategories = [\"a\"]\ndescription = \"b\"\nkeywords = [\"c\"]\nlicense = \"d\"\n\
            readme = \"README.md\"\nrust-version = \"1\"\n";
        assert_eq!(complete(&manifest(whole), |_| true), Ok(()));
        for (from, to, lacks) in [
            ("description = \"b\"\n", "", "`description`"),
            ("description = \"b\"", "description = \"\"", "`description`"),
            ("keywords = [\"c\"]", "keywords = []", "`keywords`"),
            ("readme = \"README.md\"", "readme = false", "`readme`"),
        ] {
            let problem = complete(&manifest(&whole.replace(from, to)), |_| true).unwrap_err();
            assert_eq!(problem, format!("the package lacks {lacks} in its manifest"));
        }
        for file in FILES {
            let problem = complete(&manifest(whole), |other| other != file).unwrap_err();
            assert_eq!(problem, format!("the package lacks the file {file}"));
        }
    }
}
