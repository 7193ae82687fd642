//! Programs that a step needs, installed from Debian's packages where they are missing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::Outcome;
use crate::ci::succeed;

/// Installs the packages whose programs are missing, and nothing where all are there.
pub(crate) fn ensure(parts: &[(&str, &str)]) -> Outcome {
    let missing: Vec<&str> =
        parts.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for arguments in
        [vec!["update"], [vec!["install", "--yes", "--no-install-recommends"], missing.clone()].concat()]
    {
        let shown = format!("apt-get {}", arguments.join(" "));
        let mut command = as_root("apt-get")?;
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        eprintln!("$ {shown}");
        succeed(&mut command, &shown).map_err(|problem| {
            format!("{problem}; this needs the Debian packages {}, or their programs", missing.join(", "))
        })?;
    }
    match parts.iter().find(|(program, _)| !is_there(program)) {
        Some((program, package)) => Err(format!("the package {package} did not bring {program}")),
        None => Ok(()),
    }
}

fn is_there(program: &str) -> bool {
    path().is_ok_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Where programs are: servers live in a folder that only root's path names.
pub(crate) fn path() -> Result<OsString, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    std::env::join_paths(folders).map_err(|error| format!("PATH cannot be read: {error}"))
}

/// `sudo` where this is not root already, and never with a question that nobody answers.
fn as_root(program: &str) -> Result<Command, String> {
    let id = Command::new("id").arg("-u").output();
    let is_root = id.is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if is_root {
        return Ok(Command::new(program));
    }
    if !is_there("sudo") {
        return Err("to install packages, run this as root, or install sudo".into());
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", program]);
    Ok(command)
}
