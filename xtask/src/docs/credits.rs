//! Generates the tables of `credits.md` from the retry and credit rules in the code.

use std::time::Duration;

use http::StatusCode;
use tgscan_core::{
    Credits, Refusal, RetryPolicy,
    retry::{Decision, Failure, RetryContext, StatusRule, decide},
};

/// Returns the generated sections of the page.
pub(super) fn sections() -> Result<Vec<(&'static str, String)>, String> {
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
        .map(|failure| row(&name(failure), &outcome(failure, can_cost), can_cost))
        .collect();
    let others = row("any other status, not from the service", &other_statuses(can_cost)?, can_cost);
    // The option affects only calls that can cost credits.
    let option = if can_cost { " with `resend_uncertain` |" } else { "" };
    let rule = if can_cost { "---|" } else { "" };
    Ok(format!(
        "| failure | delivery | sent again |{option} credits, without a readable `op_cost` |\n\
         |---|---|---|{rule}---|\n{rows}{others}"
    ))
}

fn row(failure: &str, outcome: &Outcome, can_cost: bool) -> String {
    let option = if can_cost { format!(" {} |", yes(outcome.is_resent_with_option)) } else { String::new() };
    let Outcome { delivery, is_resent, credits, .. } = outcome;
    format!("| {failure} | {delivery} | {} |{option} {} |\n", yes(*is_resent), cost(*credits))
}

/// The consequences of a failure.
#[derive(Clone, PartialEq, Eq)]
struct Outcome {
    delivery: &'static str,
    is_resent: bool,
    is_resent_with_option: bool,
    credits: Credits,
}

fn outcome(failure: Failure, can_cost: bool) -> Outcome {
    let mut with_option = RetryPolicy::default();
    with_option.resend_uncertain = true;
    Outcome {
        delivery: delivery(failure),
        is_resent: is_resent(&RetryPolicy::default(), failure, can_cost),
        is_resent_with_option: is_resent(&with_option, failure, can_cost),
        credits: failure.credits(can_cost),
    }
}

/// Returns whether a second attempt follows the first, within all limits.
fn is_resent(policy: &RetryPolicy, failure: Failure, can_cost: bool) -> bool {
    let elapsed = Duration::ZERO;
    let (is_charged, retry_after) = (false, None);
    let first = RetryContext { can_cost, failure, is_charged, retry_after, attempts: 1, elapsed, random: 0 };
    decide(policy, &first) != Decision::GiveUp
}

/// Returns the common outcome of the statuses without a row, or an error if their outcomes differ.
fn other_statuses(can_cost: bool) -> Result<Outcome, String> {
    let statuses =
        (100..=999).filter_map(|status| StatusCode::from_u16(status).ok()).map(Failure::Unexpected);
    let listed = Failure::all();
    // The row of a range has its first status.
    let is_range =
        |failure: &Failure| matches!(failure, Failure::Unexpected(s) if (520..=529).contains(&s.as_u16()));
    let mut others = statuses.filter(|failure| !listed.contains(failure) && !is_range(failure));
    let first = others.next().ok_or("every status has its own row")?;
    let common = outcome(first, can_cost);
    match others.find(|failure| outcome(*failure, can_cost) != common) {
        Some(other) => {
            Err(format!("the rules of {other:?} and {first:?} differ: add {other:?} to `Failure::all`"))
        }
        None => Ok(common),
    }
}

fn name(failure: Failure) -> String {
    match failure {
        Failure::NeverSent => "no connection: unknown host, refused, or timed out while connecting".into(),
        Failure::Unsendable => {
            "no trusted TLS session, or a proxy or the transport refuses the request".into()
        }
        Failure::MaybeSent => "a timeout or a broken connection before an answer".into(),
        Failure::ResponseBroken(status) => format!("a response with {} broke off", status_name(status)),
        Failure::ResponseTooLarge(status) => {
            format!("a response with {} is larger than the transport's limit", status_name(status))
        }
        Failure::Api(Refusal::Other, status) => {
            format!("the service's error envelope with any other text, under {}", status_name(status))
        }
        Failure::Api(refusal, _) => format!("the service's error envelope: {refusal}"),
        Failure::Unexpected(StatusCode::OK) => "200 with a body that is not the service's envelope".into(),
        Failure::Unexpected(status) => format!("{}, not from the service", status_name(status)),
        Failure::Undecodable => "a successful envelope with an answer that does not match the schema".into(),
    }
}

fn status_name(status: StatusCode) -> String {
    match (status.as_u16(), status.canonical_reason()) {
        (520, _) => "520 to 524".into(),
        (525, _) => "525 to 529".into(),
        (code, Some(reason)) if code != 200 => format!("{code} ({reason})"),
        (code, _) => code.to_string(),
    }
}

fn delivery(failure: Failure) -> &'static str {
    match failure {
        Failure::NeverSent | Failure::Unsendable => "never sent",
        Failure::MaybeSent => "maybe sent",
        _ if failure.not_processed() => "answered: not processed",
        Failure::ResponseBroken(_) | Failure::ResponseTooLarge(_) => {
            "response started; the received bytes are kept"
        }
        Failure::Api(..) | Failure::Unexpected(_) | Failure::Undecodable => "answered; the answer is kept",
    }
}

/// Returns the table of statuses with a special rule, and the reason of each.
fn statuses() -> String {
    let others = StatusRule::of(StatusCode::IM_A_TEAPOT);
    let rows = Failure::all().into_iter().filter_map(|failure| match failure {
        Failure::Unexpected(status) if StatusRule::of(status) != others => {
            Some(format!("| {} | {} |\n", status_name(status), StatusRule::of(status).why))
        }
        _ => None,
    });
    let rows: String = rows.collect();
    format!("| status | reason |\n|---|---|\n{rows}| any other | {} |\n", others.why)
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
        "A call makes at most {attempts} attempts. The backoff before the next attempt is uniformly random between zero and\n\
         a bound, which starts at {base} and doubles, and is at least the value of `Retry-After`. If it would be longer than\n\
         {wait}, or end more than {total} after the start of the call, the call ends immediately with its last failure.\n\
         These are the defaults of `RetryPolicy`.",
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
    fn every_failure_has_its_own_row() {
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
            assert_eq!(outcome.is_resent, outcome.is_resent_with_option, "{failure:?}");
            assert_eq!(outcome.credits, Credits::NotCharged, "{failure:?}");
        }
    }

    #[test]
    fn table_contains_the_most_important_rules() {
        let table = table(true).unwrap();
        for row in [
            "| a timeout or a broken connection before an answer | maybe sent | no | **yes** | **uncertain** |",
            "| 429 (Too Many Requests), not from the service | answered: not processed | **yes** | **yes** | none |",
            "| 502 (Bad Gateway), not from the service | answered; the answer is kept | no | **yes** | **uncertain** |",
            "| 503 (Service Unavailable), not from the service | answered; the answer is kept | no | **yes** | **uncertain** |",
        ] {
            assert!(table.lines().any(|line| line == row), "{row}\n{table}");
        }
    }

    #[test]
    fn limits_are_those_of_the_policy() {
        let mut policy = RetryPolicy::default();
        policy.max_attempts = 7;
        policy.max_backoff = Duration::from_secs(11);
        let text = limits(&policy);
        assert!(text.contains("at most 7 attempts") && text.contains("\n11 s, or end more than"), "{text}");
    }
}
