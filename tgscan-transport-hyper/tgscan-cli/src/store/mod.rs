//! The content of the store, and changes of it by hand.

mod erase;
mod export;
mod reconcile;

use serde_json::{Number, Value};
use tgscan_core::store::Call;
use tgscan_core::types::registry;
use tgscan_store::FileStore;

use crate::args::{Format, Global, StoreCommand};
use crate::exit::{Code, Failure, counted};
use crate::show::{cell_text, escape, print_rows};
use crate::{connect, help, print};

/// The number of calls per read.
const PAGE: usize = 500;

pub(crate) async fn run(global: &Global, command: StoreCommand) -> Result<Code, Failure> {
    match command {
        StoreCommand::Bill(format) => bill(global, format).await,
        StoreCommand::Uncertain(format) => uncertain(global, format).await,
        StoreCommand::Resolve { call, credits } => resolve(global, call, credits).await,
        StoreCommand::Reconcile { late_charge, format } => reconcile::run(global, late_charge, format).await,
        StoreCommand::Purchase { credits } => {
            connect::account(global).await?.record_purchase(credits).await?;
            print::note(&format!("recorded as bought: {}", counted(credits, "credit")));
            Ok(Code::Done)
        }
        StoreCommand::Expire => expire(global).await,
        StoreCommand::Erase { person, yes } => erase::run(global, &person, yes).await,
        StoreCommand::Export { damaged: false } => export::run(global).await,
        StoreCommand::Export { damaged: true } => export::run_damaged(global).await,
        StoreCommand::Check(format) => check(global, format).await,
        StoreCommand::Info(format) => info(global, format).await,
    }
}

async fn resolve(global: &Global, call: u64, credits: u64) -> Result<Code, Failure> {
    let account = connect::account(global).await?;
    let unknown = || {
        let uncertain = help::command(global, "store uncertain");
        Failure::usage(format!("there is no call {call}, or it is in flight; see `{uncertain}`"))
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

/// Verifies the file of the store.
async fn check(global: &Global, format: Format) -> Result<Code, Failure> {
    let reason = "PostgreSQL verifies its pages itself (`data_checksums`)";
    let checked = connect::read_store_file(global, reason, FileStore::check).await;
    let verified = checked.map_err(|failure| {
        if failure.to_string().contains("damaged") {
            let export = help::command(global, "store export --damaged");
            return failure.and(&format!("; `{export}` prints its readable calls"));
        }
        failure
    })?;
    if format.is_for_programs() {
        print_rows(&["rows"], vec![vec![verified.into()]], format)?;
    }
    print::note(&format!("the store is whole: {} verified", counted(verified, "row")));
    Ok(Code::Done)
}

async fn bill(global: &Global, format: Format) -> Result<Code, Failure> {
    let (mut rows, mut total) = (Vec::new(), 0_u64);
    for account in connect::accounts(global).await? {
        let name = account.name();
        for row in account.bill().await? {
            total = total.saturating_add(row.charged);
            // The joint cost of several calls has no method.
            let method = if row.method.is_empty() { "(several)".to_owned() } else { row.method };
            rows.push(vec![
                name.label.as_str().into(),
                name.service.as_str().into(),
                row.date.into(),
                method.into(),
                row.calls.into(),
                row.charged.into(),
            ]);
        }
    }
    print_rows(&["account", "service", "day", "method", "calls", "credits"], rows, format)?;
    print::note(&format!("{} in total", counted(total, "credit")));
    Ok(Code::Done)
}

async fn uncertain(global: &Global, format: Format) -> Result<Code, Failure> {
    let account = connect::account(global).await?;
    account.mark_lost().await?;
    let calls = account.unresolved().await?;
    let row = |call: &Call| {
        let since = humantime::format_rfc3339_seconds(call.claimed_at()).to_string();
        let row = [call.id.into(), since.into(), call.entry.method().into(), question(call).into()];
        row.into_iter().chain(cost(call, format)).collect()
    };
    let rows = calls.iter().map(row).collect();
    print_rows(&with_state(&["call", "since", "method", "question", "charged"], format), rows, format)?;
    if calls.is_empty() {
        print::note("nothing is uncertain");
        return Ok(Code::Done);
    }
    if calls.iter().any(|call| call.entry.is_uncertain()) {
        let reconcile = help::command(global, "store reconcile");
        print::note(&format!("`{reconcile}` determines the cost of uncertain calls (free)"));
    }
    if let Some(call) = calls.iter().find(|call| !call.entry.is_uncertain()) {
        print::note(&format!(
            "calls without a usable answer keep their cost: `{}` lets the question be asked (and paid) again",
            resolution(global, call)
        ));
    }
    Ok(Code::Uncertain)
}

/// Returns the cells for the cost of a call: in a table, its description; for programs, the known credits and a state.
fn cost(call: &Call, format: Format) -> Vec<Value> {
    let charged = call.entry.charged();
    let (credits, state, text) = match call.entry.is_uncertain() {
        true if charged == 0 => (None, "unknown", "unknown".to_owned()),
        true => (Some(charged), "minimum", format!("{charged} or more")),
        false if call.blocks_question() => {
            (Some(charged), "unanswered", format!("{charged}, without a usable answer"))
        }
        false if call.entry.is_shared() => (None, "shared", "part of the total below".to_owned()),
        false => (Some(charged), "exact", charged.to_string()),
    };
    if format.is_for_programs() { vec![credits.into(), state.into()] } else { vec![text.into()] }
}

/// Adds the column that [`cost`] adds for programs.
fn with_state<'a>(names: &[&'a str], format: Format) -> Vec<&'a str> {
    let state = format.is_for_programs().then_some("state");
    names.iter().copied().chain(state).collect()
}

