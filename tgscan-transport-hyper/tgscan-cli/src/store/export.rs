//! Prints calls with their answers.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use tgscan_core::store::{AccountName, Answer, Call, CallId, CallState};
use tgscan_store::FileStore;

use super::{PAGE, question};
use crate::args::Global;
use crate::exit::{Code, Failure, counted};
use crate::{connect, help, print};

pub(crate) async fn run(global: &Global) -> Result<Code, Failure> {
    for account in connect::accounts(global).await? {
        account.mark_lost().await?;
        let mut after = 0;
        loop {
            let page = account.calls(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            let mut lines = Vec::new();
            for call in &page {
                let answer = account.call(call.id).await?.and_then(|(_, answer)| answer);
                line(Some(account.name()), call.id, Some(call), answer.as_ref()).write(&mut lines)?;
            }
            print::bytes(&lines)?;
        }
    }
    Ok(Code::Done)
}

/// Prints the readable calls of a damaged file.
pub(crate) async fn run_damaged(global: &Global) -> Result<Code, Failure> {
    let reason = "restore a damaged database from a backup";
    let mut salvage = connect::read_store_file(global, reason, FileStore::salvage).await?;
    let (mut read, mut unreadable_calls) = (0_u64, 0_u64);
    for row in &mut salvage {
        // A call whose account is unreadable may belong to the account that was named.
        let is_other = |name: &AccountName| global.account.as_ref().is_some_and(|label| *label != name.label);
        if row.account.as_ref().is_some_and(is_other) {
            continue;
        }
        let mut lines = Vec::new();
        let line = line(row.account.as_ref(), row.id, row.call.as_ref(), row.answer.as_ref());
        Line { account_number: row.account.is_none().then_some(row.account_number), ..line }
            .write(&mut lines)?;
        print::to_any_reader(print::bytes(&lines))?;
        read += 1;
        unreadable_calls += u64::from(row.call.is_none());
    }
    let unreadable = salvage.unreadable();
    if unreadable.is_empty() {
        print::note(&format!("the store is whole: {}", counted(read, "call")));
        return Ok(Code::Done);
    }
    Err(Failure::new(
        Code::Other,
        format!(
            "the store is damaged: {} printed, {unreadable_calls} of them with their answer only; unreadable are {} of these calls, and the rows in {}. Restore the file from a backup, then compare with the balance (`{}`)",
            counted(read, "call"),
            counted(unreadable.answers, "answer"),
            counted(unreadable.pages, "damaged page"),
            help::command(global, "store reconcile"),
        ),
    ))
}

/// A call as it is exported. Unreadable fields of a damaged file are null.
#[derive(Serialize)]
struct Line<'a> {
    account: Option<&'a str>,
    service: Option<&'a str>,
    /// The account's number in the file, if its name is unreadable.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_number: Option<u32>,
    call: u64,
    method: Option<&'a str>,
    question: Option<String>,
    live: Option<bool>,
    claimed_at: Option<String>,
    state: Option<&'static str>,
    credits: Option<u64>,
    answer: Option<Body>,
    /// The bytes of an answer that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_base64: Option<String>,
}

/// An answer: as received if it is JSON in one line, else as text.
#[derive(Serialize)]
#[serde(untagged)]
enum Body {
    Json(Box<RawValue>),
    Text(String),
}

fn line<'a>(
    account: Option<&'a AccountName>,
    id: CallId,
    call: Option<&'a Call>,
    answer: Option<&Answer>,
) -> Line<'a> {
    let body = answer.map(|answer| match serde_json::from_slice::<Box<RawValue>>(&answer.body) {
        Ok(json) if !json.get().contains(['\n', '\r']) => Body::Json(json),
        _ => Body::Text(String::from_utf8_lossy(&answer.body).into_owned()),
    });
    let asked = call.filter(|call| call.question.is_some());
    Line {
        account: account.map(|name| &*name.label),
        service: account.map(|name| &*name.service),
        account_number: None,
        call: id,
        method: call.map(|call| call.entry.method()),
        question: asked.map(question),
        live: asked.and_then(|call| Some(call.question.as_ref()?.is_live)),
        claimed_at: call.map(|call| humantime::format_rfc3339_millis(call.claimed_at()).to_string()),
        state: call.map(state),
        // The row of the answer has the cost too.
        credits: call
            .map(|call| call.entry.charged())
            .or_else(|| answer.map(|answer| answer.credits.charged())),
        answer: body,
        answer_base64: answer
            .filter(|answer| std::str::from_utf8(&answer.body).is_err())
            .map(|answer| BASE64_STANDARD.encode(&answer.body)),
    }
}

impl Line<'_> {
    fn write(&self, lines: &mut Vec<u8>) -> Result<(), Failure> {
        serde_json::to_writer(&mut *lines, self)
            .map_err(|error| Failure::new(Code::Other, error.to_string()))?;
        lines.push(b'\n');
        Ok(())
    }
}

fn state(call: &Call) -> &'static str {
    match call.state() {
        CallState::InFlight => "in flight",
        CallState::Answered => "answered",
        CallState::Uncertain => "uncertain",
        CallState::Unanswered => "unanswered",
        CallState::Resolved => "resolved",
        _ => "unknown",
    }
}
