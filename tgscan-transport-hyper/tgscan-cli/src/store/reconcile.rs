//! Compares the book with the balance.

use std::time::Duration;

use tgscan_core::store::Account;
use tgscan_core::{Outcome, Reconciliation};

use super::{cost, question, resolution, with_state};
use crate::args::{Format, Global};
use crate::exit::{Code, Failure, counted};
use crate::show::{escape, print_rows};
use crate::{connect, help, print};

pub(crate) async fn run(global: &Global, late_charge: Duration, format: Format) -> Result<Code, Failure> {
    let (client, account) = connect::client_to_reconcile(global).await?;
    account.mark_lost().await?;
    let mut before = account.unresolved().await?;
    before.retain(|call| call.entry.is_uncertain());
    if !before.is_empty() && !late_charge.is_zero() && !global.quiet {
        let wait = humantime::format_duration(late_charge);
        print::note(&format!("a call can be charged up to {wait} after it ended; this may wait that long"));
    }
    let client = client.with_late_charge_window(late_charge);
    let seen = client.reconcile().await.map_err(|error| Failure::of_call(&error, global))?;
    // The calls that were uncertain, with their cost now.
    let mut rows = Vec::new();
    for was in &before {
        let Some((call, _)) = account.call(was.id).await? else { continue };
        let row = [call.id.into(), call.entry.method().into(), question(was).into()];
        rows.push(row.into_iter().chain(cost(&call, format)).collect());
    }
    print_rows(&with_state(&["call", "method", "question", "cost"], format), rows, format)?;
    print::note(&conclusion(global, seen.outcome));
    report_rest(global, &account, &seen).await
}

fn conclusion(global: &Global, outcome: Outcome) -> String {
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
            "the account has at least {} more than the bill explains, and nothing was resolved: record purchases with `{}`, then compare again",
            counted(credits, "credit"),
            help::command(global, "store purchase CREDITS")
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
async fn report_rest(global: &Global, account: &Account, seen: &Reconciliation) -> Result<Code, Failure> {
    for call in account.unresolved().await? {
        let asked = format!("call {} ({} {})", call.id, call.entry.method(), escape(&question(&call)));
        print::note(&if !call.entry.is_uncertain() {
            format!(
                "{asked} cost {} and returned no usable answer: `{}` lets it be asked (and paid) again",
                counted(call.entry.charged(), "credit"),
                resolution(global, &call)
            )
        } else if seen.outcome.is_conclusive() && !matches!(seen.outcome, Outcome::Purchased(_)) {
            let resolve = help::command(global, &format!("store resolve {} CREDITS", call.id));
            format!(
                "{asked} is still uncertain, because it ended before the first balance was seen: `{resolve}` with the cost in the account's history, 0 for nothing"
            )
        } else {
            format!("{asked} is still uncertain")
        });
    }
    Ok(if seen.uncertain_attempts > 0 { Code::Uncertain } else { Code::Done })
}
