//! Checks of requests, as strict as the documentation.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use serde::Serialize;
use tgscan_core::types::{ApiMethod, registry::MethodInfo};

use super::account::KeyKind;
use super::refusal::Refusal;

/// Name of the header with the key ("API Authentication").
pub(super) static API_KEY: HeaderName = HeaderName::from_static("api-key");

/// Returns the name of an HTTP method, or `?` for an unusual one, which could be a query or a key in the wrong place.
pub(crate) fn method_name(method: &Method) -> &'static str {
    ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]
        .into_iter()
        .find(|known| method == known)
        .unwrap_or("?")
}

/// Requires `POST`, which all curl examples of the documentation use.
pub(super) fn http_method(request: &Request<Bytes>) -> Result<(), Refusal> {
    if request.method() == Method::POST {
        return Ok(());
    }
    let message = format!("the HTTP method is {}; send POST", printable(request.method().as_str()));
    Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message).like_probe("get"))
}

/// Adds the headers that a refusal with this status must have (RFC 9110, 15.5.2 and 15.5.6).
pub(super) fn add_headers(status: StatusCode, headers: &mut HeaderMap) {
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, http::HeaderValue::from_static("POST"));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(http::header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Api-Key"));
    }
}

/// Finds the kind of the key in the only `Api-Key` header ("API Authentication").
pub(super) fn key(request: &Request<Bytes>, keys: &[(String, KeyKind)]) -> Result<KeyKind, Refusal> {
    let refuse_for =
        |message: &str, probe| Err(Refusal::new(StatusCode::UNAUTHORIZED, message).like_probe(probe));
    let refuse = |message: &str| refuse_for(message, "wrong_key");
    let mut sent = request.headers().get_all(&API_KEY).iter();
    let key = match (sent.next(), sent.next()) {
        (Some(key), None) => key,
        (None, _) => {
            return refuse_for("missing API key: send it in an `Api-Key` header", "missing_key");
        }
        (Some(_), Some(_)) => {
            return refuse("invalid API key: there is more than one `Api-Key` header; send one");
        }
    };
    match keys.iter().find(|(known, _)| known.as_bytes() == key.as_bytes()) {
        Some((_, kind)) => Ok(*kind),
        None => refuse("unknown API key"),
    }
}

/// Checks the key against the method: "You can use only test API keys with test methods."
///
/// Assumption: the reverse is true too, except for balance, which has no test method and accepts both kinds. The
/// documentation does not say.
pub(super) fn key_fits(key: KeyKind, is_test: bool, method: &MethodInfo) -> Result<(), Refusal> {
    let message = match (key, is_test) {
        (KeyKind::Revoked, _) => {
            let message = "API key revoked: it was removed when a newer one was generated";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, message).like_probe("wrong_key"));
        }
        (KeyKind::Live, true) => {
            "invalid API key: this is a test method, and the API key is a live one; use a test API key"
        }
        (KeyKind::Test, false) if method.test_path.is_some() => {
            "invalid API key: this is a live method, and the API key is a test one; use a live API key or the test method"
        }
        _ => return Ok(()),
    };
    let refusal = Refusal::new(StatusCode::FORBIDDEN, message);
    Err(if key == KeyKind::Test { refusal.like_probe("live_check") } else { refusal })
}

/// Requires the content type of a form, as curl's `--data` sends it. An empty body needs none.
pub(super) fn content_type(request: &Request<Bytes>) -> Result<(), Refusal> {
    const FORM: &str = "application/x-www-form-urlencoded";
    if request.body().is_empty() {
        return Ok(());
    }
    let Some(sent) = request.headers().get(CONTENT_TYPE) else {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("the body has no content type; send a form as `{FORM}`"),
        )
        .like_probe("text_content_type"));
    };
    let essence = sent.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(FORM.as_bytes()) {
        return Ok(());
    }
    let essence = printable(&String::from_utf8_lossy(essence));
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("the body's content type is `{essence}`; send a form as `{FORM}`"),
    )
    .like_probe(if essence.contains("json") { "json_body" } else { "text_content_type" }))
}

/// Reads a form body as a request of `M`: each argument once, no unknown ones, each value in its exact form.
pub(super) fn form<M: ApiMethod + Serialize>(body: &[u8]) -> Result<(M, String), Refusal> {
    let refuse_for =
        |message: String, probe| Err(Refusal::new(StatusCode::BAD_REQUEST, message).like_probe(probe));
    let refuse = |message| refuse_for(message, "invalid_query");
    if std::str::from_utf8(body).is_err() {
        return refuse("invalid query: the form body is not UTF-8".into());
    }
    let mut names: Vec<Cow<'_, str>> = form_urlencoded::parse(body).map(|(name, _)| name).collect();
    names.sort_unstable();
    if let Some((twice, _)) = names.iter().zip(names.iter().skip(1)).find(|(one, next)| one == next) {
        return refuse(format!("too many values for the argument `{}`: send it once", printable(twice)));
    }
    let request: M = match serde_html_form::from_bytes(body) {
        Ok(request) => request,
        Err(error) => {
            let error = error.to_string();
            let probe = match error.starts_with("missing field") {
                true if body.starts_with(b"{") => "json_body",
                true => "missing_query",
                false if error.contains("usernames; one call takes") => "too_many_usernames",
                false if error.contains("is an `@`") => "at_sign",
                false => "invalid_query",
            };
            return refuse_for(explain(&error), probe);
        }
    };
    let form = serde_html_form::to_string(&request)
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let known: Vec<Cow<'_, str>> = form_urlencoded::parse(form.as_bytes()).map(|(name, _)| name).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        let takes = if known.is_empty() { "none".into() } else { format!("`{}`", known.join("`, `")) };
        // Not "unknown argument": with an argument called `token`, clients would take it for an invalid key.
        let message = format!("one argument too many: `{}`; this method takes {takes}", printable(unknown));
        return refuse_for(message, "extra_argument");
    }
    drop(known);
    Ok((request, form))
}

/// Words an error of serde like the documentation.
fn explain(error: &str) -> String {
    match error.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        Some(name) => format!("the required argument `{name}` is missing"),
        None => format!("invalid query: {error}"),
    }
}

/// Shortens a string from the request to one short line.
fn printable(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