/// Returns the command that ends a call without a usable answer at its cost.
fn resolution(global: &Global, call: &Call) -> String {
    help::command(global, &format!("store resolve {} {}", call.id, call.entry.charged()))
}

/// Returns the query of a call, as the user gave it.
fn question(call: &Call) -> String {
    let form = call.question.as_ref().map(|question| question.form.as_str()).unwrap_or_default();
    form.strip_prefix("query=").unwrap_or(form).replace("%2C", ",")
}

async fn expire(global: &Global) -> Result<Code, Failure> {
    let keep_for = global.keep_for.unwrap_or(crate::settings::KEEP_FOR);
    let mut removed = 0_u64;
    for account in connect::accounts(global).await? {
        removed = removed.saturating_add(account.expire(keep_for).await?);
    }
    print::note(&format!("removed: {}", counted(removed, "question")));
    Ok(Code::Done)
}

async fn info(global: &Global, format: Format) -> Result<Code, Failure> {
    let account = connect::account(global).await?;
    account.mark_lost().await?;
    let (book, name) = (account.book().await?, account.name());
    let totals = book.totals();
    let mut lines: Vec<(String, Value)> = Vec::new();
    let mut add = |name: &str, value: Value| lines.push((name.to_owned(), value));
    add("account", name.label.as_str().into());
    add("service", name.service.as_str().into());
    add("charged", totals.charged.into());
    if format.is_for_programs() {
        add("in flight", (!totals.is_in_flight_open).then_some(totals.in_flight).into());
        add("calls in flight", totals.in_flight_calls.into());
        add("uncertain", (!totals.is_uncertain_open).then_some(totals.uncertain).into());
        add("uncertain attempts", totals.uncertain_attempts.into());
        add("unexplained", totals.unexplained.into());
        add("last balance", book.balance().and_then(Number::from_i128).into());
    } else {
        let in_flight = amount(totals.in_flight, totals.in_flight_calls, "call", totals.is_in_flight_open);
        add("in flight", in_flight.into());
        let uncertain =
            amount(totals.uncertain, totals.uncertain_attempts, "attempt", totals.is_uncertain_open);
        add("uncertain", uncertain.into());
        add("unexplained", totals.unexplained.into());
        let balance =
            book.balance().map_or_else(|| "none seen yet".to_owned(), |balance| balance.to_string());
        add("last balance", balance.into());
    }
    for method in registry::infos() {
        if let Some(price) = book.price(method.name) {
            add(&format!("highest cost of {}", method.name), price.into());
        }
    }
    if format.is_for_programs() {
        let rows = lines.into_iter().map(|(name, value)| vec![name.into(), value]).collect();
        print_rows(&["name", "value"], rows, format)?;
    } else {
        let wide = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let line = |(name, value)| format!("{name:<wide$}  {}\n", escape(&cell_text(value)));
        print::text(&lines.into_iter().map(line).collect::<String>())?;
    }
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
