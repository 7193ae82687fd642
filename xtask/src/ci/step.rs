//! The steps, in the order in which they run: those that fail fast first.

use std::fmt;

use clap::ValueEnum;

/// A step of CI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// The oldest toolchain that the manifest promises still builds everything.
    Msrv,
    /// Code is formatted.
    Fmt,
    /// No warnings from the compiler and clippy, with all features and with the default ones.
    Clippy,
    /// The house rules hold.
    Tidy,
    /// The generated parts of the documentation are current.
    Docs,
    /// Licences, duplicate crates, and where crates come from; known holes in them where their database is reached.
    Deny,
    /// Tests pass, with the default features as the README says, and with all.
    Test,
    /// The lists of what the libraries offer are current, and show no type of a dependency that they should not.
    Api,
    /// Nothing that the last release offered is gone, unless the version says so; only where a release is tagged.
    Semver,
    /// The documentation builds without warnings.
    Doc,
    /// Every two of the transport's features build without warnings, and each package's tests pass with each feature
    /// alone; the short form of `cargo xtask features`.
    Features,
    /// Each published crate builds from its own package, with the oldest dependencies that its manifest allows.
    Package,
    /// The transport works with nginx and with proxies that are not ours; installs them where they are missing.
    Parts,
    /// The mock does what its OpenAPI document says, in a short form of `cargo xtask contract`.
    Contract,
    /// No fuzz target fails on its seeds.
    Fuzz,
    /// Instructions and allocations keep to their limits; instructions only where valgrind is installed.
    Gates,
}

/// What a step runs.
pub(super) enum Run {
    Msrv,
    Tidy,
    Docs,
    Deny,
    Api,
    Semver,
    Features,
    Package,
    Parts,
    Contract,
    Cargo(Job),
}

/// The tests of the packages that have features.
const WITH_ALL_FEATURES: [&str; 9] = [
    "test",
    "--workspace",
    "--all-features",
    "--exclude",
    "xtask",
    "--exclude",
    "tgscan-example-blocking",
    "--exclude",
    "tgscan-example-transports",
];

/// One call of cargo.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) env: &'static [(&'static str, &'static str)],
    pub(super) args: &'static [&'static str],
}

impl Step {
    /// The step's name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub(super) fn runs(self) -> Vec<Run> {
        match self {
            Self::Msrv => vec![Run::Msrv],
            Self::Fmt => vec![
                cargo(&["fmt", "--all", "--check"]),
                cargo(&["fmt", "--manifest-path", "xtask/bench/Cargo.toml", "--check"]),
                cargo(&["fmt", "--manifest-path", "xtask/fuzz/Cargo.toml", "--check"]),
            ],
            Self::Clippy => vec![
                cargo(&[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--all-features",
                    "--locked",
                    "--",
                    "-D",
                    "warnings",
                ]),
                cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
            ],
            Self::Tidy => vec![Run::Tidy],
            Self::Docs => vec![Run::Docs],
            Self::Deny => vec![Run::Deny],
            Self::Api => vec![Run::Api],
            Self::Semver => vec![Run::Semver],
            Self::Features => vec![Run::Features],
            Self::Package => vec![Run::Package],
            Self::Parts => vec![Run::Parts],
            Self::Contract => vec![Run::Contract],
            Self::Fuzz => vec![cargo(&["test", "--manifest-path", "xtask/fuzz/Cargo.toml"])],
            // The first is the README's command, to the letter.
            Self::Test => {
                vec![cargo(&["test", "--workspace"]), cargo(&WITH_ALL_FEATURES)]
            }
            Self::Doc => vec![
                rustdoc(&["doc", "--workspace", "--no-deps", "--all-features", "--locked"]),
                // By name, because our examples and tasks turn features on.
                rustdoc(&[
                    "doc",
                    "--locked",
                    "--lib",
                    "--no-deps",
                    "--no-default-features",
                    "--package=tgscan-types",
                    "--package=tgscan-core",
                    "--package=tgscan-transport-hyper",
                    "--package=tgscan-mock",
                ]),
            ],
            Self::Gates => {
                vec![cargo(&["bench", "--manifest-path", "xtask/bench/Cargo.toml", "--bench", "gates"])]
            }
        }
    }
}

fn cargo(args: &'static [&'static str]) -> Run {
    Run::Cargo(Job { env: &[], args })
}

// Only rustdoc reads this variable, so nothing that is compiled already is compiled again.
fn rustdoc(args: &'static [&'static str]) -> Run {
    Run::Cargo(Job { env: &[("RUSTDOCFLAGS", "-Dwarnings")], args })
}

/// As a person would type it.
impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.env {
            write!(f, "{name}={value} ")?;
        }
        write!(f, "cargo {}", self.args.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_command_line_in_order() {
        let names: Vec<String> = Step::value_variants().iter().map(|step| step.name()).collect();
        assert_eq!(
            names,
            [
                "msrv", "fmt", "clippy", "tidy", "docs", "deny", "test", "api", "semver", "doc", "features",
                "package", "parts", "contract", "fuzz", "gates"
            ]
        );
    }

    #[test]
    fn what_is_tested_with_all_features_leaves_out_only_what_has_none() {
        let left_out: Vec<&str> =
            WITH_ALL_FEATURES.windows(2).filter(|pair| pair[0] == "--exclude").map(|pair| pair[1]).collect();
        let folders = ["xtask", "tgscan-mock/blocking", "tgscan-mock/transports"];
        let manifests = folders.map(|folder| crate::root().join(folder).join("Cargo.toml"));
        let manifests =
            manifests.map(|path| std::fs::read_to_string(path).unwrap().parse::<toml::Table>().unwrap());
        assert_eq!(
            left_out,
            manifests.each_ref().map(|manifest| manifest["package"]["name"].as_str().unwrap())
        );
        assert!(manifests.iter().all(|manifest| !manifest.contains_key("features")));
    }

    #[test]
    fn the_first_test_command_is_the_readmes() {
        let runs = Step::Test.runs();
        let Run::Cargo(job) = &runs[0] else { panic!("not a call of cargo") };
        assert_eq!(job.to_string(), "cargo test --workspace");
        let readme = std::fs::read_to_string(crate::root().join("README.md")).unwrap();
        assert!(readme.lines().any(|line| line.starts_with(&job.to_string())));
    }
}
