//! Accounts and groups as a graph, for tools such as Gephi.

use maud::{Markup, PreEscaped, html};
use tgscan_core::types::SearchUser;

use super::xml_text;
use crate::answers::{Group, Known};

/// A text that each GEXF file of this program has near its beginning.
pub(super) const GEXF_MARK: &str = "<creator>tgscan</creator>";
/// The first lines of the CSV files. Gephi knows the columns that begin with a capital.
pub(super) const NODES: &str = "Id,Label,kind,telegram_id,username,link";
pub(super) const EDGES: &str = "Source,Target,Type,seen";

/// Returns the node of an account: the same in every graph, so that graphs can be joined.
fn account_node(known: &Known) -> String {
    known.id().map_or_else(
        || format!("account:{}", known.query.as_str().to_lowercase()),
        |id| format!("account:{id}"),
    )
}

fn group_node(place: usize, group: &Group) -> String {
    match (group.group.id, group.username()) {
        (Some(id), _) => format!("group:{id}"),
        (None, Some(username)) => format!("group:{}", xml_text(&username.to_lowercase())),
        (None, None) => format!("group:#{}", place + 1),
    }
}

/// Returns the cells of each node, in the order of [`NODES`].
pub(super) fn nodes(known: &[Known], groups: &[Group]) -> Vec<[String; 6]> {
    let account = |known: &Known| {
        let user = known.answer.user.as_ref();
        let username = user.and_then(|user| user.username.clone()).unwrap_or_default();
        let link = user.and_then(SearchUser::link).unwrap_or_default();
        let id = known.id().map(|id| id.to_string()).unwrap_or_default();
        [account_node(known), known.name(), "account".to_owned(), id, username, link]
    };
    let group = |(place, group): (usize, &Group)| {
        let id = group.group.id.map(|id| id.to_string()).unwrap_or_default();
        let username = group.username().unwrap_or_default().to_owned();
        let link = group.group.link().unwrap_or_default();
        [group_node(place, group), group.group.title.clone(), "group".to_owned(), id, username, link]
    };
    known.iter().map(account).chain(groups.iter().enumerate().map(group)).collect()
}

/// Returns the cells of each edge, in the order of [`EDGES`].
pub(super) fn edges(known: &[Known], groups: &[Group]) -> Vec<[String; 4]> {
    let edges = groups.iter().enumerate().flat_map(|(place, group)| {
        let target = group_node(place, group);
        group.members.iter().map(move |(member, seen)| {
            [account_node(&known[*member]), target.clone(), "Undirected".to_owned(), seen.clone()]
        })
    });
    edges.collect()
}

/// Puts a line with the names of the columns before rows.
pub(super) fn table<const N: usize>(head: &str, rows: Vec<[String; N]>) -> Vec<Vec<String>> {
    let head = head.split(',').map(str::to_owned).collect();
    std::iter::once(head).chain(rows.into_iter().map(|row| row.to_vec())).collect()
}

/// Writes the graph as GEXF 1.3.
pub(super) fn gexf(known: &[Known], groups: &[Group]) -> String {
    let attribute = |place: usize, value: &str| -> Markup {
        html! { @if !value.is_empty() { attvalue for=(place) value=(xml_text(value)) {} } }
    };
    let nodes = nodes(known, groups);
    let edges = edges(known, groups);
    let graph = html! {
        gexf xmlns="http://gexf.net/1.3" version="1.3" {
            meta { creator { "tgscan" } description { "Accounts and the groups that they share" } }
            graph mode="static" defaultedgetype="undirected" {
                attributes class="node" {
                    @for (place, title) in ["kind", "telegram_id", "username", "link"].iter().enumerate() {
                        attribute id=(place) title=(title) type="string" {}
                    }
                }
                attributes class="edge" { attribute id="0" title="seen" type="string" {} }
                nodes {
                    @for [node, label, values @ ..] in &nodes {
                        node id=(node) label=(xml_text(label)) {
                            attvalues { @for (place, value) in values.iter().enumerate() { (attribute(place, value)) } }
                        }
                    }
                }
                edges {
                    @for (place, [source, target, _, seen]) in edges.iter().enumerate() {
                        edge id=(place) source=(source) target=(target) { attvalues { (attribute(0, seen)) } }
                    }
                }
            }
        }
    };
    let PreEscaped(graph) = graph;
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{graph}\n")
}
