//! Answers in a file that `tgscan batch --out` wrote.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use csv::StringRecord;
use serde::Deserialize;
use tgscan_core::types::{IdEntry, SearchAnswer, SearchGroup, SearchUser, UserQuery, UsernameEntry};

use super::{Known, Origin};
use crate::account_rows::{AccountRows, is_cut_off};
use crate::batch::Method;
use crate::csv_cells::original;
use crate::exit::Failure;
use crate::print;
use crate::show::{BYTE_ORDER_MARK, Show};

/// The first time after 1970 whose year has more than four digits. Copies and archives can give a file any time.
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

/// Reads the answers in a file of JSON lines or CSV.
pub(super) fn read(path: &Path) -> Result<Vec<Known>, Failure> {
    let wrong = |why: String| Failure::usage(format!("--from {}: {why}", path.display()));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let changed = file.metadata().and_then(|metadata| metadata.modified()).ok();
    let changed = changed.filter(|at| at.duration_since(UNIX_EPOCH).is_ok_and(|since| since < YEAR_10000));
    let is_csv = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    let rows = if is_csv { from_csv(file) } else { from_json_lines(file) };
    let known = |(query, answer)| Known { query, answer, origin: Origin::File(path.to_owned(), changed) };
    let Answers { found: answers, are_test, notes } = rows.map_err(wrong)?;
    for note in notes {
        print::note(&format!("--from {}: {note}", path.display()));
    }
    if are_test {
        print::note(&format!("--from {} has answers to a test key, which are random", path.display()));
    }
    Ok(answers.into_iter().map(known).collect())
}

/// The answers in a file.
#[derive(Default)]
struct Answers {
    found: Vec<(UserQuery, SearchAnswer)>,
    /// Whether any is to a test key.
    are_test: bool,
    /// Missing rows.
    notes: Vec<String>,
}

fn foreign(line: u64) -> String {
    format!("line {line} is not a search of `tgscan batch --out`")
}

fn from_json_lines(file: File) -> Result<Answers, String> {
    #[derive(Deserialize)]
    struct Row {
        account: String,
        method: Option<String>,
        #[serde(default)]
        test: bool,
        found: bool,
        answer: Option<SearchAnswer>,
    }
    let mut answers = Answers::default();
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(|error| error.to_string())? == 0 {
            break;
        }
        let row: Option<Row> = serde_json::from_slice(&line).ok();
        let row = row.and_then(|row| Some((row.account.parse().ok()?, row)));
        match row {
            Some((_, row)) if row.method.as_deref().is_some_and(|method| method != Method::Search.name()) => {
                return Err(foreign(number));
            }
            Some((query, row)) if row.answer.is_some() || !row.found => {
                answers.are_test |= row.test;
                answers.found.push((query, row.answer.unwrap_or_default()));
            }
            _ if is_cut_off(number, &line) => {
                answers.notes.push("the last row is incomplete and left out".to_owned());
            }
            _ => return Err(foreign(number)),
        }
    }
    Ok(answers)
}

fn from_csv(mut file: File) -> Result<Answers, String> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
    let head = reader.headers().map_err(|error| error.to_string())?.clone();
    let columns = Columns::new(&head)?;
    let mut answers: Vec<(UserQuery, SearchAnswer)> = Vec::new();
    // The place of each account. A spreadsheet may have sorted their rows.
    let mut places: HashMap<UserQuery, usize> = HashMap::new();
    let mut all = AccountRows::default();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| error.to_string())? {
        if record.len() != head.len() {
            // Only the last row can be cut off; a later row with all of its columns is read.
            continue;
        }
        let (line, start) = record.position().map_or((0, 0), |position| (position.line(), position.byte()));
        let is_whole = text.ends_with(b"\n") || reader.position().byte() < text.len() as u64;
        let cell = |at: Option<usize>| original(at.and_then(|at| record.get(at)).unwrap_or_default());
        let query: UserQuery = cell(Some(columns.account)).parse().map_err(|_| foreign(line))?;
        let number = |at| cell(Some(at)).parse::<u64>().map_err(|_| foreign(line));
        if !all.add(query.clone(), number(columns.rows)?, number(columns.row)?, start, is_whole) {
            continue;
        }
        if let Some(place) = places.get(&query) {
            answers[*place].1.groups.extend(columns.group(cell));
        } else {
            places.insert(query.clone(), answers.len());
            answers.push((query, columns.answer(cell)));
        }
    }
    let mut notes = Vec::new();
    if let Some((account, _)) = all.take_cut_off() {
        answers.retain(|(query, _)| *query != account);
        notes.push(format!("the last rows of {} are missing, so it is left out", account.as_str()));
    }
    notes.extend(all.note());
    Ok(Answers { found: answers, are_test: head.iter().any(|name| name == "test"), notes })
}

