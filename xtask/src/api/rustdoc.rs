//! rustdoc's JSON of all libraries.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::ci::{promised_cargo, succeed};
use crate::workspace::target;

/// Set for cargo, and with it for what cargo calls as rustdoc.
const IN_ITS_PLACE: &str = "TGSCAN_XTASK_AS_RUSTDOC";

/// Writes the JSON of every member with all features, and returns the folder.
pub(super) fn write_json() -> Result<PathBuf, String> {
    // By the name under which it was started, where a step before may have built it anew and removed this very file.
    let myself = std::env::args_os().next().ok_or("this program was started without its name")?;
    let myself = std::path::absolute(myself).map_err(|error| format!("cannot find this program: {error}"))?;
    // The same packages and features as the step `doc`, so that dependencies are compiled once for both.
    let arguments = ["doc", "--workspace", "--no-deps", "--all-features", "--locked", "--quiet"];
    // Each toolchain has its own format, and its own way to list what the compiler derives.
    let mut command = promised_cargo()?;
    command
        .args(arguments)
        .env("RUSTDOC", myself)
        .env(IN_ITS_PLACE, "1")
        .env("RUSTDOCFLAGS", "-Zunstable-options --output-format=json --cap-lints=allow");
    succeed(&mut command, &format!("cargo {} (as JSON)", arguments.join(" ")))?;
    Ok(target().join("doc"))
}

/// This program when cargo calls it in rustdoc's place: rustdoc itself, with the leave to write JSON, which the stable
/// one does not give otherwise.
///
/// Cargo itself must not see the variable for that: build scripts watch it, and would build everything again.
pub fn in_its_place() -> Option<ExitCode> {
    std::env::var_os(IN_ITS_PLACE)?;
    let status =
        Command::new("rustdoc").args(std::env::args_os().skip(1)).env("RUSTC_BOOTSTRAP", "1").status();
    let has_passed = status.is_ok_and(|status| status.success());
    Some(if has_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
