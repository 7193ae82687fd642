//! The control paths for the inspector: changes as they happen, and single requests.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{Answer, Call, bytes, record, state_json};
use crate::engine::{Changes, End, Position, Recorded, Sent, fault_json};

/// The longest wait for changes. Changes that no request made, such as those of the balance, are returned after it.
const WAIT: Duration = Duration::from_secs(1);

/// The longest text in a list of requests, in characters.
const MOST_TEXT: usize = 300;

/// Waits until there are changes after the cursor of this call, up to the limit.
pub(super) async fn wait(call: &Call<'_>) {
    if let Some(since) = cursor(call) {
        // Without changes, the answer says so.
        let _ = tokio::time::timeout(WAIT, call.mock.wait_for_change(since)).await;
    }
}

/// Returns the position of a cursor, or `None` without a cursor of this server.
fn cursor(call: &Call<'_>) -> Option<Position> {
    let (server, position) =
        call.parameter("after")?.split_once('.').map(|(server, at)| (server.to_owned(), at.to_owned()))?;
    let (next, ended) = position.split_once('.')?;
    (server.parse() == Ok(call.started_ms)).then_some(())?;
    Some(Position { next: next.parse().ok()?, ended: ended.parse().ok()? })
}

pub(super) fn changes(call: &Call<'_>) -> Option<Answer> {
    (call.http_method == Method::GET).then(|| {
        let changes = call.mock.changes(cursor(call).unwrap_or_default());
        Ok(bytes(&changes_json(call, &changes)))
    })
}

fn changes_json(call: &Call<'_>, changes: &Changes) -> Value {
    let Position { next, ended } = changes.position;
    let step = |(method, fault): &crate::engine::NextStep| {
        let mut step = fault.as_ref().map_or_else(|| json!({ "kind": "answer" }), fault_json);
        step["method"] = json!(method);
        step
    };
    let expectation = |progress: &crate::engine::Progress| {
        json!({
            "call": shortened(&progress.call),
            "expected": progress.expected,
            "calls": progress.calls,
            "refused": progress.refused,
            "is_met": progress.is_met,
        })
    };
    let (unexpected, more_unexpected) = &changes.unexpected;
    json!({
        "cursor": format!("{}.{next}.{ended}", call.started_ms),
        "oldest": changes.oldest,
        "requests": changes.requests.iter().map(summary).collect::<Value>(),
        "state": state_json(call.mock),
        "script": changes.script.iter().map(step).collect::<Value>(),
        "expectations": changes.expectations.iter().map(expectation).collect::<Value>(),
        "num_expectations": changes.num_expectations,
        "unexpected": unexpected.iter().map(|text| shortened(text)).collect::<Value>(),
        "more_unexpected": more_unexpected,
    })
}

/// Converts a request to JSON without its headers, and with shortened strings.
fn summary(recorded: &Recorded) -> Value {
    let mut json = numbered(recorded);
    if let Some(fields) = json.as_object_mut() {
        fields.remove("headers");
    }
    for text in ["path", "url_query", "form", "body", "refusal"] {
        if let Some(whole) = json[text].as_str() {
            json[text] = shortened(whole).into();
        }
    }
    json
}

fn numbered(Recorded { number, request, body, took }: &Recorded) -> Value {
    let mut json = record(request);
    json["number"] = json!(number);
    json["body"] = json!(body);
    json["is_test"] = request.is_test.into();
    json["took_ms"] = json!(took.map(|took| took.as_secs_f64() * 1000.0));
    json
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

pub(super) fn request(call: &Call<'_>) -> Option<Answer> {
    (call.http_method == Method::GET).then(|| {
        let bad = |message: &str| (StatusCode::BAD_REQUEST, message.to_owned());
        let number = call.parameter("number").ok_or_else(|| bad("give the `number` of a request"))?;
        let number = number.parse().map_err(|_| bad("`number` must be a number from 0"))?;
        let missing = || (StatusCode::NOT_FOUND, "this request is not recorded, or no longer".to_owned());
        let (recorded, sent) = call.mock.recorded_request(number).ok_or_else(missing)?;
        let mut json = numbered(&recorded);
        json["http_method"] = json!(sent.as_ref().map(|sent| sent.http_method));
        json["answer"] = sent.as_ref().map_or(Value::Null, sent_json);
        Ok(bytes(&json))
    })
}

fn sent_json(sent: &Sent) -> Value {
    json!({
        "status": sent.status.map(|status| status.as_u16()),
        "headers": headers(&sent.headers),
        "body": String::from_utf8_lossy(&sent.body),
        "kept_bytes": sent.body.len(),
        "bytes": sent.size,
        "cut_at": sent.cut.map(|(at, _)| at),
        "end": sent.cut.map(|(_, end)| match end {
            End::Reset => "reset",
            End::Close => "close",
            End::Stall => "stall",
            End::Trickle => "trickle",
        }),
    })
}

/// Converts headers to lists of values by name.
pub(super) fn headers(headers: &HeaderMap) -> Value {
    let values = |name: &http::HeaderName| -> Value {
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect()
    };
    headers.keys().map(|name| (name.as_str().to_owned(), values(name))).collect::<Map<_, _>>().into()
}
