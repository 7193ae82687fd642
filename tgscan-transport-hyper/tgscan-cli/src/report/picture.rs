//! Accounts and shared groups as a picture: accounts on the left, groups on the right.

use maud::{Markup, html};

use super::{Case, text, title_of};
use crate::answers::Group;
use crate::show::{cut, isolate};

/// Up to these numbers, the picture is readable.
pub(super) const MOST_ACCOUNTS: usize = 12;
pub(super) const MOST_GROUPS: usize = 60;

/// The width of the picture, and the columns of marks in it.
const WIDTH: usize = 960;
const LEFT: usize = 300;
const RIGHT: usize = 610;
/// The height of a group, and the least height of an account.
const GROUP: usize = 24;
const ACCOUNT: usize = 34;
/// The most columns of the label of an account and of a group.
const NAME: usize = 33;
const TITLE: usize = 40;

pub(super) fn fits(accounts: usize, groups: usize) -> bool {
    accounts <= MOST_ACCOUNTS && groups <= MOST_GROUPS
}

pub(super) fn figure(case: &Case<'_>) -> Markup {
    let known = &case.collected.known;
    let groups = in_order(case.shared());
    let height = (groups.len() * GROUP).max(known.len() * ACCOUNT) + GROUP;
    // The middle of each mark.
    let account_at = |place: usize| (2 * place + 1) * height / (2 * known.len());
    let group_at = |place: usize| (2 * place + 1) * height / (2 * groups.len());
    let label = |name: &str, most| isolate(&cut(&text(name), most)).into_owned();
    html! {
        figure {
            div.scroll tabindex="0" role="region" aria-label="Picture of accounts and shared groups" {
                svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-labelledby="picture-title picture-text" {
                    title #picture-title { "Accounts and shared groups" }
                    desc #picture-text {
                        (known.len()) " accounts on the left are joined by lines with " (groups.len())
                        " shared groups on the right. The matrix after the picture has the same."
                    }
                    @for (member, known) in known.iter().enumerate() {
                        @let y = account_at(member);
                        @let own: Vec<usize> = (0..groups.len()).filter(|place| has(groups[*place], member)).collect();
                        g {
                            @for place in &own { path d=(curve(y, group_at(*place))) {} }
                            rect x=(LEFT - 7) y=(y - 7) width="14" height="14" rx="2" {}
                            text x=(LEFT - 14) y=(y + 5) text-anchor="end" {
                                (label(&known.name(), NAME)) tspan.sum { " " (own.len()) }
                            }
                        }
                    }
                    @for (place, group) in groups.iter().enumerate() {
                        @let y = group_at(place);
                        circle cx=(RIGHT) cy=(y) r="6" {}
                        text x=(RIGHT + 13) y=(y + 5) {
                            (label(&title_of(&group.group), TITLE)) tspan.sum { " " (group.members.len()) }
                        }
                    }
                }
            }
            figcaption.soft {
                "■ accounts, with their number of shared groups. ● groups of at least two of these accounts, with their number "
                "of accounts. The matrix has the same as a table."
            }
        }
    }
}

/// The groups in the order of their accounts, so that few lines cross.
fn in_order(groups: &[Group]) -> Vec<&Group> {
    let mut groups: Vec<&Group> = groups.iter().collect();
    // The mean place of the accounts, in thousandths.
    groups.sort_by_key(|group| {
        group.members.iter().map(|(member, _)| member * 1000).sum::<usize>() / group.members.len().max(1)
    });
    groups
}

fn has(group: &Group, member: usize) -> bool {
    group.members.iter().any(|(other, _)| *other == member)
}

fn curve(from: usize, to: usize) -> String {
    let middle = usize::midpoint(LEFT, RIGHT);
    format!("M{LEFT} {from}C{middle} {from} {middle} {to} {RIGHT} {to}")
}
