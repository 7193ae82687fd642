//! Prints calls with their answers.

use serde::Serialize;
use serde_json::value::RawValue;
use tgscan_core::store::{Account, Call, CallState};

use super::{PAGE, question};
use crate::exit::{Code, Failure};
use crate::print;

pub(crate) async fn run(accounts: &[Account]) -> Result<Code, Failure> {
    for account in accounts {
        account.mark_lost().await?;
        let mut after = 0;
        loop {
            let page = account.calls(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            let mut lines = Vec::new();
            for call in &page {
                let written = serde_json::to_writer(&mut lines, &line(account, call).await?);
                written.map_err(|error| Failure::new(Code::Other, error.to_string()))?;
                lines.push(b'\n');
            }
            print::bytes(&lines)?;
        }
    }
    Ok(Code::Done)
}

/// A call as it is exported.
#[derive(Serialize)]
struct Line<'a> {
    account: &'a str,
    service: &'a str,
    call: u64,
    method: &'a str,
    question: Option<String>,
    live: Option<bool>,
    claimed_at: String,
    state: &'static str,
    credits: u64,
    answer: Option<Body>,
}

/// An answer: as it came if it is JSON in one line, else as text.
#[derive(Serialize)]
#[serde(untagged)]
enum Body {
    Json(Box<RawValue>),
    Text(String),
}

async fn line<'a>(account: &'a Account, call: &'a Call) -> Result<Line<'a>, Failure> {
    let answer = account.call(call.id).await?.and_then(|(_, answer)| answer);
    let body = answer.map(|answer| match serde_json::from_slice::<Box<RawValue>>(&answer.body) {
        Ok(json) if !json.get().contains(['\n', '\r']) => Body::Json(json),
        _ => Body::Text(String::from_utf8_lossy(&answer.body).into_owned()),
    });
    Ok(Line {
        account: &account.name().label,
        service: &account.name().service,
        call: call.id,
        method: call.entry.method(),
        question: call.question.as_ref().map(|_| question(call)),
        live: call.question.as_ref().map(|question| question.is_live),
        claimed_at: humantime::format_rfc3339_millis(call.claimed_at()).to_string(),
        state: match call.state() {
            CallState::InFlight => "in flight",
            CallState::Answered => "answered",
            CallState::Uncertain => "uncertain",
            CallState::Unanswered => "unanswered",
            CallState::Resolved => "resolved",
            _ => "unknown",
        },
        credits: call.entry.charged(),
        answer: body,
    })
}
