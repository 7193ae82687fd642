//! An answer about each of several accounts: the latest one in the store, else the first one in the output files. Sends
//! nothing.

mod file;
mod groups;
mod stored;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;
use tgscan_core::types::{SearchAnswer, UserQuery};

use crate::args::Global;
use crate::batch::input;
use crate::exit::{Failure, counted};
use crate::show::escape;
use crate::{files, help, print};

pub(crate) use groups::{Group, groups};
pub(crate) use stored::Stored;

/// The accounts, and the sources of their answers.
#[derive(Args)]
pub(crate) struct Sources {
    /// Usernames, t.me links or numeric ids
    #[arg(value_name = "ACCOUNT")]
    accounts: Vec<UserQuery>,
    /// A list of accounts: one per line, or a CSV file; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// CSV column of the list with accounts, by name or by number from 1; repeatable
    #[arg(long, value_name = "NAME|N", requires = "list")]
    column: Vec<String>,
    /// Use all accounts with a stored answer
    #[arg(long, conflicts_with_all = ["accounts", "list"])]
    all: bool,
    /// Also use the answers in a file from `tgscan batch --out`; without ACCOUNT and --list, use all accounts in that file
    #[arg(long, value_name = "FILE")]
    from: Vec<PathBuf>,
}

impl Sources {
    /// Refuses an output that is one of the files with the accounts or answers.
    pub(crate) fn check_output(&self, output: &Path) -> Result<(), Failure> {
        let place = files::place(output);
        if output.as_os_str() != "-"
            && self.from.iter().chain(&self.list).any(|read| files::place(read) == place)
        {
            let output = escape(&output.display().to_string());
            return Err(Failure::usage(format!("{output} is read by this command; write to another file")));
        }
        Ok(())
    }
}

/// An account with its latest answer.
pub(crate) struct Known {
    /// The account as the user gave it.
    pub(crate) query: UserQuery,
    pub(crate) answer: SearchAnswer,
    pub(crate) origin: Origin,
}

/// The source of an answer.
#[derive(Clone)]
pub(crate) enum Origin {
    /// The store, with the time at which the answer was received.
    Store(SystemTime),
    /// An output file, and when it was last changed: its rows have no times.
    File(PathBuf, Option<SystemTime>),
}

/// An account without an answer.
pub(crate) struct Missing {
    pub(crate) query: UserQuery,
    /// Whether there is a stored answer, which cannot be read.
    pub(crate) is_unreadable: bool,
}

/// Accounts with and without answers, each account once.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) known: Vec<Known>,
    pub(crate) missing: Vec<Missing>,
    /// Accounts that were given again under another name or id, each with the first one.
    pub(crate) repeated: Vec<(UserQuery, UserQuery)>,
    /// Whether lines of the list or rows of a file were invalid.
    pub(crate) has_bad_lines: bool,
}

impl Known {
    /// Returns the account's current username with an `@`, else the account as the user gave it.
    pub(crate) fn name(&self) -> String {
        let user = self.answer.user.as_ref();
        match user.and_then(|user| user.username.as_deref()).filter(|username| !username.is_empty()) {
            Some(username) => format!("@{username}"),
            None => shown(&self.query),
        }
    }

    pub(crate) fn id(&self) -> Option<i64> {
        self.answer.user.as_ref().map(|user| user.id).filter(|id| *id != 0)
    }
}

/// Formats an account as the user gave it, with an `@` before a username.
pub(crate) fn shown(query: &UserQuery) -> String {
    match query {
        UserQuery::Username(username) => format!("@{}", username.as_str()),
        UserQuery::Id(_) => query.as_str().into_owned(),
    }
}

