//! What the store has.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use tgscan_core::ledger::ReconcileOutcome;
use tgscan_core::store::{CallState, Store, StoredCall};

use crate::args::{Global, StoreCommand};
use crate::exit::{Code, Failure};
use crate::show::Table;
use crate::{connect, print};

pub(crate) async fn run(global: &Global, command: StoreCommand) -> Result<Code, Failure> {
    if let StoreCommand::Reconcile { late_charge } = command {
        return reconcile(global, late_charge).await;
    }
    let Some(store) = connect::store(global).await? else {
        return Err(Failure::usage("this command needs --store FILE, or --store postgres://…"));
    };
    let account = global.account.as_str();
    match command {
        StoreCommand::Bill => bill(&store).await,
        StoreCommand::Uncertain => uncertain(&store, account).await,
        StoreCommand::Settle { call, credits } => {
            if !store.resolve(call, credits).await? {
                return Err(Failure::usage(format!(
                    "call {call} is not uncertain; see `tgscan store uncertain`"
                )));
            }
            print::note(&format!("call {call} is settled at {credits} credits"));
            Ok(Code::Done)
        }
        StoreCommand::TopUp { credits } => {
            store.record_top_up(account, credits).await?;
            print::note(&format!("{credits} credits are recorded as bought"));
            Ok(Code::Done)
        }
        StoreCommand::Expire => {
            print::note(&format!("calls whose question and answer expired: {}", store.expire().await?));
            Ok(Code::Done)
        }
        StoreCommand::Erase { person } => {
            let erased = store.erase(&person).await?;
            print::note(&format!("erased questions: {}, answers: {}", erased.questions, erased.answers));
            Ok(Code::Done)
        }
        StoreCommand::Export => export(&store).await,
        StoreCommand::Info => info(&store, account).await,
        StoreCommand::Reconcile { .. } => Ok(Code::Done),
    }
}

async fn reconcile(global: &Global, late_charge: Duration) -> Result<Code, Failure> {
    if global.store.is_none() {
        return Err(Failure::usage("this command needs --store FILE, or --store postgres://…"));
    }
    let client = connect::client_to_reconcile(global).await?.with_late_charge_window(late_charge);
    let seen = client.reconcile_store().await?;
    let said = match seen.outcome {
        ReconcileOutcome::Baseline => {
            "this is the first balance seen; the next one is compared with it".to_owned()
        }
        ReconcileOutcome::Agrees => "the balance agrees with the bill".to_owned(),
        ReconcileOutcome::Settled(credits) => {
            format!(
                "uncertain calls settled: {}, at {credits} credits in all",
                seen.uncertain - seen.uncertain_left
            )
        }
        ReconcileOutcome::ToppedUp(credits) => format!(
            "at least {credits} credits were bought; record them with `tgscan store top-up CREDITS`, then compare again"
        ),
        ReconcileOutcome::Differs(credits) => {
            format!("{credits} credits are gone that no call explains; they count against the limit")
        }
        ReconcileOutcome::CallsInFlight => {
            "calls are in flight; compare again when they have ended".to_owned()
        }
        other => format!("nothing could be concluded ({other:?})"),
    };
    print::note(&said);
    Ok(if seen.uncertain_left > 0 { Code::Uncertain } else { Code::Done })
}

async fn bill(store: &Arc<dyn Store>) -> Result<Code, Failure> {
    let mut table = Table::new(["ACCOUNT", "DAY", "METHOD", "CALLS", "CREDITS"]);
    let mut total = 0_u64;
    for row in store.bill().await? {
        total = total.saturating_add(row.charged);
        table.row([&row.account, &row.date(), &row.method, &row.calls.to_string(), &row.charged.to_string()]);
    }
    print::text(&table.to_string())?;
    print::note(&format!("{total} credits in all"));
    Ok(Code::Done)
}

async fn uncertain(store: &Arc<dyn Store>, account: &str) -> Result<Code, Failure> {
    let calls = store.uncertain(account).await?;
    let mut table = Table::new(["CALL", "SINCE", "METHOD", "QUESTION", "COST"]);
    for call in &calls {
        let cost = match call.state {
            CallState::Unanswered => format!("{} charged, no answer", call.charged),
            _ => "unknown".to_owned(),
        };
        let since = humantime::format_rfc3339_seconds(call.claimed_at).to_string();
        table.row([&call.id.to_string(), &since, &call.method, &question(call), &cost]);
    }
    if calls.is_empty() {
        print::note("nothing is uncertain");
        return Ok(Code::Done);
    }
    print::text(&table.to_string())?;
    Ok(Code::Uncertain)
}

fn question(call: &StoredCall) -> String {
    let form = call.question.as_ref().map(|question| question.form.as_str()).unwrap_or_default();
    form.strip_prefix("query=").unwrap_or(form).replace("%2C", ",")
}

async fn info(store: &Arc<dyn Store>, account: &str) -> Result<Code, Failure> {
    let book = store.book(account).await?;
    let mut table = Table::new(["METHOD", "PRICE", "IN FLIGHT", "UNCERTAIN"]);
    for method in &book.methods {
        let price = method.price.map_or_else(|| "unknown".to_owned(), |price| price.to_string());
        table.row([&method.method, &price, &method.in_flight.to_string(), &method.uncertain.to_string()]);
    }
    let balance =
        book.baseline.map_or_else(|| "none seen yet".to_owned(), |(balance, _)| balance.to_string());
    print::text(&format!(
        "account      {}\ncharged      {}\nunexplained  {}\nlast balance {balance}\n\n{table}",
        crate::show::escape(account),
        book.charged,
        book.unexplained,
    ))?;
    Ok(Code::Done)
}

async fn export(store: &Arc<dyn Store>) -> Result<Code, Failure> {
    let mut after = 0;
    loop {
        let page = store.calls(after, 500).await?;
        let Some(last) = page.last() else { return Ok(Code::Done) };
        after = last.id;
        let mut lines = Vec::new();
        for call in &page {
            let written = serde_json::to_writer(&mut lines, &Line::of(call));
            written.map_err(|error| Failure::new(Code::Other, error.to_string()))?;
            lines.push(b'\n');
        }
        print::bytes(&lines)?;
    }
}

/// A call as it is exported.
#[derive(Serialize)]
struct Line<'a> {
    call: u64,
    account: &'a str,
    method: &'a str,
    question: Option<String>,
    live: Option<bool>,
    claimed_at: String,
    state: String,
    credits: u64,
    answer: Option<Answer>,
}

/// An answer: as it came if it is JSON in one line, else as text.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Json(Box<RawValue>),
    Text(String),
}

impl<'a> Line<'a> {
    fn of(call: &'a StoredCall) -> Self {
        let answer =
            call.answer.as_ref().map(|answer| match serde_json::from_slice::<Box<RawValue>>(&answer.body) {
                Ok(json) if !json.get().contains(['\n', '\r']) => Answer::Json(json),
                _ => Answer::Text(String::from_utf8_lossy(&answer.body).into_owned()),
            });
        Self {
            call: call.id,
            account: &call.account,
            method: &call.method,
            question: call.question.as_ref().map(|_| question(call)),
            live: call.question.as_ref().map(|question| question.is_live),
            claimed_at: humantime::format_rfc3339_millis(call.claimed_at).to_string(),
            state: format!("{:?}", call.state),
            credits: call.charged,
            answer,
        }
    }
}
