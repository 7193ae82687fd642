//! The tables of "What happens to my credits when …": the retry and credit rules, as the code decides them.

use std::time::Duration;

use http::StatusCode;
use tgscan_core::{
    Credits, Refusal, RetryPolicy,
    retry::{Decision, Failure, RetryContext, StatusRule, decide},
};

/// The generated parts of the page.
pub(super) fn parts() -> Result<Vec<(&'static str, String)>, String> {
    Ok(vec![
        ("calls that can cost credits", table(true)?),
        ("free calls", table(false)?),
        ("statuses", statuses()),
        ("limits", limits(&RetryPolicy::default())),
    ])
}

fn table(can_cost: bool) -> Result<String, String> {
    let rows: String = Failure::all()
        .into_iter()
        .map(|failure| row(&words(failure), &outcome(failure, can_cost), can_cost))
        .collect();
    let others = row("any other status, not from the service", &other_statuses(can_cost)?, can_cost);
    // The option is about calls that can cost credits and changes nothing for others.
    let option = if can_cost { " with `resend_uncertain` |" } else { "" };
    let rule = if can_cost { "---|" } else { "" };
    Ok(format!(
        "| what happened | what is known | sent again |{option} credits, if no `op_cost` can be read |\n\
         |---|---|---|{rule}---|\n{rows}{others}"
    ))
}

fn row(what: &str, outcome: &Outcome, can_cost: bool) -> String {
    let option = if can_cost { format!(" {} |", yes(outcome.is_resent_if_asked)) } else { String::new() };
    let Outcome { known, is_resent, credits, .. } = outcome;
    format!("| {what} | {known} | {} |{option} {} |\n", yes(*is_resent), cost(*credits))
}

/// What follows from a failure.
#[derive(Clone, PartialEq, Eq)]
struct Outcome {
    known: &'static str,
    is_resent: bool,
    is_resent_if_asked: bool,
    credits: Credits,
}

fn outcome(failure: Failure, can_cost: bool) -> Outcome {
    let mut asked = RetryPolicy::default();
    asked.resend_uncertain = true;
    Outcome {
        known: known(failure),
        is_resent: is_resent(&RetryPolicy::default(), failure, can_cost),
        is_resent_if_asked: is_resent(&asked, failure, can_cost),
        credits: failure.credits(can_cost),
    }
}

/// Whether the first attempt is followed by a second if no limit stands in the way.
fn is_resent(policy: &RetryPolicy, failure: Failure, can_cost: bool) -> bool {
    let elapsed = Duration::ZERO;
    let (is_charged, retry_after) = (false, None);
    let first = RetryContext { can_cost, failure, is_charged, retry_after, attempts: 1, elapsed, random: 0 };
    decide(policy, &first) != Decision::GiveUp
}

/// What the statuses that no row names have in common; an error if it is not the same for all.
fn other_statuses(can_cost: bool) -> Result<Outcome, String> {
    let statuses =
        (100..=999).filter_map(|status| StatusCode::from_u16(status).ok()).map(Failure::Unexpected);
    let listed = Failure::all();
    // A range of statuses is listed by its first.
    let is_range =
        |failure: &Failure| matches!(failure, Failure::Unexpected(s) if (520..=529).contains(&s.as_u16()));
    let mut others = statuses.filter(|failure| !listed.contains(failure) && !is_range(failure));
    let first = others.next().ok_or("every status has a row of its own")?;
    let common = outcome(first, can_cost);
    match others.find(|failure| outcome(*failure, can_cost) != common) {
        Some(other) => {
            Err(format!("{other:?} follows another rule than {first:?}: it belongs into Failure::all"))
        }
        None => Ok(common),
    }
}

fn words(failure: Failure) -> String {
    match failure {
        Failure::NeverSent => "no connection: unknown host, refused, or timed out while connecting".into(),
        Failure::Unsendable => {
            "no trusted TLS session, or a proxy or the transport refuses the request".into()
        }
        Failure::MaybeSent => "a timeout or a broken connection before any answer".into(),
        Failure::ResponseBroken(status) => format!("a response with {} broke off", words_of(status)),
        Failure::ResponseTooLarge(status) => {
            format!("a response with {} is larger than the transport's limit", words_of(status))
        }
        Failure::Api(Refusal::Other, status) => {
            format!("the service's error envelope with any other text, under {}", words_of(status))
        }
        Failure::Api(refusal, _) => format!("the service's error envelope: {refusal}"),
        Failure::Unexpected(StatusCode::OK) => "200 with a body that is not the service's envelope".into(),
        Failure::Unexpected(status) => format!("{}, not from the service", words_of(status)),
        Failure::Undecodable => "a successful envelope whose answer does not fit the schema".into(),
    }
}

