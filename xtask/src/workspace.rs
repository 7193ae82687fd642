//! Where the workspace is, and which files it has.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The top-level folder of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where everything is built, and what tasks install is kept.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Names of the crates that others can depend on, which are those of their folders too.
pub(crate) fn published() -> Result<Vec<String>, String> {
    let read = |path: &str| -> Result<toml::Table, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("cannot read {path}: {error}");
        let text = std::fs::read_to_string(root().join(path)).map_err(|error| wrong(&error))?;
        text.parse().map_err(|error| wrong(&error))
    };
    let workspace = read("Cargo.toml")?;
    let members = workspace.get("workspace").and_then(|table| table.get("members")?.as_array());
    let members = members.into_iter().flatten().filter_map(toml::Value::as_str);
    let mut published = Vec::new();
    for member in members {
        let manifest = read(&format!("{member}/Cargo.toml"))?;
        let is_kept =
            manifest.get("package").and_then(|package| package.get("publish")?.as_bool()) == Some(false);
        if !is_kept {
            published.push(member.to_owned());
        }
    }
    Ok(published)
}

/// Paths of all files from `root`, with `/`: tracked ones, and new ones that git does not ignore.
///
/// A copy without git (an unpacked archive) is walked instead.
pub(crate) fn files(root: &Path) -> Result<Vec<String>, String> {
    // The checkout may belong to another user, as in a container; listing it is safe.
    let listed = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output();
    let mut files: Vec<String> = match listed {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).split_terminator('\0').map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    // Inside somebody else's repository git lists nothing of ours.
    if !files.iter().any(|file| file == "Cargo.toml") {
        files.clear();
        walk(root, "", &mut files)?;
    }
    // A file that was deleted and not yet committed is still listed.
    files.retain(|file| root.join(file).is_file());
    files.sort();
    files.dedup();
    Ok(files)
}

fn walk(root: &Path, folder: &str, files: &mut Vec<String>) -> Result<(), String> {
    let path = root.join(folder);
    let wrong = |error: std::io::Error| format!("cannot list {}: {error}", path.display());
    for entry in std::fs::read_dir(&path).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let name = format!("{folder}{}", entry.file_name().to_string_lossy());
        match entry.file_type().map_err(wrong)?.is_dir() {
            true if name == "target" || name == ".git" => {}
            true => walk(root, &format!("{name}/"), files)?,
            false => files.push(name),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_libraries_are_for_others() {
        let published = published().unwrap();
        assert_eq!(published, ["tgscan-types", "tgscan-core", "tgscan-transport-hyper", "tgscan-mock"]);
    }

    #[test]
    fn git_and_a_walk_find_the_same_sources() {
        let sources = |files: Vec<String>| -> Vec<String> {
            files.into_iter().filter(|file| file.starts_with("xtask/src/")).collect()
        };
        let listed = sources(files(&root()).unwrap());
        let mut walked = Vec::new();
        walk(&root(), "", &mut walked).unwrap();
        walked.sort();
        assert!(listed.contains(&"xtask/src/workspace.rs".to_owned()));
        assert_eq!(listed, sources(walked));
    }
}
