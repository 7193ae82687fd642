//! Step `semver`: nothing that users of the last release rely on is gone, unless the version says so.

use super::{cargo_like, output, succeed};
use crate::Outcome;
use crate::workspace::target;

const VERSION: &str = "0.51.0";

pub(super) fn check() -> Outcome {
    let arguments = ["-c", "safe.directory=*", "tag", "--sort=-version:refname", "--merged=HEAD"];
    // In an unpacked archive there is no git to ask.
    let tags = output(cargo_like("git").args(arguments)).unwrap_or_default();
    let Some(tag) = last_release(&tags) else {
        eprintln!("no release is tagged here, so there is nothing to compare with: semver was NOT checked");
        return Ok(());
    };
    let folder = target().join("cargo-semver-checks");
    let install = ["install", "cargo-semver-checks", "--version", VERSION, "--locked", "--debug", "--quiet"];
    succeed(
        cargo_like("cargo").args(install).arg("--root").arg(&folder),
        "cargo install cargo-semver-checks",
    )?;
    let program = folder.join("bin").join(format!("cargo-semver-checks{}", std::env::consts::EXE_SUFFIX));
    let arguments = ["semver-checks", "--workspace", "--all-features", "--baseline-rev", tag];
    let shown = format!("cargo {}", arguments.join(" "));
    eprintln!("$ {shown}");
    succeed(cargo_like(&program.display().to_string()).args(arguments), &shown)
}

/// The newest tag of a release, such as `v0.1.0`, of tags from new to old.
fn last_release(tags: &str) -> Option<&str> {
    let is_release =
        |tag: &&str| tag.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    tags.lines().map(str::trim).find(is_release)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_is_compared_with() {
        assert_eq!(last_release("wip\nv0.2.0\nv0.1.0\n"), Some("v0.2.0"));
        assert_eq!(last_release("very-old\n"), None);
        assert_eq!(last_release(""), None);
    }
}
