//! Answers requests to the URLs of the service, and to those for operation.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use tgscan_core::types::registry::MethodInfo;

use super::answer::{Answer, bad_query};
use super::config::Kind;
use super::key_hash::KeyHash;
use super::local_key::LocalKey;
use super::log::Entry;
use super::metrics;
use super::routes::Route;
use super::state::{Gateway, State};

/// Name of the header that carries the key ("API Authentication").
const API_KEY: HeaderName = HeaderName::from_static("api-key");
/// The OpenAPI document, which `cargo xtask docs` generates from the types.
pub(crate) const OPENAPI: &str = include_str!("../../openapi.json");
const TEXT: &str = "text/plain; charset=utf-8";
const METRICS_REFUSED: &str = "metrics are for requests from this machine that name the server by an IP address or as `localhost`; `remote_metrics = true` under `[limits]` allows others\n";

/// Answers a request, and logs it. `is_local` says whether it comes from this machine.
pub(crate) async fn handle(
    gateway: Arc<Gateway>,
    is_local: bool,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let began = Instant::now();
    if let Some(page) = operation(&gateway, is_local, &request).await {
        return page.into_response();
    }
    let state = gateway.state();
    let mut entry = Entry::default();
    let answer = match answer(&gateway, &state, request, &mut entry).await {
        Ok(answer) => answer,
        Err(answer) => *answer,
    };
    metrics::count(answer.code);
    gateway.log.request(&entry, &answer, began.elapsed());
    answer.into_response()
}

/// Answers the paths for operation, which need no key.
async fn operation(gateway: &Gateway, is_local: bool, request: &Request<Incoming>) -> Option<Answer> {
    // Load balancers also send HEAD.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    match request.uri().path() {
        "/healthz" => Some(Answer::page(StatusCode::OK, TEXT, "ok\n")),
        "/readyz" => Some(match gateway.readiness().await {
            Ok(()) => Answer::page(StatusCode::OK, TEXT, "ready\n"),
            Err(why) => Answer::page(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{why}\n")),
        }),
        "/openapi.json" => Some(Answer::page(StatusCode::OK, "application/json", OPENAPI)),
        "/metrics"
            if is_local && has_local_host(request.headers())
                || gateway.state().config.limits.remote_metrics =>
        {
            Some(Answer::page(StatusCode::OK, "text/plain; version=0.0.4", gateway.metrics().await))
        }
        "/metrics" => Some(Answer::page(StatusCode::FORBIDDEN, TEXT, METRICS_REFUSED)),
        _ => None,
    }
}

/// Returns whether a request names its server by an IP address or as `localhost`. A page whose name resolves to this machine
/// (DNS rebinding) uses another name, and must not read the metrics.
fn has_local_host(headers: &HeaderMap) -> bool {
    // Only clients that speak HTTP/1.0 send no Host; browsers always send it.
    let Some(host) = headers.get(HOST) else { return true };
    Authority::try_from(host.as_bytes()).is_ok_and(|host| {
        let name = host.host().trim_matches(['[', ']']);
        let name = name.strip_suffix('.').unwrap_or(name);
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
    })
}

/// Checks a request, cheap checks first, reads its body, and makes the call. An error is an answer too.
async fn answer(
    gateway: &Gateway,
    state: &State,
    request: Request<Incoming>,
    entry: &mut Entry,
) -> Result<Answer, Box<Answer>> {
    // A body with two statements of its length can hide a second request, so only one is accepted.
    if request.headers().contains_key(TRANSFER_ENCODING) {
        let message = "send the form with a `Content-Length`, and without `Transfer-Encoding`";
        return Err(Answer::refusal(StatusCode::LENGTH_REQUIRED, "length_required", message).last().into());
    }
    let (route, is_test) = find(&gateway.routes, request.uri().path())?;
    (entry.method, entry.is_test) = (Some(route.info.name), is_test);
    if request.method() != Method::POST {
        let message = "the HTTP method is wrong; send POST";
        return Err(Answer::refusal(StatusCode::METHOD_NOT_ALLOWED, "http_method", message).into());
    }
    let key = authenticate(state, request.headers())?;
    entry.name = Some(key.name.clone());
    allow(key, &route.info, is_test)?;
    if gateway.is_draining() {
        return Err(Answer::shutting_down().into());
    }
    let limits = &state.config.limits;
    let body = read(request, limits.body_bytes, limits.body_timeout).await?;
    Ok(route.answer_within(limits.deadline, key, body).await)
}

/// Returns the API method of a path, and whether it is the path of a test method.
fn find<'a>(routes: &'a [Route], path: &str) -> Result<(&'a Route, bool), Box<Answer>> {
    let known = routes.iter().find_map(|route| match route.info {
        MethodInfo { path: live, .. } if live == path => Some((route, false)),
        MethodInfo { test_path: Some(test), .. } if test == path => Some((route, true)),
        _ => None,
    });
    known.ok_or_else(|| {
        let paths: Vec<_> =
            routes.iter().flat_map(|route| [Some(route.info.path), route.info.test_path]).flatten().collect();
        let message = format!("unknown path; those of the methods are {}", paths.join(", "));
        Answer::refusal(StatusCode::NOT_FOUND, "unknown_path", &message).into()
    })
}

/// Returns the local key of a request.
fn authenticate<'a>(state: &'a State, headers: &HeaderMap) -> Result<&'a LocalKey, Box<Answer>> {
    let refused =
        |message| Box::new(Answer::refusal(StatusCode::UNAUTHORIZED, "invalid_key", message).last());
    let mut sent = headers.get_all(API_KEY).iter();
    let key = match (sent.next(), sent.next()) {
        (Some(key), None) => key,
        (None, _) => return Err(refused("missing API key: send a local key in an `Api-Key` header")),
        _ => return Err(refused("invalid API key: there is more than one `Api-Key` header; send one")),
    };
    let hash = KeyHash::of(key.as_bytes());
    let found = hash.find(state.keys.iter().map(|key| &key.hash));
    found
        .and_then(|at| state.keys.get(at))
        .ok_or_else(|| refused("unknown API key: it is not a local key of this gateway"))
}

/// "You can use only test API keys with test methods."
fn allow(key: &LocalKey, method: &MethodInfo, is_test: bool) -> Result<(), Box<Answer>> {
    let is_allowed =
        key.methods.as_ref().is_none_or(|methods| methods.iter().any(|allowed| allowed == method.name));
    let refused = |code, message: &str| Err(Answer::refusal(StatusCode::FORBIDDEN, code, message).into());
    match (key.kind, is_test) {
        (Kind::Live, true) => refused(
            "wrong_kind_of_key",
            "invalid API key: this is a test method, and the API key is a live one",
        ),
        (Kind::Test, false) if method.test_path.is_some() => refused(
            "wrong_kind_of_key",
            "invalid API key: this is a live method, and the API key is a test one",
        ),
        _ if is_allowed => Ok(()),
        _ => refused("method_not_allowed", "this key may not call this method"),
    }
}

/// Reads a body within its limits.
async fn read(request: Request<Incoming>, limit: usize, timeout: Duration) -> Result<Bytes, Box<Answer>> {
    let too_large = || {
        let message = format!("the body is larger than the {limit} bytes that are allowed");
        Box::new(Answer::refusal(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", &message).last())
    };
    let length =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), limit).collect();
    match tokio::time::timeout(timeout, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(bad_query("the body ended early").last().into()),
        Err(_) => {
            let message = format!("the body did not arrive within {} s", timeout.as_secs_f64());
            Err(Answer::refusal(StatusCode::REQUEST_TIMEOUT, "body_timeout", &message).last().into())
        }
    }
}
