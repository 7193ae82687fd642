//! The groups that several accounts share.

mod graph;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::answers::{self, Collected, Group, Known, Sources};
use crate::args::{Format, Global};
use crate::exit::{Code, Failure, counted};
use crate::files::{self, Whole};
use crate::print;
use crate::show::{Table, csv_rows, escape};

#[derive(Args)]
pub(crate) struct OverlapCommand {
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    format: Format,
    /// Show groups that at least N of the accounts share
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    at_least: u16,
    /// Write accounts and groups as a GEXF graph, for Gephi and similar tools; `-` prints it instead of the table
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "csv"])]
    gexf: Option<PathBuf>,
    /// Write accounts and groups as CSV with the columns Id and Label
    #[arg(long, value_name = "FILE")]
    nodes: Option<PathBuf>,
    /// Write memberships in groups as CSV with the columns Source and Target
    #[arg(long, value_name = "FILE")]
    edges: Option<PathBuf>,
    /// Replace these files even if another program wrote them
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(global: &Global, command: OverlapCommand) -> Result<Code, Failure> {
    let outputs = [
        ("--gexf", &command.gexf, graph::GEXF_MARK),
        ("--nodes", &command.nodes, graph::NODES),
        ("--edges", &command.edges, graph::EDGES),
    ];
    let outputs = outputs.map(|(flag, path, mark)| {
        path.as_deref().map(|path| Whole { flag, path, mark, force: command.force })
    });
    let mut paths: Vec<_> = outputs.iter().flatten().map(|file| files::place(file.path)).collect();
    paths.sort_unstable();
    if paths.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Failure::usage("--gexf, --nodes and --edges need different files; nothing was written"));
    }
    for file in outputs.iter().flatten() {
        command.sources.check_output(file.path)?;
        file.check()?;
    }
    let collected = answers::collect(global, &command.sources).await?;
    collected.report(global, &command.sources);
    if collected.known.len() < 2 {
        let has = counted(collected.known.len() as u64, "account");
        return Err(Failure::new(Code::Other, format!("{has} with an answer; comparing needs two")));
    }
    let at_least = usize::from(command.at_least);
    let mut groups = answers::groups(&collected.known);
    groups.retain(|group| group.members.len() >= at_least);
    let [gexf, nodes, edges] = outputs;
    let is_printed = gexf.as_ref().is_some_and(|file| file.path.as_os_str() == "-");
    if let Some(file) = gexf {
        file.write(graph::gexf(&collected.known, &groups).as_bytes())?;
    }
    if let Some(file) = nodes {
        file.write(&csv_rows(&graph::table(graph::NODES, graph::nodes(&collected.known, &groups)), true)?)?;
    }
    if let Some(file) = edges {
        file.write(&csv_rows(&graph::table(graph::EDGES, graph::edges(&collected.known, &groups)), true)?)?;
    }
    if !is_printed {
        print::to_any_reader(show(&collected, &groups, &command))?;
    }
    Ok(if collected.has_bad_lines { Code::Usage } else { Code::Done })
}

fn show(collected: &Collected, groups: &[Group], command: &OverlapCommand) -> Result<(), Failure> {
    let known = &collected.known;
    if command.format.json {
        return print::bytes(format!("{}\n", as_json(collected, groups)).as_bytes());
    }
    if command.format.csv {
        let head = ["shared_by", "group_id", "group_title", "group_username", "group_link", "accounts"];
        let head = vec![head.map(str::to_owned).to_vec()];
        let rows = groups.iter().map(|group| {
            let [id, title, link] = cells(group);
            let username = group.username().unwrap_or_default().to_owned();
            vec![group.members.len().to_string(), id, title, username, link, names(known, group, "; ")]
        });
        return print::bytes(&csv_rows(&head.into_iter().chain(rows).collect::<Vec<_>>(), true)?);
    }
    if groups.is_empty() {
        let accounts = counted(known.len() as u64, "account");
        let most =
            if command.at_least > 2 { format!(" of {} of them", command.at_least) } else { String::new() };
        return print::text(&format!("{accounts}, and no shared groups{most} in their answers\n"));
    }
    let mut table = Table::new(["SHARED BY", "ID", "GROUP", "ACCOUNTS", "LINK"]);
    for group in groups {
        let [id, title, link] = cells(group);
        table.row([&group.members.len().to_string(), &id, &title, &names(known, group, " "), &link]);
    }
    print::page(&table.to_string())
}

/// Returns the id, the title and the link of a group.
fn cells(group: &Group) -> [String; 3] {
    let id = group.group.id.map(|id| id.to_string()).unwrap_or_default();
    [id, group.group.title.clone(), group.group.link().unwrap_or_default()]
}

fn names(known: &[Known], group: &Group, separator: &str) -> String {
    let names: Vec<String> = group.members.iter().map(|(member, _)| known[*member].name()).collect();
    names.join(separator)
}

fn as_json(collected: &Collected, groups: &[Group]) -> Value {
    let known = &collected.known;
    let accounts: Vec<Value> = known
        .iter()
        .map(|known| {
            let id = known.id();
            json!({"account": known.query.as_str(), "id": id, "name": known.name(), "groups": known.answer.groups.len()})
        })
        .collect();
    let missing: Vec<_> = collected.missing.iter().map(|missing| missing.query.as_str()).collect();
    let group = |group: &Group| {
        let members = group.members.iter();
        let members: Vec<Value> = members
            .map(|(member, seen)| json!({"account": known[*member].query.as_str(), "seen": seen}))
            .collect();
        json!({
            "shared_by": group.members.len(),
            "id": group.group.id,
            "title": group.group.title,
            "username": group.username(),
            "link": group.group.link(),
            "accounts": members,
        })
    };
    let groups: Vec<Value> = groups.iter().map(group).collect();
    json!({"accounts": accounts, "missing": missing, "groups": groups})
}

/// Escapes the characters that control the direction of text, and replaces those that XML 1.0 excludes.
fn xml_text(text: &str) -> String {
    escape(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
