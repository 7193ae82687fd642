//! The files that the rules look at.

use std::collections::BTreeMap;
use std::path::Path;

use crate::workspace;

/// Files by their path from the top of the workspace; those that are not text are empty.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads the workspace's files.
    ///
    /// # Errors
    /// If they cannot be listed or read.
    pub fn load(root: &Path) -> Result<Self, String> {
        let read = |file: String| match std::fs::read(root.join(&file)) {
            Ok(bytes) => Ok((file, String::from_utf8(bytes).unwrap_or_default())),
            Err(error) => Err(format!("cannot read {file}: {error}")),
        };
        let files = workspace::files(root)?.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { files })
    }

    /// All files, in the order of their paths.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Files of Rust code.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.rsplit('.').next() == Some("rs"))
    }

    /// Files below a folder, which ends with `/`, by what follows the folder in their paths.
    pub(super) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files().filter_map(move |(path, text)| Some((path.strip_prefix(folder)?, text)))
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The manifest of each member crate, by the crate's name.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.packages().filter(|(_, text)| !is_workspace(text))
    }

    /// The manifest of each package that is a workspace of its own inside of this one's folder.
    pub(crate) fn outsiders(&self) -> impl Iterator<Item = (&str, &str)> {
        self.packages().filter(|(_, text)| is_workspace(text))
    }

    fn packages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter_map(|(path, text)| Some((path.strip_suffix("/Cargo.toml")?, text)))
    }
}

fn is_workspace(manifest: &str) -> bool {
    manifest.lines().any(|line| line.trim() == "[workspace]")
}

/// Made-up files, for the tests of the rules.
#[cfg(test)]
impl Tree {
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect() }
    }

    pub(super) fn insert(&mut self, path: &str, text: &str) {
        self.files.insert(path.into(), text.into());
    }

    pub(super) fn remove(&mut self, path: &str) {
        assert!(self.files.remove(path).is_some(), "{path} is not there to be removed");
    }

    pub(super) fn replace(&mut self, path: &str, from: &str, to: &str) {
        let text = self.files.get_mut(path).unwrap_or_else(|| panic!("{path} is not there"));
        assert!(text.contains(from), "{path} does not contain {from:?}");
        *text = text.replace(from, to);
    }
}
