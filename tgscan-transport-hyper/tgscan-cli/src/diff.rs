//! Compares two stored answers about an account.

use std::collections::BTreeMap;
use std::time::SystemTime;

use clap::Args;
use serde_json::{Value, json};
use tgscan_core::types::{SearchAnswer, SearchGroup, UserQuery};

use crate::answers::Stored;
use crate::args::Global;
use crate::exit::{Code, Failure, counted};
use crate::show::{Table, escape};
use crate::{help, print};

#[derive(Args)]
pub(crate) struct DiffCommand {
    /// A username, a t.me link or a numeric id
    query: UserQuery,
    /// Compare with the oldest stored answer instead of the one before the latest
    #[arg(long)]
    oldest: bool,
    /// Print the differences as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(global: &Global, command: DiffCommand) -> Result<Code, Failure> {
    let shown = escape(&command.query.as_str());
    let mut answers = Vec::new();
    if let Some(store) = Stored::open(global, true).await? {
        answers.extend(store.history(&command.query).await?.flatten());
    }
    if answers.len() < 2 {
        return Err(Failure::usage(format!(
            "the store has {} about {shown}, and comparing needs two; `{}` adds one (costs credits)",
            counted(answers.len() as u64, "answer"),
            help::command(global, &format!("search {shown} --fresh"))
        )));
    }
    let new = answers.remove(0);
    let old = if command.oldest { answers.pop() } else { Some(answers.remove(0)) };
    let Some(old) = old else { return Ok(Code::Done) };
    let ((old_at, old), (new_at, new)) = (old, new);
    let changes = changes(&old, &new);
    let time = |time: SystemTime| humantime::format_rfc3339_seconds(time).to_string();
    if command.json {
        let changes: Vec<Value> = changes.iter().map(Change::json).collect();
        let value = json!({"account": shown, "old": time(old_at), "new": time(new_at), "changes": changes});
        print::bytes(format!("{value}\n").as_bytes())?;
        return Ok(Code::Done);
    }
    print::note(&format!("{shown}: {} compared with {}", time(new_at), time(old_at)));
    if changes.is_empty() {
        print::note("no differences");
        return Ok(Code::Done);
    }
    let mut table = Table::new(["CHANGE", "ID", "OLD", "NEW"]);
    for change in &changes {
        table.row([change.what, &change.id, &change.old, &change.new]);
    }
    print::text(&table.to_string())?;
    Ok(Code::Done)
}

struct Change {
    what: &'static str,
    id: String,
    old: String,
    new: String,
}

impl Change {
    fn json(&self) -> Value {
        json!({"change": self.what, "id": self.id, "old": self.old, "new": self.new})
    }
}

fn changes(old: &SearchAnswer, new: &SearchAnswer) -> Vec<Change> {
    let mut changes = Vec::new();
    let (before, now) = (old.user.clone().unwrap_or_default(), new.user.clone().unwrap_or_default());
    let id = now.id.max(before.id).to_string();
    let text = |text: Option<String>| text.unwrap_or_default();
    for (what, old, new) in [
        ("username", text(before.username), text(now.username)),
        ("first name", before.first_name, now.first_name),
        ("last name", text(before.last_name), text(now.last_name)),
    ] {
        if old != new {
            changes.push(Change { what, id: id.clone(), old, new });
        }
    }
    let (before, now) = (by_key(old), by_key(new));
    let title = |group: &SearchGroup| {
        let username = group.username.as_deref().filter(|username| !username.is_empty());
        username.map_or_else(|| group.title.clone(), |username| format!("{} (@{username})", group.title))
    };
    let id = |group: &SearchGroup| group.id.map(|id| id.to_string()).unwrap_or_default();
    for (key, group) in &now {
        match before.get(key) {
            None => {
                changes.push(Change { what: "joined", id: id(group), old: String::new(), new: title(group) });
            }
            Some(was) if title(was) != title(group) => {
                changes.push(Change { what: "renamed", id: id(group), old: title(was), new: title(group) });
            }
            Some(_) => {}
        }
    }
    for (_, group) in before.iter().filter(|(key, _)| !now.contains_key(*key)) {
        changes.push(Change { what: "not listed", id: id(group), old: title(group), new: String::new() });
    }
    changes
}

/// Returns the groups by id, else by username or title.
fn by_key(answer: &SearchAnswer) -> BTreeMap<String, &SearchGroup> {
    let key = |group: &SearchGroup| match (group.id, &group.username) {
        (Some(id), _) => id.to_string(),
        (None, Some(username)) => format!("@{}", username.to_lowercase()),
        (None, None) => group.title.clone(),
    };
    answer.groups.iter().map(|group| (key(group), group)).collect()
}
