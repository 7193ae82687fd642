//! A page about several accounts and their groups, in one file that needs no network.

mod accounts;
mod matrix;
mod page;
mod picture;

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use maud::{Markup, html};
use tgscan_core::types::SearchGroup;

use crate::answers::{self, Collected, Group, Sources};
use crate::args::Global;
use crate::exit::{Code, Failure, counted};
use crate::files::Whole;
use crate::print;
use crate::show::{cut, escape};

#[derive(Args)]
pub(crate) struct ReportCommand {
    #[command(flatten)]
    sources: Sources,
    /// Write the page to this file, which only you can read; `-` prints it
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// The title of the page
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Replace the file even if another program wrote it
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(global: &Global, command: ReportCommand) -> Result<Code, Failure> {
    let file = Whole { flag: "--out", path: &command.out, mark: page::MARK, force: command.force };
    command.sources.check_output(&command.out)?;
    file.check()?;
    let collected = answers::collect(global, &command.sources).await?;
    collected.report(global, &command.sources);
    if collected.known.is_empty() {
        return Err(Failure::new(Code::Other, "no account has an answer; nothing was written"));
    }
    let groups = answers::groups(&collected.known);
    let title = command
        .title
        .unwrap_or_else(|| format!("Groups of {}", counted(collected.known.len() as u64, "account")));
    let case = Case { title, now: SystemTime::now(), collected: &collected, groups: &groups };
    file.write(page::page(&case).as_bytes())?;
    if !global.quiet && command.out.as_os_str() != "-" {
        let accounts = counted(collected.known.len() as u64, "account");
        let shared = groups.iter().filter(|group| group.is_shared()).count() as u64;
        let path = escape(&command.out.display().to_string());
        print::note(&format!("{path}: {accounts}, {}", counted(shared, "shared group")));
    }
    Ok(if collected.has_bad_lines { Code::Usage } else { Code::Done })
}

struct Case<'a> {
    title: String,
    now: SystemTime,
    collected: &'a Collected,
    /// The most shared first.
    groups: &'a [Group],
}

impl Case<'_> {
    /// Returns the groups of at least two accounts.
    fn shared(&self) -> &[Group] {
        let end = self.groups.partition_point(Group::is_shared);
        &self.groups[..end]
    }
}

/// The maximum width of a text on the page, in columns.
const WIDEST: usize = 160;

/// A text of the service for the page: in one line, not too long, with characters that steer its direction written out.
fn text(text: &str) -> String {
    cut(&escape(text), WIDEST)
}

/// Wraps a text in an element that isolates its direction. Most texts are ASCII, and need none.
fn isolated(shown: &str) -> Markup {
    let shown = text(shown);
    html! { @if shown.is_ascii() { (shown) } @else { bdi { (shown) } } }
}

/// Returns the title of a group, else its username or id.
fn title_of(group: &SearchGroup) -> String {
    let username = group.username.as_deref().unwrap_or_default();
    match (group.title.trim(), username, group.id) {
        ("", "", Some(id)) => id.to_string(),
        ("", "", None) => "(no title)".to_owned(),
        ("", username, _) => text(&format!("@{username}")),
        (title, ..) => text(title),
    }
}
