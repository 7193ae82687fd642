//! `xtask/proof`: the figures of the long runs, from which a page of the documentation is generated.

use std::path::PathBuf;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Outcome, root};

fn path(name: &str) -> PathBuf {
    root().join("xtask").join("proof").join(format!("{name}.json"))
}

/// The figures of an earlier run, if there was one.
pub(crate) fn read<T: DeserializeOwned>(name: &str) -> Result<Option<T>, String> {
    let path = path(name);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| format!("{} cannot be read: {error}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

/// Keeps the figures of a run.
pub(crate) fn write<T: Serialize>(name: &str, figures: &T) -> Outcome {
    let path = path(name);
    let json = serde_json::to_string_pretty(figures).map_err(|error| error.to_string())?;
    std::fs::write(&path, json + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
    eprintln!("written: {}", path.display());
    Ok(())
}
