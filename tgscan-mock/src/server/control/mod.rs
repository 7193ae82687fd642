//! The control paths: the mock's state, for tests in any language.

mod document;
mod operations;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;

use self::operations::{CHANGES, OPERATIONS};
use super::inspector;
use crate::Mock;

/// The reason for which a request cannot be answered, with the status.
pub(super) type Refused = (StatusCode, String);

const PREFIX: &str = "/_mock/";

/// The longest wait for changes. Changes that no request made, such as those of the balance, are returned after it.
const WAIT: Duration = Duration::from_secs(1);

/// A request to a control path.
struct Call<'a> {
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

    /// Returns the revision of the cursor, or `None` without a cursor of this server.
    fn cursor(&self) -> Option<u64> {
        let cursor = self.parameter("after")?;
        let (server, revision) = cursor.split_once('.')?;
        if server.parse() == Ok(self.started_ms) { revision.parse().ok() } else { None }
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
    unread: Option<&Refused>,
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
    if let Some(file) = inspector::find(name) {
        let is_read = [Method::GET, Method::HEAD].contains(request.method());
        return Some(if is_read { file.response() } else { method_not_allowed("GET, HEAD") });
    }
    let operations = || OPERATIONS.iter().filter(|operation| operation.name == name);
    let Some(operation) = operations().find(|operation| request.method() == operation.http_method) else {
        let allowed: Vec<&str> = operations().map(|operation| operation.http_method).collect();
        return Some(match &allowed[..] {
            [] => respond(Err((StatusCode::NOT_FOUND, unknown_path()))),
            allowed => method_not_allowed(&allowed.join(", ")),
        });
    };
    let query = request.uri().query().unwrap_or_default();
    let call = Call { query, body: request.body(), mock, started_ms };
    if let (CHANGES, Some(since)) = (name, call.cursor()) {
        // Without changes, the answer says so.
        let _ = tokio::time::timeout(WAIT, mock.wait_for_change(since)).await;
    }
    Some(respond((operation.act)(&call)))
}

fn unknown_path() -> String {
    let mut paths: Vec<String> =
        OPERATIONS.iter().map(|operation| format!("{PREFIX}{}", operation.name)).collect();
    paths.dedup();
    format!("unknown control path; the paths are {}", paths.join(", "))
}

fn method_not_allowed(allowed: &str) -> Response<Bytes> {
    let mut response = respond(Err((StatusCode::METHOD_NOT_ALLOWED, format!("send one of {allowed}"))));
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// Redirects from the path without its slash, which people type.
fn redirect_to_page() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(PREFIX));
    response
}

fn respond(answer: Result<Bytes, Refused>) -> Response<Bytes> {
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err((status, message)) => (status, json!({ "error": message }).to_string().into()),
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
