//! The control paths: the mock's state, for tests in any language.

mod expect;
mod inspect;

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::inspector;
use crate::engine::{Change, RecordedRequest, ScriptStep, fault_json};
use crate::{InvalidMock, KeyUsed, Mock};

/// The reason for which a body cannot be read, with the status to answer.
pub(super) type Unread = (StatusCode, String);

const PREFIX: &str = "/_mock/";

/// The JSON of an answer, or the status and the message of an error.
type Answer = Result<Bytes, (StatusCode, String)>;

fn bytes(json: &Value) -> Bytes {
    Bytes::from(json.to_string())
}

/// A request to a control path.
struct Call<'a> {
    http_method: &'a Method,
    query: &'a str,
    body: &'a [u8],
    mock: &'a Mock,
    /// When the server started, in milliseconds since 1970.
    started_ms: u64,
}

impl<'a> Call<'a> {
    /// Returns the first value of a parameter in the URL.
    fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.find_map(|(known, value)| (known == name).then_some(value))
    }
}

/// Returns whether a path is answered by [`answer`].
pub(super) fn is_control(path: &str) -> bool {
    path.starts_with(PREFIX) || path == PREFIX.trim_end_matches('/')
}

/// Answers a request under `/_mock/`, or returns `None` for other paths. It needs no key and is not recorded.
pub(super) async fn answer(
    mock: &Mock,
    started_ms: u64,
    request: &Request<Bytes>,
    unread: Option<&Unread>,
) -> Option<Response<Bytes>> {
    let path = request.uri().path();
    if !is_control(path) {
        return None;
    }
    if let Some(unread) = unread {
        return Some(respond(Err(unread.clone())));
    }
    let Some(name) = path.strip_prefix(PREFIX) else {
        return Some(redirect_to_page());
    };
    let refuse = |allow: &'static str| {
        let mut response = respond(Err((StatusCode::METHOD_NOT_ALLOWED, format!("send one of {allow}"))));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        response
    };
    if let Some(file) = inspector::find(name) {
        let is_read = [Method::GET, Method::HEAD].contains(request.method());
        return Some(if is_read { file.response() } else { refuse("GET, HEAD") });
    }
    let Some((allow, act)) = find(name) else {
        let message = format!("unknown control path; the paths are {}", names());
        return Some(respond(Err((StatusCode::NOT_FOUND, message))));
    };
    let query = request.uri().query().unwrap_or_default();
    let call = Call { http_method: request.method(), query, body: request.body(), mock, started_ms };
    if name == CHANGES {
        inspect::wait(&call).await;
    }
    Some(act(&call).map_or_else(|| refuse(allow), respond))
}

/// Redirects from the path without its slash, which people type.
fn redirect_to_page() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(PREFIX));
    response
}

/// The function of a path. Returns `None` if the path does not accept the HTTP method.
type Handler = fn(&Call<'_>) -> Option<Answer>;

/// The path that waits for changes.
const CHANGES: &str = "changes";

/// All paths, with the HTTP methods that they accept.
const PATHS: [(&str, &str, Handler); 9] = [
    ("state", "GET, PUT", state),
    ("requests", "GET", requests),
    ("request", "GET", inspect::request),
    (CHANGES, "GET", inspect::changes),
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

fn state(call: &Call<'_>) -> Option<Answer> {
    match *call.http_method {
        Method::GET => {}
        Method::PUT => {
            let bad = |error: InvalidMock| (StatusCode::BAD_REQUEST, error.to_string());
            let changed = read::<Change>(call.body).and_then(|change| call.mock.change(change).map_err(bad));
            if let Err(wrong) = changed {
                return Some(Err(wrong));
            }
        }
        _ => return None,
    }
    Some(Ok(bytes(&state_json(call.mock))))
}

fn state_json(mock: &Mock) -> Value {
    let account = mock.account();
    let mut state = mock.settings_json();
    for (name, value) in [
        ("credits", json!(account.credits)),
        ("spent", json!(account.spent)),
        ("granted", json!(account.granted)),
        ("charged_calls", json!(account.charged_calls)),
        ("requests", json!(mock.num_requests())),
        ("dropped_requests", json!(mock.dropped_requests())),
        ("faults_left", json!(mock.script_left())),
    ] {
        state[name] = value;
    }
    state
}

fn requests(call: &Call<'_>) -> Option<Answer> {
    (call.http_method == Method::GET).then(|| Ok(bytes(&call.mock.requests().iter().map(record).collect())))
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
        "headers": inspect::headers(&request.headers),
        "form": request.form,
        "key": key,
        "status": request.status.map(|status| status.as_u16()),
        "charged": request.charged,
        "fault": request.fault.as_ref().map(fault_json),
        "refusal": request.refusal,
        "received_ms": request.received.map(since_1970),
    })
}

/// Returns the milliseconds since 1970.
pub(super) fn since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn reset(call: &Call<'_>) -> Option<Answer> {
    (call.http_method == Method::POST).then(|| {
        call.mock.reset();
        Ok(bytes(&state_json(call.mock)))
    })
}

fn faults(call: &Call<'_>) -> Option<Answer> {
    match *call.http_method {
        Method::GET => {}
        Method::POST => match read::<Vec<ScriptStep>>(call.body) {
            Ok(steps) => call.mock.script_steps(steps),
            Err(wrong) => return Some(Err(wrong)),
        },
        Method::DELETE => call.mock.clear_script(),
        _ => return None,
    }
    Some(Ok(bytes(&json!({ "faults_left": call.mock.script_left() }))))
}

/// Returns the document of the API.
fn openapi(call: &Call<'_>) -> Option<Answer> {
    (call.http_method == Method::GET).then(|| Ok(Bytes::from_static(include_bytes!("../../../openapi.json"))))
}

/// Returns the document of these paths.
fn control(call: &Call<'_>) -> Option<Answer> {
    (call.http_method == Method::GET).then(|| Ok(Bytes::from_static(include_bytes!("../../../control.json"))))
}

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn respond(answer: Answer) -> Response<Bytes> {
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err((status, message)) => (status, bytes(&json!({ "error": message }))),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in
        [(CONTENT_TYPE, "application/json"), (X_CONTENT_TYPE_OPTIONS, "nosniff"), (CACHE_CONTROL, "no-store")]
    {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