/// Collects the answers that the flags name. Reports invalid lines.
pub(crate) async fn collect(global: &Global, sources: &Sources) -> Result<Collected, Failure> {
    if sources.accounts.is_empty() && sources.list.is_none() && !sources.all && sources.from.is_empty() {
        return Err(Failure::usage(
            "no accounts were given; name them, or use --list FILE, --all or --from FILE",
        ));
    }
    let mut collected = Collected::default();
    let mut wanted = sources.accounts.clone();
    if let Some(path) = &sources.list {
        let list = input::read(path, &sources.column, false)?;
        list.report_bad_lines();
        collected.has_bad_lines = !list.bad.is_empty();
        wanted.extend(list.accounts.into_iter().map(|account| account.query));
    }
    let mut files = HashMap::new();
    for path in &sources.from {
        let is_named = sources.accounts.is_empty() && sources.list.is_none();
        for row in file::read(path)? {
            if is_named {
                wanted.push(row.query.clone());
            }
            files.entry(row.query.clone()).or_insert(row);
        }
    }
    let needs_store = sources.all || sources.from.is_empty();
    let store = stored::Stored::open(global, needs_store).await?;
    if let (true, Some(store)) = (sources.all, &store) {
        wanted.extend(store.accounts().await?);
    }
    let mut seen = HashSet::new();
    wanted.retain(|query| seen.insert(query.clone()));
    for query in wanted {
        let stored = match &store {
            Some(store) => store.latest(&query).await?,
            None => stored::Latest::Missing,
        };
        let known = match (stored, files.remove(&query)) {
            (stored::Latest::Answer(at, answer), _) => {
                Known { query, answer: *answer, origin: Origin::Store(at) }
            }
            (_, Some(known)) => known,
            (latest, None) => {
                let is_unreadable = matches!(latest, stored::Latest::Unreadable);
                collected.missing.push(Missing { query, is_unreadable });
                continue;
            }
        };
        collected.add(known);
    }
    Ok(collected)
}

impl Collected {
    /// Adds an account, unless it was added under another name. Accounts with equal ids are one.
    fn add(&mut self, known: Known) {
        let same = known.id().and_then(|id| self.known.iter().find(|other| other.id() == Some(id)));
        match same {
            Some(first) => self.repeated.push((known.query, first.query.clone())),
            None => self.known.push(known),
        }
    }

    /// Reports accounts without an answer, with the command that looks them up, and accounts that were given twice.
    pub(crate) fn report(&self, global: &Global, sources: &Sources) {
        for (query, first) in &self.repeated {
            print::note(&format!(
                "{} and {} are the same account, and are counted once",
                escape(&shown(first)),
                escape(&shown(query))
            ));
        }
        let (unreadable, unknown): (Vec<_>, Vec<_>) =
            self.missing.iter().partition(|missing| missing.is_unreadable);
        for Missing { query, .. } in unreadable {
            let raw = help::command(global, &format!("search {} --raw --stored-only", query.as_str()));
            let name = escape(&shown(query));
            print::note(&format!("{name}: the stored answer cannot be read; `{raw}` prints it"));
        }
        let names: Vec<&UserQuery> = unknown.into_iter().map(|missing| &missing.query).collect();
        if names.is_empty() {
            return;
        }
        let listed: Vec<String> = names.iter().take(LISTED).map(|query| escape(&shown(query))).collect();
        let more = names.len().saturating_sub(LISTED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        print::note(&format!(
            "{} without a stored answer: {}{more}",
            counted(names.len() as u64, "account"),
            listed.join(", ")
        ));
        print::note(&format!("to look them up (costs credits): {}", buy(global, sources, &names)));
    }
}

/// The maximum number of accounts in a message.
const LISTED: usize = 10;

/// Returns the command that looks up accounts without a stored answer.
fn buy(global: &Global, sources: &Sources, names: &[&UserQuery]) -> String {
    let file = |path: &Path| help::quoted(&path.display().to_string());
    // Without a store, the answers go to the file from which they are read.
    let out = sources.from.first().filter(|_| global.store.is_none());
    let out = out.map(|path| format!(" --out {}", file(path))).unwrap_or_default();
    let list = sources.list.as_deref().filter(|list| sources.accounts.is_empty() && list.as_os_str() != "-");
    if let Some(list) = list {
        let mut columns = String::new();
        for column in &sources.column {
            columns += &format!(" --column {}", help::quoted(column));
        }
        return help::command(global, &format!("batch {}{columns}{out}", file(list)));
    }
    match names {
        [name] if out.is_empty() => help::command(global, &format!("search {}", name.as_str())),
        _ => {
            let words: Vec<_> = names.iter().map(|name| name.as_str().into_owned()).collect();
            let batch = help::command(global, &format!("batch -{out}"));
            format!("printf '%s\\n' {} | {batch}", words.join(" "))
        }
    }
}
