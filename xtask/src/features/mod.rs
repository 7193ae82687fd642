//! `cargo xtask features`: every combination of every package's features builds without a warning and passes its tests.
//!
//! Clippy looks for warnings and not a plain check, because it denies them in one package alone, without building all
//! others again; it looks at the library alone, because the dependencies of tests would turn features on.

mod combinations;

use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;

use self::combinations::{Combination, Features};
use crate::ci::cargo_like;
use crate::{Outcome, root};

/// Packages that have features.
const PACKAGES: [Package; 4] = [
    Package { name: "tgscan-types", needs: None, nearly_all: &["schema"], skip: &[], skip_in_ci: &[] },
    Package { name: "tgscan-core", needs: None, nearly_all: &["tower"], skip: &[], skip_in_ci: &[] },
    Package {
        name: "tgscan-mock",
        needs: None,
        nearly_all: &["cli", "clients"],
        // Both are about the engine, which has no features, and take longer than all others.
        skip: &["simulation", "ten_thousand_orders"],
        skip_in_ci: &[],
    },
    // The suite waits for time limits, over and over.
    Package {
        name: "tgscan-transport-hyper",
        needs: Some("ring"),
        nearly_all: &[],
        skip: &[],
        skip_in_ci: &["conformance"],
    },
];

/// A package, and what its tests need.
struct Package {
    name: &'static str,
    /// Without this feature there is nothing but unit tests.
    needs: Option<&'static str>,
    /// Features that turn on nearly all there is, so that another step of CI, with all of them, shows the same.
    nearly_all: &'static [&'static str],
    /// Tests that run long and show the same with all features, with which another step of CI runs them.
    skip: &'static [&'static str],
    /// As above, in the short form alone.
    skip_in_ci: &'static [&'static str],
}

/// Flags of `cargo xtask features`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Only this package
    #[arg(long)]
    package: Option<String>,
    /// As CI does: test no feature and each alone that does not turn on nearly all, and look for warnings in every two of
    /// the transport
    #[arg(long)]
    short: bool,
}

impl Flags {
    /// What CI does.
    pub(crate) const CI: Self = Self { package: None, short: true };
}

/// Builds and tests all combinations, which takes longer than all of CI; or a part of them. All features together are
/// tested by another step of CI.
///
/// # Errors
/// If one does not build, has a warning, or fails a test: the command that shows it.
pub fn run(flags: &Flags) -> Outcome {
    let is_asked = |package: &&Package| flags.package.as_deref().is_none_or(|name| name == package.name);
    let packages: Vec<&Package> = PACKAGES.iter().filter(is_asked).collect();
    if packages.is_empty() {
        let names = PACKAGES.map(|package| package.name).join(", ");
        return Err(format!("no package of that name has features; those that have some are {names}"));
    }
    packages.into_iter().try_for_each(|package| {
        let features = package.features()?;
        let all = features.combinations();
        if !flags.short {
            package.lint(&all)?;
            return package.test(&all, package.skip);
        }
        if package.needs.is_some() {
            package.lint(&features.pairs())?;
        }
        let mut alone = features.alone(package.needs);
        alone.retain(|on| !on.iter().any(|feature| package.nearly_all.contains(&feature.as_str())));
        package.test(&alone, &[package.skip, package.skip_in_ci].concat())
    })
}

impl Package {
    fn features(&self) -> Result<Features, String> {
        let path = format!("{}/Cargo.toml", self.name);
        let text = std::fs::read_to_string(root().join(&path))
            .map_err(|error| format!("cannot read {path}: {error}"))?;
        Features::read(&text).map_err(|problem| format!("{path}: {problem}"))
    }

    fn lint(&self, combinations: &[Combination]) -> Outcome {
        self.each(combinations, "clippy", |_| &["--lib"], &["-D", "warnings"])
    }

    fn test(&self, combinations: &[Combination], skip: &[&str]) -> Outcome {
        let has_what_it_needs = |combination: &Combination| {
            self.needs.is_none_or(|needed| combination.iter().any(|feature| feature == needed))
        };
        // Not the examples, each of which would be linked again.
        let targets = |combination: &Combination| -> &[&str] {
            if has_what_it_needs(combination) { &["--lib", "--test", "it"] } else { &["--lib"] }
        };
        let skip: Vec<&str> = skip.iter().flat_map(|name| ["--skip", name]).collect();
        self.each(combinations, "test", targets, &skip)
    }

    fn each<'a>(
        &self,
        combinations: &[Combination],
        task: &str,
        targets: impl Fn(&Combination) -> &'a [&'a str],
        more: &[&str],
    ) -> Outcome {
        let start = Instant::now();
        for combination in combinations {
            let list = combination.join(",");
            let package = ["--package", self.name, "--locked", "--quiet", "--no-default-features"];
            let arguments = [&[task], &package[..], targets(combination), &["--features", &list, "--"], more];
            let arguments = arguments.concat();
            let shown = format!("cargo {}", arguments.join(" ").replace("--features  ", "--features \"\" "));
            eprintln!("$ {shown}");
            silently(cargo_like("cargo").args(arguments), &shown)?;
        }
        self.report(task, combinations.len(), start.elapsed());
        Ok(())
    }

    fn report(&self, task: &str, count: usize, took: Duration) {
        eprintln!("{}: {count} combinations passed `cargo {task}` in {} s", self.name, took.as_secs());
    }
}

/// Hundreds of runs say little that anybody reads, unless one fails.
fn silently(command: &mut Command, shown: &str) -> Outcome {
    let output = command.output().map_err(|error| format!("`{shown}` cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    eprint!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("`{shown}` ended with {}", output.status))
}
