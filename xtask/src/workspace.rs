//! Where the workspace is, and which files it has.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The top-level folder of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
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
