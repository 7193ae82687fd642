//! Step `parts`: the transport against servers and proxies that are not ours, installed from Debian's packages.

use super::{cargo_like, succeed};
use crate::{Outcome, packages};

/// Programs that the tests start, and the packages that bring them.
const PARTS: [(&str, &str); 3] =
    [("nginx", "nginx"), ("microsocks", "microsocks"), ("tinyproxy", "tinyproxy-bin")];

const TARGET: [&str; 6] =
    ["--package", "tgscan-transport-hyper", "--all-features", "--test", "parts", "--locked"];

pub(super) fn check() -> Outcome {
    packages::ensure(&PARTS)?;
    for (task, more) in [("clippy", &["--", "-D", "warnings"][..]), ("test", &[])] {
        let shown = [&[task], &TARGET[..], more].concat().join(" ");
        eprintln!("$ cargo {shown}");
        let mut command = cargo_like("cargo");
        command.arg(task).args(TARGET).args(more).env("PATH", packages::path()?);
        succeed(&mut command, &format!("cargo {shown}"))?;
    }
    Ok(())
}
