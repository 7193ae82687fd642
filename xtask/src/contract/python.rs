//! The tester, in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;

/// The tester and all that it needs, with exact versions, so that a run today and one next year test the same.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The tester's program, installed if it is not there yet.
pub(super) fn schemathesis(target: &Path) -> Result<PathBuf, String> {
    let environment = target.join("contract");
    let programs = environment.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let done = environment.join("requirements.txt");
    if std::fs::read_to_string(&done).ok().as_deref() != Some(REQUIREMENTS) {
        eprintln!("installing schemathesis from PyPI into {}", environment.display());
        install(&environment, &programs)?;
        // Last, so that an install that broke off is begun again.
        write(&done)?;
    }
    Ok(programs.join("schemathesis"))
}

fn install(environment: &Path, programs: &Path) -> Outcome {
    let python = if cfg!(windows) { "python" } else { "python3" };
    succeed(Command::new(python).args(["-m", "venv", "--clear"]).arg(environment))?;
    let list = environment.join("wanted.txt");
    write(&list)?;
    let mut pip = Command::new(programs.join("python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    succeed(pip.arg(list))
}

fn write(path: &Path) -> Outcome {
    std::fs::write(path, REQUIREMENTS).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn succeed(command: &mut Command) -> Outcome {
    let program = command.get_program().display().to_string();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            Err(format!("`{program}` ended with {status}, so the contract tester cannot be installed"))
        }
        Err(error) => Err(format!("the contract tester needs Python with `venv`: `{program}`: {error}")),
    }
}
