//! How many crates a build takes, by features, and the most that it may take.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::ci::{cargo_like, output};

/// A build: the flags of its features, what it is, and its limit.
type Build = (&'static str, &'static str, Option<Most>);

/// The most that a build may take. The mock must stay lighter than general mocks, the transport than general clients.
#[derive(Clone, Copy)]
enum Most {
    Compiled(usize),
    Foreign(usize),
}

const TRANSPORT: [Build; 4] = [
    ("", "default: HTTP/2 and HTTP/1.1, TLS with ring", Some(Most::Compiled(66))),
    ("--no-default-features --features ring", "smallest with TLS of its own: HTTP/1.1, ring", None),
    ("--no-default-features", "smallest: HTTP/1.1, your own crypto provider", None),
    ("--features gzip,proxy", "default with proxies and gzip", None),
];

const MOCK: [Build; 5] = [
    ("", "in process", Some(Most::Foreign(35))),
    ("--features server", "HTTP/1.1 on loopback", Some(Most::Foreign(45))),
    ("--features tls", "HTTPS", Some(Most::Foreign(61))),
    ("--features tls,http2", "HTTPS and HTTP/2", Some(Most::Foreign(75))),
    ("--features tls,http2,gzip", "the same, with compressed answers", Some(Most::Foreign(75))),
];

/// The table of the transport's builds.
pub(super) fn of_transport() -> Result<String, String> {
    table("tgscan-transport-hyper", &TRANSPORT)
}

/// The table of the mock's builds.
pub(super) fn of_mock() -> Result<String, String> {
    table("tgscan-mock", &MOCK)
}

fn table(package: &str, builds: &[Build]) -> Result<String, String> {
    let mut table = format!(
        "| build of `{package}` | flags | crates compiled | of others, without macros |\n|---|---|---|---|\n"
    );
    for (flags, what, most) in builds {
        let counts = Counts::of(&tree(package, flags)?);
        let (count, most) = match most {
            Some(Most::Compiled(most)) => (counts.compiled, *most),
            Some(Most::Foreign(most)) => (counts.foreign, *most),
            None => (0, 0),
        };
        if count > most {
            return Err(format!("{package}, {what}: {count} crates, and {most} are allowed"));
        }
        let shown = if flags.is_empty() { "none".to_owned() } else { format!("`{flags}`") };
        writeln!(table, "| {what} | {shown} | {} | {} |", counts.compiled, counts.foreign)
            .map_err(|error| error.to_string())?;
    }
    Ok(table)
}

#[derive(Debug, PartialEq, Eq)]
struct Counts {
    /// Everything, this workspace's own crates, macros and build scripts' dependencies included.
    compiled: usize,
    /// What gets into the program from others: neither this workspace's own nor what runs in the compiler.
    foreign: usize,
}

impl Counts {
    fn of(trees: &Trees) -> Self {
        // Each version of a crate counts.
        let crates = |tree: &str| -> BTreeSet<String> {
            let name = |line: &str| line.split(" (").next().unwrap_or_default().to_owned();
            tree.lines().filter(|line| !line.is_empty()).map(name).collect()
        };
        let is_foreign = |name: &&String| !name.starts_with("tgscan-");
        Self {
            compiled: crates(&trees.all).len(),
            foreign: crates(&trees.linked).iter().filter(is_foreign).count(),
        }
    }
}

/// What cargo prints.
struct Trees {
    all: String,
    linked: String,
}

fn tree(package: &str, flags: &str) -> Result<Trees, String> {
    // One platform, so that every machine counts the same.
    let arguments = ["--target=x86_64-unknown-linux-gnu", "--prefix=none", "--format={p}", "--locked"];
    let list = |edges: &str| {
        let mut command = cargo_like("cargo");
        command.args(["tree", "--package", package, "--edges", edges]).args(arguments);
        output(command.args(flags.split_whitespace()))
    };
    Ok(Trees { all: list("normal,build")?, linked: list("normal,no-proc-macro")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_counts_once_per_version_and_ours_only_among_all() {
        let trees = Trees {
            all: "tgscan-mock v0.1.0 (here)\na v1.0.0\nb v1.0.0 (proc-macro)\n\na v1.0.0 (*)\na v2.0.0\n"
                .into(),
            linked: "tgscan-mock v0.1.0 (here)\na v1.0.0\n\na v1.0.0 (*)\na v2.0.0\n".into(),
        };
        assert_eq!(Counts::of(&trees), Counts { compiled: 4, foreign: 2 });
    }
}
