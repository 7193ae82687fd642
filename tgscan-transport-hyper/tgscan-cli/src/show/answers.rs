//! Formats each answer, as text and as rows.

use tgscan_core::types::{
    BalanceAnswer, SearchAnswer, SearchGroup, SearchUser, SimilarGroup, SimilarGroupsAnswer, UserCheckAnswer,
};

use super::{Selection, Show, Table, escape, screen_width, table};
use crate::exit::counted;

fn at(username: &str) -> String {
    if username.is_empty() { String::new() } else { format!("@{username}") }
}

/// Joins texts of the service into one line that fits the screen.
fn line(parts: &[&str]) -> String {
    let parts: Vec<String> = parts.iter().filter(|part| !part.is_empty()).map(|part| escape(part)).collect();
    let most = screen_width().unwrap_or(100).saturating_sub(10);
    let text = table::cut(&parts.join("  "), most);
    super::isolate(&text).into_owned()
}

fn dated(date: &str) -> String {
    if date.is_empty() { String::new() } else { format!("({date})") }
}

fn name_of(user: &SearchUser) -> String {
    let name = [user.first_name.as_str(), user.last_name.as_deref().unwrap_or_default()].join(" ");
    let id = if user.id == 0 { String::new() } else { user.id.to_string() };
    format!("{id}  {}", name.trim()).trim().to_owned()
}

impl Show for SearchAnswer {
    const COLUMNS: &'static [&'static str] = &[
        "user_id",
        "username",
        "first_name",
        "last_name",
        "username_history",
        "id_history",
        "known_num_groups",
        "group_id",
        "group_title",
        "group_username",
        "group_link",
        "group_date",
    ];

    fn show(&self, selection: Selection) -> String {
        if self.nothing_known() {
            return "nothing is known about this account\n".to_owned();
        }
        let mut text = String::new();
        let name = at(self.user.as_ref().and_then(|user| user.username.as_deref()).unwrap_or_default());
        if let Some(user) = &self.user {
            text += &format!("{}\n", line(&[&name, &name_of(user)]));
        }
        for entry in &self.username_history {
            text += &format!("was {}\n", line(&[&at(&entry.username), &dated(&entry.date)]));
        }
        for entry in &self.id_history {
            text += &format!("was {}\n", line(&[&entry.id.to_string(), &dated(&entry.date)]));
        }
        if self.groups.is_empty() {
            let known = self.meta.known_num_groups;
            return text
                + &if known == 0 {
                    format!("TgScan knows {}, but no groups\n", escape(&name))
                } else {
                    format!("the answer lists none of {}\n", counted(known, "known group"))
                };
        }
        let (listed, known) = (self.meta.num_groups, self.meta.known_num_groups);
        text += &format!("{listed} of {}\n", counted(known, "known group"));
        let groups = selection.of(self.newest_first());
        if groups.len() < self.groups.len() {
            text += &format!("{} of them since that date\n", groups.len());
        }
        let mut table = Table::new(["SEEN", "ID", "GROUP", "LINK"]);
        for group in groups {
            let id = group.id.map(|id| id.to_string()).unwrap_or_default();
            table.row([&group.date_updated, &id, &group.title, &group.link().unwrap_or_default()]);
        }
        text + &table.to_string()
    }

    fn rows(&self, selection: Selection) -> Vec<Vec<String>> {
        let user = self.user.clone().unwrap_or_default();
        let id = if user.id == 0 { String::new() } else { user.id.to_string() };
        let usernames = self.username_history.iter().map(|entry| (entry.username.clone(), &*entry.date));
        let ids = self.id_history.iter().map(|entry| (entry.id.to_string(), &*entry.date));
        let account = [
            id,
            user.username.unwrap_or_default(),
            user.first_name,
            user.last_name.unwrap_or_default(),
            history(usernames),
            history(ids),
            self.meta.known_num_groups.to_string(),
        ];
        let row = |group: Option<&SearchGroup>| {
            let text = |text: Option<&String>| text.cloned().unwrap_or_default();
            let group = [
                group.and_then(|group| group.id).map(|id| id.to_string()).unwrap_or_default(),
                text(group.map(|group| &group.title)),
                text(group.and_then(|group| group.username.as_ref())),
                group.and_then(SearchGroup::link).unwrap_or_default(),
                text(group.map(|group| &group.date_updated)),
            ];
            account.iter().cloned().chain(group).collect()
        };
        let groups = selection.of(self.newest_first());
        if groups.is_empty() {
            return vec![row(None)];
        }
        groups.into_iter().map(|group| row(Some(group))).collect()
    }

    fn nothing_known(&self) -> bool {
        self.nothing_known()
    }
}

/// Joins entries with their dates into one cell.
fn history<'a>(entries: impl Iterator<Item = (String, &'a str)>) -> String {
    let entry =
        |(text, date): (String, &str)| if date.is_empty() { text } else { format!("{text} ({date})") };
    entries.map(entry).collect::<Vec<_>>().join("; ")
}

impl Show for SimilarGroupsAnswer {
    const COLUMNS: &'static [&'static str] = &["group_username", "group_title", "num_users", "group_link"];

    fn show(&self, _: Selection) -> String {
        if self.groups.is_empty() {
            return "no similar groups are known\n".to_owned();
        }
        let mut table = Table::new(["USERS", "GROUP", "LINK"]);
        for group in &self.groups {
            table.row([&group.num_users.to_string(), &group.title, &group.link().unwrap_or_default()]);
        }
        table.to_string()
    }

    fn rows(&self, _: Selection) -> Vec<Vec<String>> {
        if self.groups.is_empty() {
            return vec![vec![String::new(); Self::COLUMNS.len()]];
        }
        let row = |group: &SimilarGroup| {
            let link = group.link().unwrap_or_default();
            vec![group.username.clone(), group.title.clone(), group.num_users.to_string(), link]
        };
        self.groups.iter().map(row).collect()
    }

    fn nothing_known(&self) -> bool {
        self.groups.is_empty()
    }
}

impl Show for UserCheckAnswer {
    const COLUMNS: &'static [&'static str] = &["username", "first_name", "last_name", "known_num_groups"];

    fn show(&self, _: Selection) -> String {
        if self.nothing_known() {
            return "nothing is known about this account\n".to_owned();
        }
        let user = self.user.unwrap_or_default();
        let known = |known| if known { "known" } else { "not known" };
        format!(
            "username    {}\nfirst name  {}\nlast name   {}\ngroups      {} known\n",
            known(user.username),
            known(user.first_name),
            known(user.last_name),
            self.meta.known_num_groups
        )
    }

    fn rows(&self, _: Selection) -> Vec<Vec<String>> {
        let user = self.user.unwrap_or_default();
        let flags = [user.username, user.first_name, user.last_name].map(|known| known.to_string());
        vec![flags.into_iter().chain([self.meta.known_num_groups.to_string()]).collect()]
    }

    fn nothing_known(&self) -> bool {
        self.nothing_known()
    }
}

impl Show for BalanceAnswer {
    const COLUMNS: &'static [&'static str] = &["num_credits"];

    fn show(&self, _: Selection) -> String {
        format!("{} credits\n", self.num_credits)
    }

    fn rows(&self, _: Selection) -> Vec<Vec<String>> {
        vec![vec![self.num_credits.to_string()]]
    }
}
