//! The steps, in the order in which they run: those that fail fast first.

use clap::ValueEnum;

/// A step of CI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// Installs the tools that the other steps call.
    Install,
    /// Checks the formatting.
    Fmt,
    /// Denies all warnings of the compiler and clippy, with all features; those of the libraries with fewer: `features`.
    Clippy,
    /// Checks the layering, licences, duplicates, build scripts, sources and known vulnerabilities of dependencies.
    Deny,
    /// Runs all tests as the README says, those that need PostgreSQL, Python or Node, and the transport's of TLS
    /// with all features.
    Test,
    /// Compares the public API of each library with its `api.txt`, and checks that no other crate's type leaks into it.
    Api,
    /// Builds the documentation without warnings, and checks its links and those between Markdown files.
    Doc,
    /// Checks each feature of each library alone, and none; all of them: `clippy`.
    Features,
    /// Tests the packages of a release with the oldest supported Rust and the oldest allowed versions of dependencies.
    Msrv,
    /// Kills processes with a store at random moments, 300 times for each kind of store.
    Kill,
    /// Tests the transport against nginx, microsocks and tinyproxy.
    Parts,
    /// Tests the mock against its OpenAPI document, in a short form.
    Contract,
    /// Runs the fuzz targets on their seed corpus.
    Fuzz,
    /// Checks the limits for instructions and allocations.
    Gates,
}

impl Step {
    /// The step's name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What the step runs, in the top-level folder.
    pub(super) fn commands(self) -> &'static [&'static str] {
        match self {
            Self::Install => &[".ci/install"],
            Self::Fmt => &[
                "cargo fmt --all --check",
                "cargo fmt --manifest-path xtask/bench/Cargo.toml --check",
                "cargo fmt --manifest-path xtask/fuzz/Cargo.toml --check",
            ],
            // `forbid` here too, in case a new package forgets to inherit the workspace's lints.
            Self::Clippy => &[
                "cargo clippy --workspace --all-targets --all-features --locked -- -D warnings -F unsafe_code",
                // These are no targets of a plain `cargo test`.
                "cargo clippy --workspace --test kill --test parts --all-features --locked -- -D warnings",
            ],
            Self::Deny => &[
                "cargo deny --locked check --deny warnings bans licenses sources",
                "cargo deny --locked --config .cargo/deny-layers.toml check bans",
                "cargo deny --locked --config .cargo/deny-sans-io.toml --manifest-path tgscan-types/Cargo.toml check bans",
                "cargo deny --locked --config .cargo/deny-sans-io.toml --manifest-path tgscan-core/Cargo.toml check bans",
                // These are never shipped, but where their code comes from matters.
                "cargo deny --locked --manifest-path xtask/bench/Cargo.toml check sources",
                "cargo deny --locked --manifest-path xtask/fuzz/Cargo.toml check sources",
                ".ci/advisories",
            ],
            // The first is the README's command, with the features that the members use of each other. The second adds
            // PostgreSQL, the third the transport's `aws-lc-rs`. `msrv` tests its `platform-verifier` and `tracing`.
            Self::Test => &[
                "cargo test --workspace",
                "cargo test --workspace --features tgscan-store/postgres --tests --locked -- --ignored",
                "cargo test --package tgscan-transport-hyper --all-features --test it --locked tls",
            ],
            // With the features of the workspace, so that nothing is built again.
            Self::Api => &["cargo test --workspace --test api --locked"],
            Self::Doc => &[".ci/doc"],
            Self::Features => {
                &["cargo hack --package tgscan-types --package tgscan-core --package tgscan-store \
                 --package tgscan-transport-hyper --package tgscan-mock \
                 --each-feature --exclude-all-features clippy --no-deps --lib --locked --quiet -- -D warnings"]
            }
            // The mock promises a newer Rust, and its tests and the conformance suite are the same code with any compiler
            // and take longest: `.ci/msrv` alone has them too.
            Self::Msrv => &[".ci/msrv --exclude tgscan-mock -- --skip conformance"],
            Self::Kill => &[
                "TGSCAN_KILLS=300 cargo test --workspace --features tgscan-store/postgres --test kill --locked",
                "TGSCAN_SIMULATED_CALLS=250000 cargo test --workspace --test simulation --locked",
            ],
            Self::Parts => &["cargo test --workspace --test parts --locked"],
            // The same requests every time, so that a failure comes from a change.
            Self::Contract => &["cargo xtask contract --examples 50 --seed 1"],
            Self::Fuzz => &["cargo test --manifest-path xtask/fuzz/Cargo.toml"],
            Self::Gates => &["cargo bench --manifest-path xtask/bench/Cargo.toml --bench gates"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_runs_the_command_of_the_readme() {
        let readme = std::fs::read_to_string(crate::root().join("README.md")).unwrap();
        assert!(readme.lines().any(|line| line.starts_with(Step::Test.commands()[0])));
    }

    /// A filter that matches no test would pass.
    #[test]
    fn test_selects_a_module_that_exists() {
        let module = Step::Test.commands()[2].rsplit(' ').next().unwrap();
        let tests = crate::root().join("tgscan-transport-hyper/tests/it");
        assert!(tests.join(module).with_extension("rs").exists(), "{module}");
    }
}
