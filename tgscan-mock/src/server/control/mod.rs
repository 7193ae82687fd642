//! The control paths: the mock's state, for tests in any language.

mod expect;

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::connection::Unread;
use crate::engine::{Change, RecordedRequest, ScriptStep, fault_json};
use crate::{InvalidMock, KeyUsed, Mock};

const PREFIX: &str = "/_mock/";

type Answer = Result<Value, (StatusCode, String)>;

/// Answers a request under `/_mock/`, or returns `None` for other paths. It needs no key and is not recorded.
pub(super) fn answer(
    mock: &Mock,
    request: &Request<Bytes>,
    unread: Option<&Unread>,
) -> Option<Response<Bytes>> {
    let name = request.uri().path().strip_prefix(PREFIX)?;
    if let Some(unread) = unread {
        return Some(respond(Err(unread.clone())));
    }
    let Some((allow, act)) = find(name) else {
        let message = format!("unknown control path; the paths are {}", names());
        return Some(respond(Err((StatusCode::NOT_FOUND, message))));
    };
    let Some(answer) = act(request.method(), mock, request.body()) else {
        let mut response = respond(Err((StatusCode::METHOD_NOT_ALLOWED, format!("send one of {allow}"))));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        return Some(response);
    };
    Some(respond(answer))
}

/// The function of a path. Returns `None` if the path does not accept the HTTP method.
type Handler = fn(&Method, &Mock, &[u8]) -> Option<Answer>;

/// All paths, with the HTTP methods that they accept.
const PATHS: [(&str, &str, Handler); 7] = [
    ("state", "GET, PUT", state),
    ("requests", "GET", requests),
    ("reset", "POST", reset),
    ("faults", "GET, POST, DELETE", faults),
    ("expectations", "GET, POST, DELETE", expect::expectations),
    ("openapi.json", "GET", openapi),
    ("control.json", "GET", control),
];

fn find(name: &str) -> Option<(&'static str, Handler)> {
    PATHS.iter().find(|(known, ..)| *known == name).map(|(_, allow, act)| (*allow, *act))
}

fn names() -> String {
    PATHS.map(|(name, ..)| format!("{PREFIX}{name}")).join(", ")
}

fn state(http_method: &Method, mock: &Mock, body: &[u8]) -> Option<Answer> {
    match *http_method {
        Method::GET => {}
        Method::PUT => {
            let bad = |error: InvalidMock| (StatusCode::BAD_REQUEST, error.to_string());
            if let Err(wrong) = read::<Change>(body).and_then(|change| mock.change(change).map_err(bad)) {
                return Some(Err(wrong));
            }
        }
        _ => return None,
    }
    let account = mock.account();
    Some(Ok(json!({
        "seed": mock.seed(),
        "credits": account.credits,
        "spent": account.spent,
        "granted": account.granted,
        "charged_calls": account.charged_calls,
        "latency_ms": mock.latency().as_millis(),
        "requests": mock.num_requests(),
        "dropped_requests": mock.dropped_requests(),
        "faults_left": mock.script_left(),
    })))
}

fn requests(http_method: &Method, mock: &Mock, _: &[u8]) -> Option<Answer> {
    (http_method == Method::GET).then(|| Ok(mock.requests().iter().map(record).collect()))
}

/// Converts a request to JSON. It contains no key, since the mock does not store it.
fn record(request: &RecordedRequest) -> Value {
    let key = match request.key {
        KeyUsed::None => None,
        KeyUsed::Live => Some("live"),
        KeyUsed::Test => Some("test"),
    };
    json!({
        "method": request.method,
        "path": request.path,
        "url_query": request.url_query,
        "headers": headers(request),
        "form": request.form,
        "key": key,
        "status": request.status.map(|status| status.as_u16()),
        "charged": request.charged,
        "fault": request.fault.as_ref().map(fault_json),
        "refusal": request.refusal,
        "received_ms": request.received.map(since_1970),
    })
}

fn since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Converts headers to lists of values by name.
fn headers(request: &RecordedRequest) -> Value {
    let values = |name: &http::HeaderName| -> Value {
        request.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect()
    };
    request.headers.keys().map(|name| (name.as_str().to_owned(), values(name))).collect::<Map<_, _>>().into()
}

fn reset(http_method: &Method, mock: &Mock, _: &[u8]) -> Option<Answer> {
    (http_method == Method::POST).then(|| {
        mock.reset();
        state(&Method::GET, mock, &[]).unwrap_or(Ok(Value::Null))
    })
}

fn faults(http_method: &Method, mock: &Mock, body: &[u8]) -> Option<Answer> {
    match *http_method {
        Method::GET => {}
        Method::POST => match read::<Vec<ScriptStep>>(body) {
            Ok(steps) => mock.script_steps(steps),
            Err(wrong) => return Some(Err(wrong)),
        },
        Method::DELETE => mock.clear_script(),
        _ => return None,
    }
    Some(Ok(json!({ "faults_left": mock.script_left() })))
}

/// Returns the document of the API.
fn openapi(http_method: &Method, _: &Mock, _: &[u8]) -> Option<Answer> {
    (http_method == Method::GET).then(|| document(include_str!("../../../openapi.json")))
}

/// Returns the document of these paths.
fn control(http_method: &Method, _: &Mock, _: &[u8]) -> Option<Answer> {
    (http_method == Method::GET).then(|| document(include_str!("../../../control.json")))
}

fn document(text: &str) -> Answer {
    let broken = |error| (StatusCode::INTERNAL_SERVER_ERROR, format!("the document is invalid: {error}"));
    serde_json::from_str(text).map_err(broken)
}

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn respond(answer: Answer) -> Response<Bytes> {
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err((status, message)) => (status, json!({ "error": message })),
    };
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
