//! Accounts and groups as tables.

use maud::{Markup, html};

use super::accounts::group_name;
use super::{Case, isolated, text};
use crate::answers::Group;
use crate::exit::counted;
use crate::show::{cut, isolate};

/// How many cells the matrix has at most, so that browsers open the page quickly.
const CELLS: usize = 10_000;
/// Up to this number of accounts, cells have dates instead of marks.
const DATED: usize = 6;
/// The most columns of a name and of a date.
const NAME: usize = 34;
const DATE: usize = 24;
/// Beyond this number of accounts, their names are written vertically.
const UPRIGHT: usize = 6;
/// Beyond this number of accounts, the matrix does not fit paper.
const ON_PAPER: usize = 24;

/// A row per group and a column per account.
pub(super) fn matrix(case: &Case<'_>) -> Markup {
    let known = &case.collected.known;
    let most = (CELLS / known.len().max(1)).max(1);
    let rows = &case.groups[..case.groups.len().min(most)];
    let is_wide = known.len() > UPRIGHT;
    html! {
        @if rows.is_empty() {
            p { "The answers list no groups." }
        } @else {
            @if known.len() > ON_PAPER {
                p.screen.soft { "The matrix is wider than paper, and is not printed." }
            }
            @if rows.len() < case.groups.len() {
                p {
                    "The matrix has the first " (rows.len()) " of " (case.groups.len())
                    " groups, the most shared first. The lists of the accounts have all."
                }
            }
            div.scroll.screen[known.len() > ON_PAPER] tabindex="0" role="region" aria-label="Matrix of accounts and groups" {
                table.sortable.matrix.tall[is_wide] {
                    caption {
                        @if known.len() <= DATED { "When each account was last seen in each group, as TgScan states it; ✓ without a date." }
                        @else { "✓ An account is known to be in a group." }
                        " The most shared groups come first."
                    }
                    thead { tr {
                        th scope="col" { "Group" }
                        th scope="col" data-first="descending" { "Accounts" }
                        @for known in known {
                            th scope="col" data-first="descending" { (isolated(&cut(&known.name(), NAME))) }
                        }
                    } }
                    tbody { @for group in rows { (row(group, known.len())) } }
                }
            }
        }
    }
}

fn row(group: &Group, accounts: usize) -> Markup {
    let mut members = group.members.iter().peekable();
    html! {
        tr {
            th scope="row" { (group_name(&group.group)) }
            td.number { (group.members.len()) }
            @for place in 0..accounts {
                @match members.next_if(|(member, _)| *member == place) {
                    Some((_, date)) if accounts <= DATED && !date.is_empty() => td.in { (isolated(&cut(date, DATE))) },
                    Some(_) => td.in { "✓" },
                    None => td {},
                }
            }
        }
    }
}

/// Each shared group with the names of its accounts.
pub(super) fn list(case: &Case<'_>) -> Markup {
    let known = &case.collected.known;
    let names: Vec<String> = known.iter().map(|known| isolate(&text(&known.name())).into_owned()).collect();
    html! {
        ul.shared {
            @for group in case.shared() {
                li {
                    (group_name(&group.group)) " – "
                    b { (counted(group.members.len() as u64, "account")) } ": "
                    @for (number, (member, _)) in group.members.iter().enumerate() {
                        @if number > 0 { ", " }
                        (names[*member])
                    }
                }
            }
        }
    }
}
