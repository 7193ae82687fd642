//! Tools from PyPI, each in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;

/// A tool and all that it needs, with exact versions, so that a run today and one next year do the same.
pub(crate) struct Tool {
    /// Its program, and the folder that it is installed into.
    pub(crate) program: &'static str,
    /// What pip is told to install.
    pub(crate) requirements: &'static str,
}

impl Tool {
    /// The program, installed below `target` if it is not there yet.
    pub(crate) fn installed(&self, target: &Path) -> Result<PathBuf, String> {
        let environment = target.join(self.program);
        let programs = environment.join(if cfg!(windows) { "Scripts" } else { "bin" });
        let done = environment.join("requirements.txt");
        if std::fs::read_to_string(&done).ok().as_deref() != Some(self.requirements) {
            eprintln!("installing {} from PyPI into {}", self.program, environment.display());
            self.install(&environment, &programs)?;
            // Last, so that an install that broke off is begun again.
            self.write(&done)?;
        }
        Ok(programs.join(self.program))
    }

    fn install(&self, environment: &Path, programs: &Path) -> Outcome {
        let python = if cfg!(windows) { "python" } else { "python3" };
        self.succeed(Command::new(python).args(["-m", "venv", "--clear"]).arg(environment))?;
        let list = environment.join("wanted.txt");
        self.write(&list)?;
        let mut pip = Command::new(programs.join("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        self.succeed(pip.arg(list))
    }

    fn write(&self, path: &Path) -> Outcome {
        std::fs::write(path, self.requirements)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    fn succeed(&self, command: &mut Command) -> Outcome {
        let (program, tool) = (command.get_program().display().to_string(), self.program);
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("`{program}` ended with {status}, so {tool} cannot be installed")),
            Err(error) => Err(format!("{tool} needs Python with `venv`: `{program}`: {error}")),
        }
    }
}