fn words_of(status: StatusCode) -> String {
    match (status.as_u16(), status.canonical_reason()) {
        (520, _) => "520 to 524".into(),
        (525, _) => "525 to 529".into(),
        (code, Some(reason)) if code != 200 => format!("{code} ({reason})"),
        (code, _) => code.to_string(),
    }
}

fn known(failure: Failure) -> &'static str {
    match failure {
        Failure::NeverSent | Failure::Unsendable => "never sent",
        Failure::MaybeSent => "maybe sent",
        _ if failure.not_processed() => "answered: not processed",
        Failure::ResponseBroken(_) | Failure::ResponseTooLarge(_) => {
            "response started; its first bytes are kept"
        }
        Failure::Api(..) | Failure::Unexpected(_) | Failure::Undecodable => "answered; all of it is kept",
    }
}

/// Why each status with a rule of its own has it.
fn statuses() -> String {
    let others = StatusRule::of(StatusCode::IM_A_TEAPOT);
    let rows = Failure::all().into_iter().filter_map(|failure| match failure {
        Failure::Unexpected(status) if StatusRule::of(status) != others => {
            Some(format!("| {} | {} |\n", words_of(status), StatusRule::of(status).why))
        }
        _ => None,
    });
    let rows: String = rows.collect();
    format!("| status | why |\n|---|---|\n{rows}| any other | {} |\n", others.why)
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "**yes**" } else { "no" }
}

fn cost(credits: Credits) -> String {
    match credits {
        Credits::NotCharged => "none".into(),
        Credits::Uncertain => "**uncertain**".into(),
        Credits::Charged(credits) => format!("{credits}"),
    }
}

fn limits(policy: &RetryPolicy) -> String {
    format!(
        "A call is sent at most {attempts} times. The backoff before the next attempt is drawn evenly from zero up to a\n\
         bound that starts at {base} and doubles, and is at least what `Retry-After` asks for. A backoff of more than\n\
         {wait}, or one that would end more than {total} after the call began, is not started: the call ends with its\n\
         last failure at once. These are the defaults of `RetryPolicy`.",
        attempts = policy.max_attempts,
        base = length(policy.base_backoff),
        wait = length(policy.max_backoff),
        total = length(policy.max_elapsed),
    )
}

fn length(time: Duration) -> String {
    if time.subsec_nanos() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_row_of_its_own() {
        for can_cost in [true, false] {
            let table = table(can_cost).unwrap();
            assert_eq!(table.lines().count(), 2 + Failure::all().len() + 1);
            let columns = table.lines().map(|line| line.matches('|').count()).collect::<Vec<_>>();
            assert!(columns.iter().all(|count| *count == columns[0]), "{columns:?}");
            let rows: std::collections::BTreeSet<_> = table.lines().collect();
            assert_eq!(rows.len(), table.lines().count(), "{table}");
        }
    }

    #[test]
    fn the_option_changes_nothing_for_free_calls() {
        for failure in Failure::all() {
            let outcome = outcome(failure, false);
            assert_eq!(outcome.is_resent, outcome.is_resent_if_asked, "{failure:?}");
            assert_eq!(outcome.credits, Credits::NotCharged, "{failure:?}");
        }
    }

    #[test]
    fn the_rules_that_matter_most_stand_in_the_table() {
        let table = table(true).unwrap();
        for row in [
            "| a timeout or a broken connection before any answer | maybe sent | no | **yes** | **uncertain** |",
            "| 429 (Too Many Requests), not from the service | answered: not processed | **yes** | **yes** | none |",
            "| 502 (Bad Gateway), not from the service | answered; all of it is kept | no | **yes** | **uncertain** |",
            "| 503 (Service Unavailable), not from the service | answered; all of it is kept | no | **yes** | **uncertain** |",
        ] {
            assert!(table.lines().any(|line| line == row), "{row}\n{table}");
        }
    }

    #[test]
    fn the_limits_are_those_of_the_policy() {
        let mut policy = RetryPolicy::default();
        policy.max_attempts = 7;
        policy.max_backoff = Duration::from_secs(11);
        let text = limits(&policy);
        assert!(text.contains("at most 7 times") && text.contains("\n11 s, or one that"), "{text}");
    }
}
