//! Files with personal data, and a file for answers that cannot be written to the output.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::json;
use tgscan_core::types::UserQuery;

use crate::exit::{Code, Failure};
use crate::print;
use crate::show::escape;

/// Returns options that create a file which only its owner can read.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Returns whether users other than its owner can read a file.
#[cfg(unix)]
pub(crate) fn is_exposed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
pub(crate) fn is_exposed(_: &File) -> bool {
    false
}

/// Returns whether an open file has no name any more.
#[cfg(unix)]
pub(crate) fn is_removed(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| std::os::unix::fs::MetadataExt::nlink(&metadata) == 0)
}

#[cfg(not(unix))]
pub(crate) fn is_removed(_: &File) -> bool {
    false
}

/// Creates the folders of a file, which only their owner can read.
pub(crate) fn create_parent(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(parent)
}

/// Waits until the name of a new file is on the disk.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    // Other systems cannot open a folder.
    if !cfg!(unix) {
        return Ok(());
    }
    // The name is in the folder of the file, even if `path` is a link to it.
    let path = std::fs::canonicalize(path)?;
    path.parent().map_or(Ok(()), |parent| match File::open(parent) {
        Ok(folder) => folder.sync_all(),
        // A folder that cannot be read can still have files.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    })
}

/// Returns where a file is or would be, however its path is written.
pub(crate) fn place(path: &Path) -> PathBuf {
    let path = followed(path).unwrap_or_else(|_| path.to_owned());
    let path = std::path::absolute(&path).unwrap_or(path);
    match (path.parent().map(std::fs::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// Follows symbolic links to the file that they name, which may not exist yet.
fn followed(path: &Path) -> io::Result<PathBuf> {
    match std::fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let mut followed = path.to_owned();
    // Links in a circle are another error above.
    while let Ok(target) = std::fs::read_link(&followed) {
        followed = followed.parent().unwrap_or(Path::new("")).join(target);
        let folder = followed.parent().filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            let text = format!("it is a link to {}, whose folder does not exist", followed.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
    }
    Ok(followed)
}

/// Creates or replaces a file when all of its content is on the disk. A symbolic link stays a link.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    create_parent(path)?;
    let path = followed(path)?;
    let mut name = path.clone().into_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let mut file = private().write(true).create_new(true).open(&name)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    drop(file);
    let replaced = written.and_then(|()| std::fs::rename(&name, &path));
    if replaced.is_err() {
        let _ = std::fs::remove_file(&name);
    }
    replaced
}

/// A file that a command replaces as a whole.
pub(crate) struct Whole<'a> {
    /// The flag that names it, for messages.
    pub(crate) flag: &'static str,
    /// `-` for standard output.
    pub(crate) path: &'a Path,
    /// A text near the beginning of each such file.
    pub(crate) mark: &'a str,
    /// Whether a file without the mark is replaced.
    pub(crate) force: bool,
}

/// The number of bytes at the beginning of a file that can contain its mark.
const HEAD: u64 = 4096;

impl Whole<'_> {
    /// Refuses a file that this program did not write or that cannot be replaced.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.path.as_os_str() == "-" {
            return Ok(());
        }
        let path = followed(self.path).map_err(|error| self.failure(&error.to_string()))?;
        let Ok(metadata) = std::fs::metadata(path) else { return Ok(()) };
        if metadata.is_dir() {
            return Err(self.failure("it is a folder"));
        }
        if !self.force && metadata.is_file() && metadata.permissions().readonly() {
            return Err(self.failure("it is read-only; choose another file or use --force"));
        }
        if self.force || !metadata.is_file() || metadata.len() == 0 {
            return Ok(());
        }
        let mut head = Vec::new();
        let read = File::open(self.path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
        read.map_err(|error| self.failure(&error.to_string()))?;
        if head.windows(self.mark.len()).any(|part| part == self.mark.as_bytes()) {
            return Ok(());
        }
        Err(self
            .failure("another program wrote it; it is left unchanged; choose another file or use --force"))
    }

    /// Writes the file. A regular file is replaced when all of the new content is on the disk.
    pub(crate) fn write(&self, content: &[u8]) -> Result<(), Failure> {
        if self.path.as_os_str() == "-" {
            return print::to_any_reader(print::bytes(content));
        }
        self.check()?;
        let written = match std::fs::metadata(self.path) {
            // A device or a pipe.
            Ok(metadata) if !metadata.is_file() => {
                OpenOptions::new().write(true).open(self.path).and_then(|mut file| file.write_all(content))
            }
            _ => replace(self.path, content),
        };
        written.map_err(|error| {
            Failure::new(Code::Other, format!("{} {}: {error}", self.flag, self.path.display()))
        })
    }

    fn failure(&self, why: &str) -> Failure {
        Failure::usage(format!("{} {}: {why}", self.flag, self.path.display()))
    }
}

/// The reason for setting an answer aside that cannot be written.
pub(crate) const UNWRITTEN: &str = "the output cannot be written";

/// The file for paid answers that cannot be written as rows.
pub(crate) struct SetAside {
    path: PathBuf,
    /// The file whose answers the next run writes to its output; `None` if the output is not a regular file.
    next: Option<PathBuf>,
    source: Source,
    file: Option<File>,
    /// The files with answers: one, or two if writing to the first one failed.
    used: Vec<PathBuf>,
    pub(crate) count: u64,
    /// Whether a file that the next run does not read has an unwritten answer.
    is_elsewhere: bool,
}

/// The source of answers. Those of another source are not written to the output.
pub(crate) struct Source {
    pub(crate) method: &'static str,
    /// Whether they are of a test key.
    pub(crate) is_test: bool,
    /// The service, as a store names it.
    pub(crate) service: String,
}

impl SetAside {
    /// Uses a file beside the output, or in the working directory if rows go to standard output.
    pub(crate) fn beside(out: Option<&Path>, source: Source) -> Self {
        let is_regular = |out: &&Path| std::fs::metadata(out).map_or(true, |metadata| metadata.is_file());
        let path = match out {
            Some(out) => {
                let mut name = out.as_os_str().to_owned();
                name.push(".set-aside.jsonl");
                PathBuf::from(name)
            }
            None => PathBuf::from("tgscan.set-aside.jsonl"),
        };
        let next = out.filter(is_regular).map(|_| path.clone());
        Self { path, next, source, file: None, used: Vec::new(), count: 0, is_elsewhere: false }
    }

    /// Returns the responses that earlier runs could not write, by account: the newest one for each account that
    /// `is_wanted` selects.
    pub(crate) fn unwritten(
        &self,
        is_wanted: impl Fn(&UserQuery) -> bool,
    ) -> Result<HashMap<UserQuery, String>, Failure> {
        #[derive(Deserialize)]
        struct Line {
            asked: String,
            method: String,
            test: bool,
            service: String,
            set_aside_because: String,
            response: String,
        }
        let mut responses = HashMap::new();
        let Some(path) = &self.next else { return Ok(responses) };
        let fail = |error: io::Error| {
            let path = escape(&path.display().to_string());
            let remedy = "its answers would be paid for again; make it readable, or move it away";
            Failure::new(Code::Other, format!("{path}: {error}; {remedy}"))
        };
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            // Opening a named pipe could wait forever.
            Ok(_) => return Ok(responses),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(responses),
            Err(error) => return Err(fail(error)),
        }
        for line in BufReader::new(File::open(path).map_err(fail)?).split(b'\n') {
            // Not a line of this program, or cut off.
            let Ok(line) = serde_json::from_slice::<Line>(&line.map_err(fail)?) else { continue };
            let Ok(account) = line.asked.parse() else { continue };
            if (&*line.method, line.test, &line.service)
                == (self.source.method, self.source.is_test, &self.source.service)
                && line.set_aside_because == UNWRITTEN
                && is_wanted(&account)
            {
                responses.insert(account, line.response);
            }
        }
        Ok(responses)
    }

    /// Appends the response for an account, and returns the path of the file. Uses the temporary folder if the file
    /// beside the output cannot be written.
    pub(crate) fn keep(&mut self, account: &str, why: &str, credits: u64, body: &[u8]) -> io::Result<&Path> {
        let mut line = json!({
            "asked": account,
            "method": self.source.method,
            "test": self.source.is_test,
            "service": self.source.service,
            "set_aside_because": why,
            "credits": credits,
            "response": String::from_utf8_lossy(body),
        });
        if std::str::from_utf8(body).is_err() {
            line["response_base64"] = BASE64_STANDARD.encode(body).into();
        }
        let line = format!("{line}\n");
        if let Err(error) = self.append(line.as_bytes()) {
            let path = std::env::temp_dir().join(format!("tgscan-{}.set-aside.jsonl", std::process::id()));
            if self.path == path {
                return Err(error);
            }
            if let Some(full) = self.file.take() {
                let _ = full.sync_all().and_then(|()| sync_parent(&self.path));
            }
            // Must not exist yet, because other users can create files in this folder.
            let file = private().read(true).append(true).create_new(true).open(&path)?;
            (self.path, self.file) = (path, Some(file));
            self.append(line.as_bytes())?;
        }
        self.count += 1;
        self.is_elsewhere |= why == UNWRITTEN && self.next.as_ref() != Some(&self.path);
        if self.used.last() != Some(&self.path) {
            self.used.push(self.path.clone());
        }
        Ok(&self.path)
    }

    /// Returns a function that waits until the answers and the name of their file are on the disk.
    pub(crate) fn sync(&self) -> impl FnOnce() -> io::Result<()> + Send + use<> {
        let file = self.file.as_ref().and_then(|file| file.try_clone().ok());
        let path = self.path.clone();
        move || match file {
            Some(file) if is_removed(&file) => Err(io::Error::other("their file was removed")),
            Some(file) => file.sync_all().and_then(|()| sync_parent(&path)),
            None => Ok(()),
        }
    }

    /// Appends a line, after the end of one that was cut off. If that fails, the part that was written is removed.
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.take_if(|file| is_removed(file));
        if self.file.is_none() && std::fs::metadata(&self.path).is_ok_and(|metadata| !metadata.is_file()) {
            // Opening a named pipe could wait forever.
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        let file = match &mut self.file {
            Some(file) => file,
            empty => empty.insert(private().read(true).append(true).create(true).open(&self.path)?),
        };
        // Locked, so that no line of another process is removed. Some file systems have no locks.
        let _ = fs4::FileExt::lock(&*file);
        let length = file.metadata()?.len();
        let mut last = *b"\n";
        if length > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        let separator: &[u8] = if last == *b"\n" { b"" } else { b"\n" };
        let written = file.write_all(&[separator, line].concat());
        if written.is_err() {
            let _ = file.set_len(length);
        }
        let _ = fs4::FileExt::unlock(&*file);
        written
    }

    /// Returns the paths of the files that have answers, for messages; `None` if no answers were set aside.
    pub(crate) fn used(&self) -> Option<String> {
        let paths: Vec<_> = self.used.iter().map(|path| escape(&path.display().to_string())).collect();
        (!paths.is_empty()).then(|| paths.join(" and "))
    }

    /// Returns how to use unwritten answers in files that the next run does not read; `None` if there are no such answers.
    pub(crate) fn remedy(&self) -> Option<String> {
        let place = match &self.next {
            Some(next) => escape(&next.display().to_string()),
            None => "FILE.set-aside.jsonl, and use --out FILE".to_owned(),
        };
        self.is_elsewhere
            .then(|| format!("to write answers of other files to an output, append them to {place}"))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn answers_are_set_aside_in_a_new_file_if_another_program_removes_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let source = Source { method: "search", is_test: false, service: "api.tgdev.io".to_owned() };
        let mut aside = SetAside::beside(Some(&directory.path().join("out.jsonl")), source);
        let path = aside.keep("alice_1", UNWRITTEN, 1, b"{}").unwrap().to_owned();
        std::fs::remove_file(&path).unwrap();
        // The end of a line that was cut off.
        std::fs::write(&path, b"\xff").unwrap();
        aside.keep("bob_1", UNWRITTEN, 1, b"{}").unwrap();
        let responses = aside.unwritten(|_| true).unwrap();
        assert_eq!(responses, HashMap::from([("bob_1".parse().unwrap(), "{}".to_owned())]));
        aside.sync()().unwrap();
        std::fs::remove_file(&path).unwrap();
        aside.sync()().unwrap_err();
    }
}
