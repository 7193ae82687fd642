//! How many crates a build with the transport takes.

use std::collections::BTreeSet;

use crate::ci::cargo_like;

/// The most that the default build may take, this workspace's own crates included.
const MOST: usize = 66;

/// What is built, and the features for it.
const BUILDS: [(&str, &[&str]); 4] = [
    ("default: HTTP/2 and HTTP/1.1, TLS with ring", &[]),
    ("smallest with TLS of its own: HTTP/1.1, ring", &["--no-default-features", "--features", "ring"]),
    ("smallest: HTTP/1.1, your own crypto provider", &["--no-default-features"]),
    ("default with proxies and gzip", &["--features", "gzip,proxy"]),
];

/// The table, from what cargo resolves for Linux.
pub(super) fn table() -> Result<String, String> {
    let mut rows = Vec::new();
    for (index, (what, features)) in BUILDS.iter().enumerate() {
        let count = count(features)?;
        if index == 0 && count > MOST {
            return Err(format!("the default build takes {count} crates, and may take {MOST}"));
        }
        let shown =
            if features.is_empty() { "none to name".into() } else { format!("`{}`", features.join(" ")) };
        rows.push(format!("| {what} | {shown} | {count} |\n"));
    }
    let head = "| build of `tgscan-transport-hyper` | features | crates |\n|---|---|---|\n";
    Ok(head.to_owned() + &rows.concat())
}

/// Everything that is compiled, this workspace's own crates and build scripts' dependencies included.
fn count(features: &[&str]) -> Result<usize, String> {
    let arguments =
        ["tree", "--package", "tgscan-transport-hyper", "--locked", "--no-dedupe", "--prefix", "none"];
    let mut command = cargo_like("cargo");
    command
        .args(arguments)
        .args(["--edges", "normal,build", "--target", "x86_64-unknown-linux-gnu", "--format", "{p}"])
        .args(features);
    let failed = |why: String| format!("`cargo tree` failed: {why}");
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter(|line| !line.is_empty()).collect::<BTreeSet<_>>().len())
}