/// The indices of the columns that a report uses.
struct Columns {
    account: usize,
    /// The columns with the number of rows of the account, and the number of this row.
    rows: usize,
    row: usize,
    /// `user_id`, `username`, `first_name`, `last_name`, `username_history`, `id_history`, `known_num_groups`.
    account_fields: [Option<usize>; 7],
    /// `group_id`, `group_title`, `group_username`, `group_date`.
    group_fields: [Option<usize>; 4],
}

impl Columns {
    fn new(head: &StringRecord) -> Result<Self, String> {
        // The last one, because the list's own columns come first.
        let find = |name: &str| (0..head.len()).rfind(|at| head.get(*at) == Some(name));
        let (Some(account), Some(rows), Some(row)) = (find("account"), find("rows"), find("row")) else {
            return Err(foreign(1));
        };
        // Only other methods have this column.
        if find("method").is_some() {
            return Err(foreign(1));
        }
        let group_fields = ["group_id", "group_title", "group_username", "group_date"].map(find);
        if group_fields[..3].iter().all(Option::is_none) {
            return Err(
                "it has no columns with groups; write it again with group_id and group_title".to_owned()
            );
        }
        // The columns of the account come first.
        let account_fields = std::array::from_fn(|at| find(SearchAnswer::COLUMNS[at]));
        Ok(Self { account, rows, row, account_fields, group_fields })
    }

    fn answer<'a>(&self, cell: impl Fn(Option<usize>) -> &'a str) -> SearchAnswer {
        let [id, username, first_name, last_name, usernames, ids, known] = self.account_fields.map(&cell);
        let mut user = SearchUser::default();
        user.id = id.parse().unwrap_or(0);
        user.username = given(username);
        first_name.clone_into(&mut user.first_name);
        user.last_name = given(last_name);
        let mut answer = SearchAnswer::default();
        answer.user = Some(user).filter(|user| *user != SearchUser::default());
        answer.username_history =
            history(usernames).map(|(username, date)| UsernameEntry::new(username, date)).collect();
        answer.id_history =
            history(ids).filter_map(|(id, date)| Some(IdEntry::new(id.parse().ok()?, date))).collect();
        answer.groups.extend(self.group(&cell));
        answer.meta.known_num_groups = known.parse().unwrap_or(0);
        answer
    }

    fn group<'a>(&self, cell: impl Fn(Option<usize>) -> &'a str) -> Option<SearchGroup> {
        let [id, title, username, date] = self.group_fields.map(cell);
        let mut group = SearchGroup::default();
        group.id = id.parse().ok();
        title.clone_into(&mut group.title);
        group.username = given(username);
        date.clone_into(&mut group.date_updated);
        Some(group).filter(|group| *group != SearchGroup::default())
    }
}

fn given(cell: &str) -> Option<String> {
    (!cell.is_empty()).then(|| cell.to_owned())
}

/// Iterates over the entries of a cell with a history: a name or id, and a date in brackets.
fn history(cell: &str) -> impl Iterator<Item = (&str, &str)> {
    cell.split("; ").filter(|entry| !entry.is_empty()).map(|entry| {
        let dated = entry.strip_suffix(')').and_then(|entry| entry.split_once(" ("));
        dated.unwrap_or((entry, ""))
    })
}
