//! Answers for people, and for programs.

mod table;

use serde::Deserialize;
use serde_json::value::RawValue;
use tgscan_core::Reply;
use tgscan_core::types::{BalanceAnswer, SearchAnswer, SimilarGroupsAnswer, UserCheckAnswer};

use table::cut;
pub(crate) use table::{Table, escape};

use crate::args::Output;
use crate::exit::{Code, Failure};
use crate::print;

/// An answer that can be shown.
pub(crate) trait Show {
    /// For people.
    fn show(&self) -> String;

    /// As rows, the first of which has the names of the columns.
    fn rows(&self) -> Vec<Vec<String>>;
}

/// Prints an answer.
pub(crate) fn answer<A: Show>(reply: &Reply<A>, output: Output) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Raw {
        result: Box<RawValue>,
    }
    if output.raw {
        return print::bytes(reply.raw());
    }
    if output.json {
        let raw: Raw = reply.reparse().map_err(|error| Failure::new(Code::Undecodable, error.to_string()))?;
        return print::bytes(format!("{}\n", raw.result).as_bytes());
    }
    if output.csv {
        return print::bytes(&csv_rows(&reply.answer.rows())?);
    }
    print::text(&reply.answer.show())
}

/// Rows as CSV.
pub(crate) fn csv_rows(rows: &[Vec<String>]) -> Result<Vec<u8>, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = rows.iter().try_for_each(|row| writer.write_record(row));
    written.map_err(|error| Failure::new(Code::Other, error.to_string()))?;
    writer.into_inner().map_err(|error| Failure::new(Code::Other, error.to_string()))
}

fn at(username: &str) -> String {
    if username.is_empty() { String::new() } else { format!("@{username}") }
}

impl Show for SearchAnswer {
    fn show(&self) -> String {
        if self.nothing_known() {
            return "nothing is known about this account\n".to_owned();
        }
        let mut text = String::new();
        if let Some(user) = &self.user {
            let name = [user.first_name.as_str(), user.last_name.as_deref().unwrap_or_default()].join(" ");
            let username = at(user.username.as_deref().unwrap_or_default());
            let head: Vec<_> = [username, user.id.to_string(), name.trim().to_owned()]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect();
            text += &format!("{}\n", cut(&escape(&head.join("  ")), 100));
        }
        for entry in &self.username_history {
            text += &format!(
                "was {} ({})\n",
                cut(&escape(&at(&entry.username)), 40),
                cut(&escape(&entry.date), 40)
            );
        }
        for entry in &self.id_history {
            text += &format!("was {} ({})\n", entry.id, cut(&escape(&entry.date), 40));
        }
        text += &format!("{} of {} known groups\n", self.meta.num_groups, self.meta.known_num_groups);
        let mut table = Table::new(["SEEN", "GROUP", "LINK"]);
        for group in self.newest_first() {
            table.row([&group.date_updated, &group.title, &group.link().unwrap_or_default()]);
        }
        text + &table.to_string()
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let head = ["id", "username", "title", "date_updated", "link"].map(str::to_owned).to_vec();
        let groups = self.newest_first().into_iter().map(|group| {
            vec![
                group.id.map(|id| id.to_string()).unwrap_or_default(),
                group.username.clone().unwrap_or_default(),
                group.title.clone(),
                group.date_updated.clone(),
                group.link().unwrap_or_default(),
            ]
        });
        std::iter::once(head).chain(groups).collect()
    }
}

impl Show for SimilarGroupsAnswer {
    fn show(&self) -> String {
        if self.groups.is_empty() {
            return "no similar groups are known\n".to_owned();
        }
        let mut table = Table::new(["USERS", "GROUP", "LINK"]);
        for group in &self.groups {
            table.row([&group.num_users.to_string(), &group.title, &group.link().unwrap_or_default()]);
        }
        table.to_string()
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let head = ["username", "title", "num_users", "link"].map(str::to_owned).to_vec();
        let groups = self.groups.iter().map(|group| {
            let link = group.link().unwrap_or_default();
            vec![group.username.clone(), group.title.clone(), group.num_users.to_string(), link]
        });
        std::iter::once(head).chain(groups).collect()
    }
}

impl Show for UserCheckAnswer {
    fn show(&self) -> String {
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

    fn rows(&self) -> Vec<Vec<String>> {
        let user = self.user.unwrap_or_default();
        let flags = [user.username, user.first_name, user.last_name].map(|known| known.to_string());
        let head = ["username", "first_name", "last_name", "known_num_groups"].map(str::to_owned).to_vec();
        vec![head, flags.into_iter().chain([self.meta.known_num_groups.to_string()]).collect()]
    }
}

impl Show for BalanceAnswer {
    fn show(&self) -> String {
        format!("{} credits\n", self.num_credits)
    }

    fn rows(&self) -> Vec<Vec<String>> {
        vec![vec!["num_credits".to_owned()], vec![self.num_credits.to_string()]]
    }
}
