//! Tools from crates.io, installed in exact versions, below the target directory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::ci::{cargo_like, succeed};
use crate::workspace::target;

/// The program of a tool in this version, installed if it is not there yet.
pub(crate) fn installed(name: &str, version: &str) -> Result<PathBuf, String> {
    let root = target().join("tools").join(format!("{name}-{version}"));
    let program = root.join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        let shown = format!("cargo install {name} --version {version} --locked");
        eprintln!("$ {shown}");
        let mut command = cargo_like("cargo");
        command.args(shown.split(' ').skip(1)).arg("--root").arg(&root);
        // Where cargo builds it, it is built once and never again, so nothing is left there.
        command.env_remove("CARGO_TARGET_DIR");
        succeed(&mut command, &shown)?;
    }
    Ok(program)
}

/// `PATH` with the folder of a tool in front, so that `cargo` finds it as one of its own commands.
pub(crate) fn path_with(program: &Path) -> Result<OsString, String> {
    let folders = program.parent().map(Path::to_owned).into_iter();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(folders.chain(std::env::split_paths(&path)))
        .map_err(|error| format!("PATH cannot be extended: {error}"))
}
