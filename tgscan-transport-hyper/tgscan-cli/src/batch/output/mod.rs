//! Appends whole rows to a file, and finds the accounts that are in it.

mod columns;
mod resume;
mod rows;
mod writer;

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use tgscan_core::types::UserQuery;

use super::BatchCommand;
use super::input::Account;
use super::work::Found;
use crate::exit::{Code, Failure};
use crate::show::{BYTE_ORDER_MARK, Show};
use crate::{files, print};

use columns::Columns;
use resume::Resumed;
use rows::Kind;
pub(crate) use writer::{Unwritten, Writer};

/// The destination and the format of the rows.
pub(crate) struct Output {
    sink: Sink,
    format: Format,
}

pub(crate) enum Sink {
    Standard,
    File(Target),
}

pub(crate) struct Target {
    path: PathBuf,
    file: File,
    /// The length of its whole rows, in bytes; `None` for a device or a pipe.
    whole: Option<u64>,
}

enum Format {
    JsonLines(Kind),
    Csv(Columns),
}

impl Output {
    /// Opens the output that the flags name, and finds the accounts that are in it. Removes an incomplete last row.
    /// Refuses files of other programs, and leaves them unchanged.
    pub(crate) fn open<A: Show>(
        command: &BatchCommand,
        header: Option<&StringRecord>,
        is_test: bool,
    ) -> Result<(Self, HashSet<UserQuery>), Failure> {
        let format = Format::of::<A>(command, header, is_test)?;
        let Some(path) = &command.out else {
            let mut output = Self { sink: Sink::Standard, format };
            output.begin(command.excel)?;
            return Ok((output, HashSet::new()));
        };
        let mut output = Self { sink: Sink::File(Target::open(path)?), format };
        let done = output.resume(command.excel)?;
        Ok((output, done))
    }

    /// Finds the accounts that are in the output that the flags name, and changes nothing.
    pub(crate) fn done<A: Show>(
        command: &BatchCommand,
        header: Option<&StringRecord>,
        is_test: bool,
    ) -> Result<HashSet<UserQuery>, Failure> {
        let format = Format::of::<A>(command, header, is_test)?;
        let Some(path) = command.out.as_deref().filter(|path| path.is_file()) else {
            return Ok(HashSet::new());
        };
        let fail = |error: io::Error| Failure::usage(format!("--out {}: {error}", path.display()));
        Ok(format.resume(path, &File::open(path).map_err(fail)?)?.done)
    }

    /// Reads the file, and repairs its end.
    fn resume(&mut self, has_mark: bool) -> Result<HashSet<UserQuery>, Failure> {
        let Sink::File(target) = &mut self.sink else { return Ok(HashSet::new()) };
        let Some(length) = target.whole else { return Ok(HashSet::new()) };
        let found = self.format.resume(&target.path, &target.file)?;
        if found.whole < length {
            let fail = |error: io::Error| Failure::usage(format!("--out {}: {error}", target.path.display()));
            target.file.set_len(found.whole).map_err(fail)?;
        }
        target.whole = Some(found.whole);
        if found.needs_newline {
            self.sink.write(b"\n")?;
        }
        if found.whole == 0 {
            self.begin(has_mark)?;
        }
        Ok(found.done)
    }

    /// Writes answers that earlier runs set aside, so that they are not paid for again. Returns their number, and adds their
    /// accounts to those that are done.
    pub(crate) fn recover<'a, A: Show>(
        &mut self,
        answers: impl Iterator<Item = (&'a Account, Found<A>)>,
        done: &mut HashSet<UserQuery>,
    ) -> Result<u64, Failure> {
        let mut count = 0;
        for (account, found) in answers {
            self.sink.write(&self.format.rows(account, &found)?)?;
            done.insert(account.query.clone());
            count += 1;
        }
        Ok(count)
    }

    /// Writes the names of CSV columns.
    fn begin(&mut self, has_mark: bool) -> Result<(), Failure> {
        let Format::Csv(columns) = &self.format else { return Ok(()) };
        let mark = if has_mark { BYTE_ORDER_MARK } else { b"" };
        let head = [mark, &columns.head()?].concat();
        self.sink.write(&head)
    }
}

impl Sink {
    fn write(&mut self, rows: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Standard => print::bytes(rows),
            Self::File(target) => target.write(rows),
        }
    }

    /// Waits until the rows in a file are on the disk.
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        match self {
            Self::File(target) if target.whole.is_some() => target.sync(),
            _ => Ok(()),
        }
    }
}

