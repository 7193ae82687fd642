//! The content of the store, and changes of it by hand.

mod erase;
mod export;
mod reconcile;

use std::sync::Arc;

use tgscan_core::store::{Account, Call, Store};
use tgscan_core::types::registry;

use crate::args::{Format, Global, StoreCommand};
use crate::exit::{Code, Failure, counted};
use crate::show::{Rows, escape};
use crate::{connect, print};

/// The number of calls per read.
const PAGE: usize = 500;

pub(crate) async fn run(global: &Global, command: StoreCommand) -> Result<Code, Failure> {
    if let StoreCommand::Reconcile { late_charge } = command {
        return reconcile::run(global, late_charge).await;
    }
    if let StoreCommand::Check = command {
        let rows = connect::check_store(global).await?;
        print::note(&format!("the store is whole: {} verified", counted(rows, "row")));
        return Ok(Code::Done);
    }
    if let StoreCommand::Export { damaged: true } = command {
        return export::run_damaged(global).await;
    }
    let store = connect::existing_store(global).await?;
    match command {
        StoreCommand::Bill(format) => bill(&connect::accounts(global, &store).await?, format).await,
        StoreCommand::Expire => expire(global, &store).await,
        StoreCommand::Erase { person, yes } => {
            erase::run(&connect::accounts(global, &store).await?, &person, yes).await
        }
        StoreCommand::Export { .. } => export::run(&connect::accounts(global, &store).await?).await,
        StoreCommand::Uncertain(format) => uncertain(&connect::account(global, store).await?, format).await,
        StoreCommand::Info(format) => info(&connect::account(global, store).await?, format).await,
        StoreCommand::Resolve { call, credits } => {
            resolve(&connect::account(global, store).await?, call, credits).await
        }
        StoreCommand::Purchase { credits } => {
            connect::account(global, store).await?.record_purchase(credits).await?;
            print::note(&format!("recorded as bought: {}", counted(credits, "credit")));
            Ok(Code::Done)
        }
        StoreCommand::Reconcile { .. } | StoreCommand::Check => Ok(Code::Done),
    }
}

async fn resolve(account: &Account, call: u64, credits: u64) -> Result<Code, Failure> {
    let unknown = || {
        Failure::usage(format!("there is no call {call}, or it is in flight; see `tgscan store uncertain`"))
    };
    let (before, _) = account.call(call).await?.ok_or_else(unknown)?;
    let is_settled = !before.blocks_question() && !before.entry.is_uncertain() && !before.entry.is_shared();
    if is_settled && before.entry.charged() == credits {
        print::note(&format!("nothing changed: call {call} already cost {}", counted(credits, "credit")));
        return Ok(Code::Done);
    }
    let was = account.resolve(call, credits).await?.ok_or_else(unknown)?;
    print::note(&format!("call {call} is resolved: it cost {} (before: {was})", counted(credits, "credit")));
    Ok(Code::Done)
}

async fn bill(accounts: &[Account], format: Format) -> Result<Code, Failure> {
    let mut rows = Rows::new(&["account", "service", "day", "method", "calls", "credits"]);
    let mut total = 0_u64;
    for account in accounts {
        let name = account.name();
        for row in account.bill().await? {
            total = total.saturating_add(row.charged);
            // The joint cost of several calls has no method.
            let method = if row.method.is_empty() { "(several)".to_owned() } else { row.method };
            let (calls, charged) = (row.calls.to_string(), row.charged.to_string());
            rows.add(vec![name.label.clone(), name.service.clone(), row.date, method, calls, charged]);
        }
    }
    rows.print(format)?;
    print::note(&format!("{} in total", counted(total, "credit")));
    Ok(Code::Done)
}

async fn uncertain(account: &Account, format: Format) -> Result<Code, Failure> {
    account.mark_lost().await?;
    let calls = account.unresolved().await?;
    let mut rows = Rows::new(&["call", "since", "method", "question", "charged"]);
    let mut charged = None;
    for call in &calls {
        let since = humantime::format_rfc3339_seconds(call.claimed_at()).to_string();
        let cost = call.entry.charged();
        let amount = if !call.entry.is_uncertain() {
            charged = charged.or(Some((call.id, cost)));
            format!("{cost}, without a usable answer")
        } else if cost == 0 {
            "unknown".to_owned()
        } else {
            format!("{cost} or more")
        };
        rows.add(vec![call.id.to_string(), since, call.entry.method().to_owned(), question(call), amount]);
    }
    if !calls.is_empty() || format.json || format.csv {
        rows.print(format)?;
    }
    if calls.is_empty() {
        print::note("nothing is uncertain");
        return Ok(Code::Done);
    }
    if calls.iter().any(|call| call.entry.is_uncertain()) {
        print::note("`tgscan store reconcile` determines the cost of uncertain calls (free)");
    }
    if let Some((call, cost)) = charged {
        print::note(&format!(
            "calls without a usable answer keep their cost: `tgscan store resolve {call} {cost}` lets the question be asked (and paid) again"
        ));
    }
    Ok(Code::Uncertain)
}

/// Returns the query of a call, as the user gave it.
fn question(call: &Call) -> String {
    let form = call.question.as_ref().map(|question| question.form.as_str()).unwrap_or_default();
    form.strip_prefix("query=").unwrap_or(form).replace("%2C", ",")
}

async fn expire(global: &Global, store: &Arc<dyn Store>) -> Result<Code, Failure> {
    let keep_for = global.keep_for.unwrap_or(crate::settings::KEEP_FOR);
    let mut removed = 0_u64;
    for account in connect::accounts(global, store).await? {
        removed = removed.saturating_add(account.expire(keep_for).await?);
    }
    print::note(&format!("removed: {}", counted(removed, "question")));
    Ok(Code::Done)
}

async fn info(account: &Account, format: Format) -> Result<Code, Failure> {
    account.mark_lost().await?;
    let (book, name) = (account.book().await?, account.name());
    let totals = book.totals();
    let balance = book.balance().map_or_else(|| "none seen yet".to_owned(), |balance| balance.to_string());
    let mut lines = vec![
        ("account", name.label.clone()),
        ("service", name.service.clone()),
        ("charged", totals.charged.to_string()),
        ("in flight", amount(totals.in_flight, totals.in_flight_calls, "call", totals.is_in_flight_open)),
        (
            "uncertain",
            amount(totals.uncertain, totals.uncertain_attempts, "attempt", totals.is_uncertain_open),
        ),
        ("unexplained", totals.unexplained.to_string()),
        ("last balance", balance),
    ];
    let prices: Vec<(String, u64)> = registry::infos()
        .into_iter()
        .filter_map(|method| Some((format!("highest cost of {}", method.name), book.price(method.name)?)))
        .collect();
    lines.extend(prices.iter().map(|(name, price)| (&**name, price.to_string())));
    if format.json || format.csv {
        let mut rows = Rows::new(&["name", "value"]);
        for (name, value) in lines {
            rows.add(vec![name.to_owned(), value]);
        }
        return rows.print(format).map(|()| Code::Done);
    }
    let wide = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{name:<wide$}  {}", escape(value));
    let text = lines.iter().map(line).collect::<Vec<_>>().join(
        "
",
    ) + "
";
    print::text(&text)?;
    Ok(Code::Done)
}

/// Formats the credits that calls may cost.
fn amount(credits: u64, count: u64, noun: &str, is_open: bool) -> String {
    if count == 0 {
        return "0".to_owned();
    }
    let most = if is_open { "any number".to_owned() } else { credits.to_string() };
    format!("up to {most} ({})", counted(count, noun))
}
