//! The control paths: the mock's own state, for tests in any language.

mod expect;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::connection::Unread;
use crate::engine::{RecordedRequest, ScriptStep, fault_json};
use crate::{KeyUsed, Mock};

const PREFIX: &str = "/_mock/";

type Answer = Result<Value, (StatusCode, String)>;

/// The answer to a request under `/_mock/`; `None` for every other path. It needs no key and is not recorded.
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
        let message = format!("there is no such control path; they are {}", names());
        return Some(respond(Err((StatusCode::NOT_FOUND, message))));
    };
    let Some(answer) = act(request.method(), mock, request.body()) else {
        let mut response = respond(Err((StatusCode::METHOD_NOT_ALLOWED, format!("send one of {allow}"))));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        return Some(response);
    };
    Some(respond(answer))
}

/// What one path does; `None` if it does not take the HTTP method.
type Act = fn(&Method, &Mock, &[u8]) -> Option<Answer>;

/// Every path, with the HTTP methods that it takes.
const PATHS: [(&str, &str, Act); 6] = [
    ("state", "GET, PUT", state),
    ("requests", "GET", requests),
    ("reset", "POST", reset),
    ("faults", "GET, POST, DELETE", faults),
    ("expectations", "GET, POST, DELETE", expect::expectations),
    ("openapi.json", "GET", openapi),
];

fn find(name: &str) -> Option<(&'static str, Act)> {
    PATHS.iter().find(|(known, ..)| *known == name).map(|(_, allow, act)| (*allow, *act))
}

fn names() -> String {
    PATHS.map(|(name, ..)| format!("{PREFIX}{name}")).join(", ")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewState {
    credits: i64,
}

fn state(http_method: &Method, mock: &Mock, body: &[u8]) -> Option<Answer> {
    match *http_method {
        Method::GET => {}
        Method::PUT => match read::<NewState>(body) {
            Ok(new) => mock.set_credits(new.credits),
            Err(wrong) => return Some(Err(wrong)),
        },
        _ => return None,
    }
    let account = mock.account();
    Some(Ok(json!({
        "seed": mock.seed(),
        "credits": account.credits,
        "spent": account.spent,
        "granted": account.granted,
        "charged_calls": account.charged_calls,
        "requests": mock.kept_requests(),
        "dropped_requests": mock.dropped_requests(),
        "faults_left": mock.script_left(),
    })))
}

fn requests(http_method: &Method, mock: &Mock, _: &[u8]) -> Option<Answer> {
    (http_method == Method::GET).then(|| Ok(mock.requests().iter().map(record).collect()))
}

/// As JSON. The key is not in it: the mock does not keep it.
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
    })
}

/// Each header with a list of its values.
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

fn openapi(http_method: &Method, _: &Mock, _: &[u8]) -> Option<Answer> {
    let read = || serde_json::from_str(include_str!("../../../openapi.json"));
    (http_method == Method::GET).then(|| {
        read()
            .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("openapi.json is broken: {error}")))
    })
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
