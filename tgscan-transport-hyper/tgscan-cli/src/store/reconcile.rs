//! Compares the book with the balance.

use std::time::Duration;

use tgscan_core::store::{Account, Call};
use tgscan_core::{Outcome, Reconciliation};

use super::question;
use crate::args::Global;
use crate::connect;
use crate::exit::{Code, Failure, counted};
use crate::print;
use crate::show::{Table, escape};

pub(crate) async fn run(global: &Global, late_charge: Duration) -> Result<Code, Failure> {
    let client = connect::client_to_reconcile(global).await?.with_late_charge_window(late_charge);
    let Some(account) = client.account().cloned() else {
        return Err(Failure::usage("this needs --store FILE, or `tgscan init`"));
    };
    account.mark_lost().await?;
    let mut before = account.unresolved().await?;
    before.retain(|call| call.entry.is_uncertain());
    if !before.is_empty() && !late_charge.is_zero() && !global.quiet {
        let wait = humantime::format_duration(late_charge);
        print::note(&format!("a call can be charged up to {wait} after it ended; this may wait that long"));
    }
    let seen = client.reconcile().await.map_err(|error| Failure::of_call(&error, global))?;
    print::text(&settled(&account, &before).await?)?;
    print::note(&conclusion(seen.outcome));
    report_rest(&account, &seen).await
}

/// Describes the cost of the uncertain calls that are resolved now.
async fn settled(account: &Account, before: &[Call]) -> Result<String, Failure> {
    let mut table = Table::new(["CALL", "METHOD", "QUESTION", "COST"]);
    let mut count = 0;
    for was in before {
        let Some((call, _)) = account.call(was.id).await? else { continue };
        if call.entry.is_uncertain() {
            continue;
        }
        count += 1;
        let cost = if call.entry.is_shared() {
            "shared, see below".to_owned()
        } else {
            call.entry.charged().to_string()
        };
        table.row([&call.id.to_string(), call.entry.method(), &question(was), &cost]);
    }
    Ok(if count == 0 { String::new() } else { table.to_string() })
}

fn conclusion(outcome: Outcome) -> String {
    match outcome {
        Outcome::Baseline => "this is the first balance seen; the next one is compared with it".to_owned(),
        Outcome::Agrees => "the balance agrees with the bill".to_owned(),
        Outcome::Resolved(credits) => {
            format!(
                "the balance explains the uncertain calls: they cost {} in total",
                counted(credits, "credit")
            )
        }
        Outcome::Purchased(credits) => format!(
            "the account has at least {} more than the bill explains, and nothing was resolved: record purchases with `tgscan store purchase CREDITS`, then compare again",
            counted(credits, "credit")
        ),
        Outcome::Unexplained(credits) => format!(
            "the account lost {} that no call explains: another program may use it",
            counted(credits, "credit")
        ),
        Outcome::CallsInFlight => "calls are in flight; compare again when they have ended".to_owned(),
        Outcome::Overlapped => "calls ended in the meantime; compare again".to_owned(),
        Outcome::TooEarly => {
            "a call became uncertain in the meantime and may still be charged; compare again later".to_owned()
        }
        _ => "this balance is inconclusive; compare again".to_owned(),
    }
}

/// Prints the remaining uncertain calls, as `info` and `uncertain` do, and returns the exit code.
async fn report_rest(account: &Account, seen: &Reconciliation) -> Result<Code, Failure> {
    let left = account.unresolved().await?;
    for call in &left {
        let asked = format!("call {} ({} {})", call.id, call.entry.method(), escape(&question(call)));
        let cost = call.entry.charged();
        print::note(&if !call.entry.is_uncertain() {
            format!(
                "{asked} cost {} and returned no usable answer: `tgscan store resolve {} {cost}` lets it be asked (and paid) again",
                counted(cost, "credit"),
                call.id
            )
        } else if seen.outcome.is_conclusive() && !matches!(seen.outcome, Outcome::Purchased(_)) {
            format!(
                "{asked} is still uncertain, because it ended before the first balance was seen: `tgscan store resolve {} CREDITS` with the cost in the account's history, 0 for nothing",
                call.id
            )
        } else {
            format!("{asked} is still uncertain")
        });
    }
    Ok(if seen.uncertain_attempts > 0 { Code::Uncertain } else { Code::Done })
}
