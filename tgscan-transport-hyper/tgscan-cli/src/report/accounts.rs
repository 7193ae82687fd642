//! The groups of each account, and its former names.

use maud::{Markup, html};
use tgscan_core::types::{SearchGroup, SearchUser};

use super::{Case, isolated, text, title_of};
use crate::answers::Known;
use crate::exit::counted;

pub(super) fn section(case: &Case<'_>) -> Markup {
    html! {
        section aria-labelledby="accounts" {
            h2 #accounts { "Each account" }
            @for (place, known) in case.collected.known.iter().enumerate() {
                article aria-labelledby=(format!("account-{}", place + 1)) { (account(place, known)) }
            }
        }
    }
}

fn account(place: usize, known: &Known) -> Markup {
    let user = known.answer.user.as_ref();
    let link = user.and_then(SearchUser::link);
    let names =
        user.map(|user| format!("{} {}", user.first_name, user.last_name.as_deref().unwrap_or_default()));
    let names = names.map(|names| text(names.trim())).filter(|names| !names.is_empty());
    let groups = known.answer.newest_first();
    html! {
        h3 id=(format!("account-{}", place + 1)) {
            @match link {
                Some(link) => (outside(&link, &known.name())),
                None => (isolated(&known.name())),
            }
        }
        p.soft {
            @if let Some(names) = names { (isolated(&names)) " · " }
            @if let Some(id) = known.id() { "id " (id) " · " }
            @if known.answer.nothing_known() { "nothing is known about this account" }
            @else { (counted(groups.len() as u64, "group")) }
        }
        (former(known))
        @if !groups.is_empty() {
            ul { @for group in groups { li { (item(group)) } } }
        }
    }
}

fn former(known: &Known) -> Markup {
    let (usernames, ids) = (&known.answer.username_history, &known.answer.id_history);
    html! {
        @if !usernames.is_empty() {
            p {
                "Former usernames: "
                @for (number, entry) in usernames.iter().enumerate() {
                    @if number > 0 { ", " }
                    (isolated(&format!("@{}", entry.username))) (dated(&entry.date))
                }
            }
        }
        @if !ids.is_empty() {
            p {
                "Former ids: "
                @for (number, entry) in ids.iter().enumerate() {
                    @if number > 0 { ", " }
                    (entry.id) (dated(&entry.date))
                }
            }
        }
    }
}

fn dated(date: &str) -> Markup {
    html! { @if !date.is_empty() { span.soft { " (" (isolated(date)) ")" } } }
}

fn item(group: &SearchGroup) -> Markup {
    html! {
        (group_name(group))
        @if let (None, Some(id)) = (group.link(), group.id) { " id " (id) }
        @if !group.date_updated.is_empty() { " · " (isolated(&group.date_updated)) }
    }
}

/// The title of a group, with a link if it has a valid username.
pub(super) fn group_name(group: &SearchGroup) -> Markup {
    let title = title_of(group);
    html! {
        @match group.link() {
            Some(link) => (outside(&link, &title)),
            None => {
                (isolated(&title))
                " (private)"
            }
        }
    }
}

/// A link that leaves the page: to `https://t.me/` and a valid username.
fn outside(link: &str, name: &str) -> Markup {
    html! { a href=(link) { (isolated(name)) } }
}
