//! How many crates the mock brings along, by feature.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::ci;

/// Features, what they are for, and the most crates that they may bring: the mock stays lighter than the general ones.
const ROWS: [(&str, &str, usize); 4] = [
    ("", "in process", 35),
    ("server", "HTTP/1.1 on loopback", 45),
    ("tls", "HTTPS", 61),
    ("tls,http2", "HTTPS and HTTP/2", 75),
];

/// The table.
///
/// # Errors
/// If cargo cannot list the crates, or they are more than allowed.
pub(super) fn table() -> Result<String, String> {
    let mut table = String::from("| features of `tgscan-mock` | for | crates |\n|---|---|---|\n");
    for (features, purpose, most) in ROWS {
        let count = count(&tree(features)?);
        let name = if features.is_empty() {
            "none".to_owned()
        } else {
            features.split(',').map(|feature| format!("`{feature}`")).collect::<Vec<_>>().join(", ")
        };
        if count > most {
            return Err(format!("tgscan-mock with {name} brings {count} crates, and {most} are allowed"));
        }
        writeln!(table, "| {name} | {purpose} | {count} |").map_err(|error| error.to_string())?;
    }
    Ok(table)
}

fn tree(features: &str) -> Result<String, String> {
    // One platform, so that every machine counts the same. Macros are left out: they run in the compiler.
    let arguments = [
        "tree",
        "--package=tgscan-mock",
        "--edges=normal,no-proc-macro",
        "--target=x86_64-unknown-linux-gnu",
        "--prefix=none",
        "--format={p}",
        "--locked",
        "--features",
        features,
    ];
    ci::output(ci::cargo_like("cargo").args(arguments))
}

/// Crates other than our own, each version once.
fn count(tree: &str) -> usize {
    let name = |line: &str| line.split(" (").next().unwrap_or_default().to_owned();
    tree.lines()
        .filter(|line| !line.is_empty() && !line.starts_with("tgscan-"))
        .map(name)
        .collect::<BTreeSet<_>>()
        .len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_foreign_crate_counts_once_per_version() {
        let tree = "tgscan-mock v0.1.0 (here)\na v1.0.0\nb v1.0.0 (proc-macro)\n\na v1.0.0 (*)\na v2.0.0\n";
        assert_eq!(count(tree), 3);
    }
}
