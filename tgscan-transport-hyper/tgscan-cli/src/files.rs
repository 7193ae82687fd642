//! Files with personal data, and answers that cannot be written where they belong.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

/// Options for a file that its owner alone can read, if it is created.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Returns whether others than its owner can read a file.
#[cfg(unix)]
pub(crate) fn is_exposed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
pub(crate) fn is_exposed(_: &File) -> bool {
    false
}

/// Creates the folders of a file, for its owner alone.
pub(crate) fn create_parent(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(parent)
}

/// Where answers go that were paid for and cannot be written as rows.
pub(crate) struct SetAside {
    path: PathBuf,
    file: Option<File>,
    pub(crate) count: u64,
}

impl SetAside {
    /// Uses a file beside the output, or in the working directory if rows go to standard output.
    pub(crate) fn beside(out: Option<&Path>) -> Self {
        let path = match out {
            Some(out) => {
                let mut name = out.as_os_str().to_owned();
                name.push(".set-aside.jsonl");
                PathBuf::from(name)
            }
            None => PathBuf::from("tgscan.set-aside.jsonl"),
        };
        Self { path, file: None, count: 0 }
    }

    /// Appends what came for an account, and returns where. In a temporary folder if there is no room beside the output.
    pub(crate) fn keep(&mut self, account: &str, why: &str, credits: u64, body: &[u8]) -> io::Result<&Path> {
        let line = json!({
            "asked": account,
            "set_aside_because": why,
            "credits": credits,
            "response": String::from_utf8_lossy(body),
        });
        let line = format!("{line}\n");
        if self.append(line.as_bytes()).is_err() {
            self.path = std::env::temp_dir().join(format!("tgscan-{}.set-aside.jsonl", std::process::id()));
            // New, because others can write there too.
            self.file = Some(private().write(true).create_new(true).open(&self.path)?);
            self.append(line.as_bytes())?;
        }
        self.count += 1;
        Ok(&self.path)
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => empty.insert(private().append(true).create(true).open(&self.path)?),
        };
        file.write_all(line)
    }

    /// Returns where answers were set aside, if any were.
    pub(crate) fn used(&self) -> Option<&Path> {
        (self.count > 0).then_some(&*self.path)
    }
}
