//! Appends whole rows to a file, and finds the accounts that are in it.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use tgscan_core::types::{SearchAnswer, UserQuery};

use super::work::Found;
use crate::exit::{Code, Failure};
use crate::print;
use crate::show::csv_rows;

const HEAD: [&str; 10] = [
    "account",
    "found",
    "id",
    "username",
    "first_name",
    "last_name",
    "known_num_groups",
    "groups",
    "credits",
    "stored",
];

/// Where the rows go.
pub(crate) struct Output {
    /// Standard output, if there is none.
    file: Option<File>,
    is_csv: bool,
}

impl Output {
    /// Opens the file to append to. Returns the accounts that are in it.
    ///
    /// A row that was cut off, by a full disk or a lost machine, is removed.
    pub(crate) fn open(path: Option<&Path>) -> Result<(Self, HashSet<UserQuery>), Failure> {
        let Some(path) = path else { return Ok((Self { file: None, is_csv: false }, HashSet::new())) };
        let is_csv = match path.extension().and_then(|end| end.to_str()) {
            Some("csv") => true,
            Some("jsonl" | "ndjson") => false,
            _ => return Err(Failure::usage("--out: the file must end in .jsonl or .csv")),
        };
        let fail = |error| Failure::usage(format!("--out {}: {error}", path.display()));
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(fail)?;
        if !file.metadata().map_err(fail)?.is_file() {
            // A device or a pipe has nothing to go on from.
            return Ok((Self { file: Some(file), is_csv }, HashSet::new()));
        }
        let mut reader = BufReader::new(&file);
        let (mut done, mut line, mut whole, mut number) = (HashSet::new(), Vec::new(), 0_u64, 0_u64);
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).map_err(fail)?;
            if length == 0 || line.last() != Some(&b'\n') {
                break;
            }
            number += 1;
            let is_head = is_csv && number == 1;
            match account(&line, is_csv) {
                Some(account) if is_head && account == HEAD[0] => {}
                Some(account) if !is_head => done.extend(account.parse::<UserQuery>().ok()),
                _ => {
                    return Err(Failure::usage(format!(
                        "--out {}: line {number} is not one of this program's; choose another file",
                        path.display()
                    )));
                }
            }
            whole += length as u64;
        }
        if !line.is_empty() {
            file.set_len(whole).map_err(fail)?;
        }
        let mut output = Self { file: Some(file), is_csv };
        if is_csv && whole == 0 {
            output.append(&csv_rows(&[HEAD.map(str::to_owned).to_vec()])?)?;
        }
        Ok((output, done))
    }

    /// Writes one account's row, in one piece. Where that fails, it goes to standard error: it was paid for.
    pub(crate) fn write(&mut self, account: &UserQuery, found: &Found) -> Result<(), Failure> {
        let row = if self.is_csv { csv_row(account, found)? } else { json_row(account, found)? };
        self.append(&row).inspect_err(|failure| {
            if !failure.is_quiet() {
                print::note(&format!("not written: {}", String::from_utf8_lossy(&row).trim_end()));
            }
        })
    }

    fn append(&mut self, row: &[u8]) -> Result<(), Failure> {
        let Some(file) = &mut self.file else { return print::bytes(row) };
        file.write_all(row)
            .map_err(|error| Failure::new(Code::Other, format!("--out cannot be written: {error}")))
    }
}

/// The account of a line.
fn account(line: &[u8], is_csv: bool) -> Option<String> {
    #[derive(Deserialize)]
    struct Row {
        account: String,
    }
    if !is_csv {
        return serde_json::from_slice(line).ok().map(|row: Row| row.account);
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    let record = reader.records().next()?.ok()?;
    (record.len() == HEAD.len()).then(|| record[0].to_owned())
}

fn json_row(account: &UserQuery, found: &Found) -> Result<Vec<u8>, Failure> {
    #[derive(Deserialize)]
    struct Envelope {
        result: Box<RawValue>,
    }
    let fail = |error: &dyn std::fmt::Display| Failure::new(Code::Undecodable, error.to_string());
    let (found_any, answer) = match &found.reply {
        None => (false, "null".to_owned()),
        Some(reply) => {
            let envelope: Envelope = reply.reparse().map_err(|error| fail(&error))?;
            let raw = envelope.result.get();
            let answer = if raw.contains(['\n', '\r']) {
                // In one line, whatever it looked like.
                let value: serde_json::Value = serde_json::from_str(raw).map_err(|error| fail(&error))?;
                value.to_string()
            } else {
                raw.to_owned()
            };
            (!reply.answer.nothing_known(), answer)
        }
    };
    let account = serde_json::Value::from(account.as_str().as_ref());
    let (credits, is_stored) = (found.credits(), found.is_stored());
    let row = format!(
        "{{\"account\":{account},\"found\":{found_any},\"credits\":{credits},\"stored\":{is_stored},\"answer\":{answer}}}\n"
    );
    Ok(row.into_bytes())
}

fn csv_row(account: &UserQuery, found: &Found) -> Result<Vec<u8>, Failure> {
    let empty = SearchAnswer::default();
    let answer = found.reply.as_ref().map_or(&empty, |reply| &reply.answer);
    let user = answer.user.clone().unwrap_or_default();
    let groups: Vec<&str> =
        answer.newest_first().iter().filter_map(|group| group.username.as_deref()).collect();
    // One line per account, so that a line is whole or is not there.
    let one_line = |text: &str| text.replace(['\n', '\r'], " ");
    let id = if user.id == 0 { String::new() } else { user.id.to_string() };
    csv_rows(&[vec![
        account.as_str().into_owned(),
        (found.reply.is_some() && !answer.nothing_known()).to_string(),
        id,
        one_line(user.username.as_deref().unwrap_or_default()),
        one_line(&user.first_name),
        one_line(user.last_name.as_deref().unwrap_or_default()),
        answer.meta.known_num_groups.to_string(),
        one_line(&groups.join(" ")),
        found.credits().to_string(),
        found.is_stored().to_string(),
    ]])
}
