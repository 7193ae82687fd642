//! The page: its head, the summary, and its sections.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use ring::digest::{SHA256, digest};

use super::{Case, accounts, isolated, matrix, picture, text};
use crate::answers::{Known, Origin, shown};
use crate::exit::counted;

/// A text that each page of this program has near its beginning.
pub(super) const MARK: &str = "<meta name=\"generator\" content=\"tgscan report\">";

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("sort.js");

/// Allows the style and the script of this page, and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

/// Beyond this number of accounts, browsers lay out parts of the page when they are scrolled to.
const LARGE: usize = 24;

/// An answer that is older than this is marked.
const OLD: Duration = Duration::from_secs(30 * DAY);
const DAY: u64 = 24 * 60 * 60;

pub(super) fn page(case: &Case<'_>) -> String {
    let title = text(&case.title);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(*POLICY);
                meta name="generator" content="tgscan report";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body.large[case.collected.known.len() > LARGE] {
                a.skip href="#content" { "Skip to the content" }
                header {
                    h1 dir="auto" { (title) }
                    p.soft {
                        "Written " (time(case.now)) " by tgscan " (env!("CARGO_PKG_VERSION"))
                        " from answers of TgScan that were already paid for. Nothing was sent to write this page."
                    }
                }
                main #content tabindex="-1" {
                    (figures(case))
                    (answers(case))
                    // The list of the only account has all that a matrix would have.
                    @if case.collected.known.len() > 1 { (shared(case)) }
                    (accounts::section(case))
                }
                (foot())
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    let mut page = markup.into_string();
    page.push('\n');
    page
}

fn figures(case: &Case<'_>) -> Markup {
    let missing = case.collected.missing.len();
    html! {
        dl.figures {
            div { dt { "Accounts" } dd { (case.collected.known.len()) } }
            @if missing > 0 { div { dt { "Without an answer" } dd { (missing) } } }
            div { dt { "Groups" } dd { (case.groups.len()) } }
            div { dt { "Shared groups" } dd { (case.shared().len()) } }
        }
    }
}

fn answers(case: &Case<'_>) -> Markup {
    let collected = case.collected;
    html! {
        section aria-labelledby="answers" {
            h2 #answers { "Answers" }
            div.scroll tabindex="0" role="region" aria-labelledby="answers" {
                table.sortable {
                    caption { "The age of each answer, and its missing parts." }
                    thead { tr {
                        th scope="col" { "Account" }
                        th scope="col" { "Id" }
                        th scope="col" data-first="descending" { "Answer from" }
                        th scope="col" { "Age" }
                        th.number scope="col" data-first="descending" { "Groups" }
                        th scope="col" { "Missing" }
                    } }
                    tbody {
                        @for (place, known) in collected.known.iter().enumerate() {
                            (answer(case, place, known))
                        }
                        @for missing in &collected.missing {
                            tr {
                                th scope="row" { (isolated(&shown(&missing.query))) }
                                td {} td {} td {} td {}
                                td { span.warn {
                                    @if missing.is_unreadable { "the stored answer cannot be read" }
                                    @else { "no stored answer" }
                                } }
                            }
                        }
                    }
                }
            }
            @for (query, first) in &collected.repeated {
                p.soft {
                    (isolated(&shown(first))) " and " (isolated(&shown(query))) " are the same account, and are counted once."
                }
            }
        }
    }
}

fn answer(case: &Case<'_>, place: usize, known: &Known) -> Markup {
    let (at, is_exact) = match &known.origin {
        Origin::Store(at) => (Some(*at), true),
        Origin::File(_, changed) => (*changed, false),
    };
    let age = at.and_then(|at| case.now.duration_since(at).ok());
    let meta = &known.answer.meta;
    let listed = known.answer.groups.len();
    html! {
        tr {
            th scope="row" { a href=(format!("#account-{}", place + 1)) { (isolated(&known.name())) } }
            td.date { @if let Some(id) = known.id() { (id) } }
            td.date data-key=(at.map(stamp).unwrap_or_default()) {
                @if let Some(at) = at {
                    @if is_exact { (time(at)) } @else { "not after " (time(at)) " " }
                }
                @if let Origin::File(path, _) = &known.origin {
                    "in " (isolated(&path.file_name().unwrap_or_default().to_string_lossy()))
                }
            }
            td.date data-key=(age.map(|age| age.as_secs().to_string()).unwrap_or_default()) {
                @if let Some(age) = age {
                    @let words = if is_exact { age_words(age) } else { format!("at least {}", age_words(age)) };
                    @if age > OLD { span.warn { (words) } } @else { (words) }
                }
            }
            td.number { (listed) }
            td {
                @if known.answer.nothing_known() {
                    "nothing is known about this account"
                } @else if meta.known_num_groups > listed as u64 {
                    span.warn { "lists " (listed) " of " (counted(meta.known_num_groups, "known group")) }
                } @else {
                    "nothing"
                }
            }
        }
    }
}

fn shared(case: &Case<'_>) -> Markup {
    let (accounts, groups) = (case.collected.known.len(), case.shared().len());
    html! {
        section aria-labelledby="shared" {
            h2 #shared { "Accounts and groups" }
            @if groups == 0 {
                p { "The answers show no group that several of these accounts share." }
            }
            @if groups > 0 {
                @if picture::fits(accounts, groups) {
                    (picture::figure(case))
                } @else {
                    p {
                        "There is no picture: it is readable up to " (picture::MOST_ACCOUNTS) " accounts and "
                        (picture::MOST_GROUPS) " shared groups, and this page has " (accounts) " and " (groups)
                        ". The tables have all of them."
                    }
                    (matrix::list(case))
                }
            }
            (matrix::matrix(case))
        }
    }
}

fn foot() -> Markup {
    html! {
        footer {
            h2 #use { "Responsible use" }
            p {
                "This page has personal data: it shows which groups a person is in. Have a legal basis for each lookup, keep "
                "this page only as long as you need it, and never use it to stalk, harass, expose or profile people."
            }
            p {
                "An answer lists the groups in which TgScan has seen an account. It can be out of date or incomplete, and a "
                "name or username can pass to another person. Erasing a person from the store does not change this file."
            }
        }
    }
}

/// A time to the minute, in UTC.
pub(super) fn time(at: SystemTime) -> Markup {
    let stamp = stamp(at);
    let shown = stamp.get(..16).unwrap_or(&stamp).replace('T', " ");
    html! { time datetime=(stamp) { (shown) " UTC" } }
}

fn stamp(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}

fn age_words(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => counted(seconds, "second"),
        60..3600 => counted(seconds / 60, "minute"),
        3600..DAY => counted(seconds / 3600, "hour"),
        _ => counted(seconds / DAY, "day"),
    }
}
