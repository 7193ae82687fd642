//! The manner in which a service answers, as `tgscan probe` writes it.

mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::account::KeyKind;
use super::refusal::Refusal;

const VERSION: u32 = 1;
/// Headers that a server writes by itself, or that belong to one response.
const OWN_HEADERS: [&str; 12] = [
    "allow",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "keep-alive",
    "location",
    "retry-after",
    "transfer-encoding",
    "vary",
    "www-authenticate",
];

/// The recorded behaviour of a service: statuses and texts of its refusals, its headers, and the forms of its answers.
/// Deserialized from a file that `tgscan probe` wrote; see [`MockBuilder::like`](super::MockBuilder::like).
///
/// The file has no keys, queries or answers; the mock writes its own data in these forms.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "File")]
pub struct Manner {
    probes: BTreeMap<String, Probe>,
}

#[derive(Deserialize)]
struct File {
    version: u32,
    #[serde(default)]
    probes: Vec<Probe>,
}

/// The response to one request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Probe {
    name: String,
    status: u16,
    content_type: Option<String>,
    content_encoding: Option<String>,
    headers: Vec<String>,
    /// The kind of the body: `ok`, `error`, `error_text`, `json`, `html`, `text` or `empty`.
    body: String,
    message: Option<String>,
    /// The types of the fields by their paths, such as `result.groups[].id`.
    fields: BTreeMap<String, String>,
}

impl TryFrom<File> for Manner {
    type Error = String;

    fn try_from(file: File) -> Result<Self, String> {
        if file.version != VERSION {
            return Err(format!("version {} is unknown; this mock reads version {VERSION}", file.version));
        }
        for probe in &file.probes {
            if !(200..600).contains(&probe.status) {
                return Err(format!("the status of {:?} is {}; use 200 to 599", probe.name, probe.status));
            }
        }
        let probes = file.probes.into_iter().map(|probe| (probe.name.clone(), probe)).collect();
        Ok(Self { probes })
    }
}

impl Manner {
    fn get(&self, name: &str) -> Option<&Probe> {
        self.probes.get(name)
    }

    fn is_accepted(&self, name: &str) -> Option<bool> {
        Some(self.get(name)?.body == "ok")
    }

    /// Returns whether bodies that are not sent as a form are refused, if the file states it.
    pub(super) fn is_strict(&self) -> Option<bool> {
        self.is_accepted("text_content_type").map(|is_accepted| !is_accepted)
    }

    /// Returns whether answers are compressed for clients that accept gzip.
    #[doc(hidden)]
    pub fn has_gzip(&self) -> bool {
        self.get("gzip").is_some_and(|probe| probe.content_encoding.as_deref() == Some("gzip"))
    }

    /// Returns the parts of the file that the mock does not reproduce, one per line.
    #[doc(hidden)]
    pub fn differences(&self) -> Vec<String> {
        let accepted = [
            ("get", "a request with GET"),
            ("json_body", "a body in JSON"),
            ("at_sign", "a query with a leading @"),
            ("trailing_slash", "a path with a trailing slash"),
            ("missing_key", "a request without a key"),
            ("wrong_key", "a request with a wrong key"),
        ];
        let accepted = accepted.iter().filter(|(name, _)| self.is_accepted(name) == Some(true));
        let mut lines: Vec<String> =
            accepted.map(|(_, what)| format!("the service accepts {what}; the mock refuses it")).collect();
        let gone = self.probes.values().filter(|probe| probe.body == "none");
        lines.extend(
            gone.map(|probe| format!("the service did not respond to `{}`; the mock does", probe.name)),
        );
        lines
    }

    /// Decides whether a test key fits a live method, where the file states it.
    pub(super) fn key_fits(&self, key: KeyKind, is_test: bool, method: &str) -> Option<Result<(), Refusal>> {
        let name = match method {
            "balance" => "balance",
            "user_check" => "live_check",
            _ => return None,
        };
        if key != KeyKind::Test || is_test {
            return None;
        }
        Some(if self.is_accepted(name)? {
            Ok(())
        } else {
            let message = "invalid API key: this is a live method, and the API key is a test one";
            Err(Refusal::new(StatusCode::FORBIDDEN, message).like_probe(name))
        })
    }

    /// Returns the response to a refused request, if the file has it.
    pub(super) fn refusal(&self, refusal: &Refusal) -> Option<Response<Bytes>> {
        let probe = self.get(refusal.probe?).filter(|probe| probe.body != "ok")?;
        let message = probe.message.as_deref().unwrap_or(&refusal.message);
        let body = match &*probe.body {
            "error" => format!(r#"{{"status":"error","result":{{"message":{}}}}}"#, json!(message)),
            "error_text" => format!(r#"{{"status":"error","result":{}}}"#, json!(message)),
            "json" => format!(r#"{{"status":"error","message":{}}}"#, json!(message)),
            "html" => format!("<html><body><h1>{}</h1></body></html>", probe.status),
            "text" => "refused".to_owned(),
            "empty" => String::new(),
            _ => return None,
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = StatusCode::from_u16(probe.status).ok()?;
        if let Some(content_type) = &probe.content_type {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(content_type).ok()?);
        }
        add_headers(probe, response.headers_mut());
        Some(response)
    }

    /// Gives an answer the content type, the headers and the form of the service's.
    pub(super) fn answer(&self, method: &str, response: &mut Response<Bytes>) {
        let own: Vec<&Probe> = names(method).iter().filter_map(|name| self.get(name)).collect();
        let Some(first) = own.iter().find(|probe| probe.body == "ok") else { return };
        if let Some(Ok(content_type)) = first.content_type.as_deref().map(HeaderValue::from_str) {
            response.headers_mut().insert(CONTENT_TYPE, content_type);
        }
        add_headers(first, response.headers_mut());
        let mut types: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (path, kinds) in own.iter().filter(|probe| probe.body == "ok").flat_map(|probe| &probe.fields) {
            types.entry(path).or_default().extend(kinds.split('|'));
        }
        if let Some(body) = fields::reshaped(response.body(), &types) {
            *response.body_mut() = body;
        }
    }
}

/// Adds the headers of a probe that the mock does not write by itself.
fn add_headers(probe: &Probe, headers: &mut HeaderMap) {
    let names = probe.headers.iter().filter(|name| !OWN_HEADERS.contains(&&***name));
    for name in names.filter_map(|name| HeaderName::from_str(name).ok()) {
        headers.entry(name).or_insert(HeaderValue::from_static("mock"));
    }
    // Required with these statuses; the file has only the names.
    super::check::add_headers(StatusCode::from_u16(probe.status).unwrap_or_default(), headers);
}

/// The probes that show the form of a method's answers.
fn names(method: &str) -> &'static [&'static str] {
    match method {
        "search" => &["search", "search_again", "search_by_id"],
        "similar_groups" => &["similar"],
        "user_check" => &["check"],
        "balance" => &["balance"],
        _ => &[],
    }
}