impl Format {
    /// Returns the format that the flags select, for answers of this kind.
    fn of<A: Show>(
        command: &BatchCommand,
        header: Option<&StringRecord>,
        is_test: bool,
    ) -> Result<Self, Failure> {
        let is_csv = match command.out.as_deref().map(|path| path.extension().and_then(|end| end.to_str())) {
            None => command.csv || command.excel || !command.fields.is_empty(),
            Some(Some("csv")) => true,
            Some(Some("jsonl" | "ndjson")) => false,
            Some(_) => return Err(Failure::usage("--out: the file must end in .jsonl, .ndjson or .csv")),
        };
        for (flag, is_given) in [
            ("--fields", !command.fields.is_empty()),
            ("--excel", command.excel),
            ("--raw-cells", command.raw_cells),
        ] {
            if is_given && !is_csv {
                return Err(Failure::usage(format!("{flag} needs CSV: --out FILE.csv, or --csv")));
            }
        }
        let kind = Kind { method: command.method, is_test };
        Ok(if is_csv {
            let (is_safe, selection) = (!command.raw_cells, command.selection);
            Format::Csv(Columns::new::<A>(header, &command.fields, is_safe, selection, kind)?)
        } else {
            Format::JsonLines(kind)
        })
    }

    fn rows<A: Show>(&self, account: &Account, found: &Found<A>) -> Result<Vec<u8>, Failure> {
        match self {
            Self::JsonLines(kind) => rows::json(*kind, account, found),
            Self::Csv(columns) => columns.rows(account, found),
        }
    }

    /// Reads a file of this format.
    fn resume(&self, path: &Path, file: &File) -> Result<Resumed, Failure> {
        let found = match self {
            Self::JsonLines(kind) => resume::json_lines(file, *kind),
            Self::Csv(columns) => resume::csv(file, columns),
        };
        let path = path.display();
        let found = found.map_err(|why| {
            Failure::usage(format!("--out {path}: {why}; it is left unchanged; choose another file"))
        })?;
        if let Some(note) = &found.note {
            print::note(&format!("--out {path}: {note} (not asked again)"));
        }
        Ok(found)
    }
}

impl Target {
    fn open(path: &Path) -> Result<Self, Failure> {
        let fail = |error| Failure::usage(format!("--out {}: {error}", path.display()));
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            // A device or a pipe has nothing to continue from. It is not opened for reading, because a pipe whose only
            // reader is this program never reports that its reader has gone.
            let file = OpenOptions::new().write(true).open(path).map_err(fail)?;
            return Ok(Self { path: path.to_owned(), file, whole: None });
        }
        let file = files::private().read(true).append(true).create(true).open(path).map_err(fail)?;
        match fs4::FileExt::try_lock(&file) {
            Ok(()) => {}
            Err(fs4::TryLockError::WouldBlock) => {
                return Err(Failure::usage(format!(
                    "--out {}: another run writes to this file",
                    path.display()
                )));
            }
            // Some file systems have no locks.
            Err(fs4::TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(fs4::TryLockError::Error(error)) => {
                return Err(Failure::usage(format!(
                    "--out {}: it cannot be locked: {error}; choose a file in another folder",
                    path.display()
                )));
            }
        }
        // Its length now, because another run may have written until then.
        let length = file.metadata().map_err(fail)?.len();
        Ok(Self { path: path.to_owned(), file, whole: Some(length) })
    }

    /// Appends rows. If that fails, the part that was written is removed.
    fn write(&mut self, rows: &[u8]) -> Result<(), Failure> {
        self.check_kept()?;
        self.file.write_all(rows).map_err(|error| {
            if let Some(whole) = self.whole {
                let _ = self.file.set_len(whole);
            }
            Failure::new(Code::Other, format!("--out {} cannot be written: {error}", self.path.display()))
        })?;
        self.whole = self.whole.map(|whole| whole + rows.len() as u64);
        Ok(())
    }

    /// Fails if another program removed, replaced, shortened or extended the file: rows may be missing.
    fn check_kept(&self) -> Result<(), Failure> {
        let Some(whole) = self.whole else { return Ok(()) };
        let what = if files::is_removed(&self.file) {
            "removed or replaced"
        } else if self.file.metadata().is_ok_and(|metadata| metadata.len() != whole) {
            "changed by another program"
        } else {
            return Ok(());
        };
        let path = self.path.display();
        Err(Failure::new(Code::Other, format!("--out {path} was {what} during this run")))
    }

    fn sync(&self) -> Result<(), Failure> {
        self.check_kept()?;
        self.file.sync_all().and_then(|()| files::sync_parent(&self.path)).map_err(|error| {
            let path = self.path.display();
            Failure::new(Code::Other, format!("--out {path}: rows may not be on the disk: {error}"))
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn file_that_is_replaced_after_its_last_row_is_reported_when_the_run_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.jsonl");
        let mut target = Target::open(&path).unwrap();
        target.write(b"{}\n").unwrap();
        target.sync().unwrap();
        let other = directory.path().join("other");
        std::fs::write(&other, "of another program").unwrap();
        std::fs::rename(&other, &path).unwrap();
        let failure = target.sync().unwrap_err();
        assert!(failure.to_string().contains("was removed or replaced during this run"), "{failure}");
    }
}
