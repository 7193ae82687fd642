//! Scripted faults in configuration files and in the server's control paths.

mod schema;

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tgscan_core::types::registry::infos;

use super::fault::{Fault, FaultKind, MOST_BYTES};
pub(super) use schema::method_schema;
pub(crate) use schema::required_method_schema;

/// A step of a script, for the next requests of a method or of any method.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct ScriptStep {
    pub(super) method: Option<&'static str>,
    /// `None` answers the request normally.
    pub(super) fault: Option<Fault>,
    /// The number of requests that the step is for.
    pub(super) times: usize,
}

/// [`FaultKind`] with named fields. Variants without fields have braces, because serde rejects unknown fields only
/// there.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Form {
    /// The request is answered normally.
    Answer {},
    /// The connection is refused.
    Refuse {},
    /// The connection is reset without an answer.
    Reset {},
    /// The connection is closed without an answer.
    Close {},
    /// The connection stays open without an answer.
    Stall {},
    /// The connection is closed within the body.
    CutBody {
        /// Number of bytes of the body before the fault.
        at: usize,
    },
    /// The connection stays open within the body, without further bytes.
    StallBody {
        /// Number of bytes of the body before the fault.
        at: usize,
    },
    /// Single bytes follow endlessly within the body.
    TrickleBody {
        /// Number of bytes of the body before the fault.
        at: usize,
    },
    /// The answer comes in small pieces.
    SlowBody {},
    /// 429 with an error envelope.
    TooManyRequests {
        /// Seconds of `Retry-After`.
        retry_after: Option<u64>,
    },
    /// 503 with an error envelope.
    Unavailable {
        /// Seconds of `Retry-After`.
        retry_after: Option<u64>,
    },
    /// A gateway's page with this status, which must allow a body.
    HtmlPage {
        #[schemars(range(min = 200, max = 599))]
        status: u16,
    },
    /// A gateway's JSON with this status, which must allow a body: `{"status":"error","message":…}`, which is not the
    /// service's envelope.
    GatewayJson {
        #[schemars(range(min = 200, max = 599))]
        status: u16,
    },
    /// A redirect to another host with this status.
    Redirect {
        #[schemars(extend("enum" = [301, 302, 303, 307, 308]))]
        status: u16,
    },
    /// The answer, padded to at least this number of bytes.
    Oversized {
        #[schemars(range(max = MOST_BYTES))]
        bytes: usize,
    },
    /// The answer has the content type `text/html`.
    WrongContentType {},
    /// The answer has repeated headers.
    RepeatedHeaders {},
    /// An error envelope with this status, which must allow a body. A 4xx status and 503 are never charged.
    ErrorEnvelope {
        #[schemars(range(min = 200, max = 599))]
        status: u16,
    },
    /// The answer has status 500.
    OkUnder500 {},
    /// A field of the answer is missing.
    FieldMissing {
        /// A JSON pointer (RFC 6901) into the body, e.g. `/result/meta/op_cost`. If no answer of the method has the field,
        /// the error lists all fields. If only the answer to a request lacks it, the request is refused and the step is kept.
        field: String,
    },
    /// A field of the answer has another type.
    FieldMistyped {
        /// A JSON pointer (RFC 6901) into the body, as for `field_missing`.
        field: String,
    },
    /// The JSON ends early, in a body that is complete for HTTP.
    CutJson {
        /// Number of bytes of the body before the fault.
        at: usize,
    },
}

// By hand, because the derive would borrow `&'static str` from the input.
impl<'de> Deserialize<'de> for ScriptStep {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(Map::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl ScriptStep {
    /// Returns the fault for an expected call of this method, or `None` for a normal answer.
    ///
    /// # Errors
    /// If it is for another method, has a number of requests, or is impossible.
    pub(crate) fn into_fault_of(self, method: &str) -> Result<Option<Fault>, String> {
        if let Some(other) = self.method.filter(|own| *own != method) {
            return Err(format!(
                "the fault is for `{other}`, and the call is of `{method}`; leave its `method` out"
            ));
        }
        if self.times != 1 {
            return Err("give `times` to the expectation instead of its fault".into());
        }
        self.fault.as_ref().map_or(Ok(()), |fault| fault.check(Some(method)))?;
        Ok(self.fault)
    }

    fn read(mut fields: Map<String, Value>) -> Result<Self, String> {
        let method = match fields.remove("method") {
            None | Some(Value::Null) => None,
            Some(name) => Some(method(&name)?),
        };
        let charged = match fields.remove("charged") {
            None => None,
            Some(Value::Bool(charged)) => Some(charged),
            Some(_) => return Err("`charged` must be true or false".into()),
        };
        let times = match fields.remove("times") {
            None => 1,
            Some(times) => {
                let times = times.as_u64().and_then(|times| usize::try_from(times).ok());
                let times = times.filter(|times| (1..=MOST_TIMES).contains(times));
                times.ok_or_else(|| format!("`times` must be a number from 1 to {MOST_TIMES}"))?
            }
        };
        let message = match fields.remove("message") {
            None => None,
            Some(Value::String(message)) => Some(message),
            Some(_) => return Err("`message` must be a string".into()),
        };
        let latency =
            match fields.remove("latency_ms") {
                None => None,
                Some(latency) => {
                    let latency = latency.as_u64().filter(|latency| *latency <= MOST_LATENCY_MS);
                    Some(latency.ok_or_else(|| {
                        format!("`latency_ms` must be a number from 0 to {MOST_LATENCY_MS}")
                    })?)
                }
            };
        let kind = fields.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let form: Form = serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
        let fault = form.kind()?.map(Fault::new);
        if let Some(fault) = &fault {
            fault.check(method)?;
        }
        let fault = match (fault, charged) {
            (Some(fault), Some(true)) => Some(fault.charged()),
            (fault, _) => fault,
        };
        let fault = match (fault, latency) {
            (Some(fault), Some(latency)) => Some(fault.after(Duration::from_millis(latency))),
            (None, Some(_)) => return Err("`answer` has no `latency_ms`; set the mock's `latency_ms`".into()),
            (fault, None) => fault,
        };
        let fault = match (fault, message) {
            (Some(fault), Some(message)) if fault.has_message() => Some(fault.with_message(message)),
            (_, Some(_)) => return Err(format!("`{kind}` has no `message`; leave it out")),
            (fault, None) => fault,
        };
        // An impossible setting must not be dropped silently.
        match (charged, fault.as_ref().is_some_and(Fault::is_charged)) {
            (Some(true), false) => Err(format!("`{kind}` is never charged; leave `charged` out")),
            (Some(false), true) => Err(format!("`{kind}` is always charged; leave `charged` out")),
            _ => Ok(Self { method, fault, times }),
        }
    }
}

fn method(name: &Value) -> Result<&'static str, String> {
    let names: Vec<&str> = infos().into_iter().map(|method| method.name).collect();
    names
        .iter()
        .copied()
        .find(|known| name == known)
        .ok_or_else(|| format!("`method` must be one of {}", names.join(", ")))
}

impl Form {
    /// Returns the kind of fault, or `None` for a normal answer.
    fn kind(self) -> Result<Option<FaultKind>, String> {
        let status = |status: u16| {
            StatusCode::from_u16(status)
                .ok()
                .ok_or_else(|| format!("`status` is {status}; give one from 200 to 599"))
        };
        Ok(Some(match self {
            Self::Answer {} => return Ok(None),
            Self::Refuse {} => FaultKind::Refuse,
            Self::Reset {} => FaultKind::Reset,
            Self::Close {} => FaultKind::Close,
            Self::Stall {} => FaultKind::Stall,
            Self::CutBody { at } => FaultKind::CutBody(at),
            Self::StallBody { at } => FaultKind::StallBody(at),
            Self::TrickleBody { at } => FaultKind::TrickleBody(at),
            Self::SlowBody {} => FaultKind::SlowBody,
            Self::TooManyRequests { retry_after } => FaultKind::TooManyRequests(retry_after),
            Self::Unavailable { retry_after } => FaultKind::Unavailable(retry_after),
            Self::HtmlPage { status: code } => FaultKind::HtmlPage(status(code)?),
            Self::GatewayJson { status: code } => FaultKind::GatewayJson(status(code)?),
            Self::Redirect { status: code } => FaultKind::Redirect(status(code)?),
            Self::Oversized { bytes } => FaultKind::Oversized(bytes),
            Self::WrongContentType {} => FaultKind::WrongContentType,
            Self::RepeatedHeaders {} => FaultKind::RepeatedHeaders,
            Self::ErrorEnvelope { status: code } => FaultKind::ErrorEnvelope(status(code)?),
            Self::OkUnder500 {} => FaultKind::OkUnder500,
            Self::FieldMissing { field } => FaultKind::FieldMissing(Cow::Owned(field)),
            Self::FieldMistyped { field } => FaultKind::FieldMistyped(Cow::Owned(field)),
            Self::CutJson { at } => FaultKind::CutJson(at),
        }))
    }

    fn of(kind: &FaultKind) -> Self {
        match kind.clone() {
            FaultKind::Refuse => Self::Refuse {},
            FaultKind::Reset => Self::Reset {},
            FaultKind::Close => Self::Close {},
            FaultKind::Stall => Self::Stall {},
            FaultKind::CutBody(at) => Self::CutBody { at },
            FaultKind::StallBody(at) => Self::StallBody { at },
            FaultKind::TrickleBody(at) => Self::TrickleBody { at },
            FaultKind::SlowBody => Self::SlowBody {},
            FaultKind::TooManyRequests(retry_after) => Self::TooManyRequests { retry_after },
            FaultKind::Unavailable(retry_after) => Self::Unavailable { retry_after },
            FaultKind::HtmlPage(status) => Self::HtmlPage { status: status.as_u16() },
            FaultKind::GatewayJson(status) => Self::GatewayJson { status: status.as_u16() },
            FaultKind::Redirect(status) => Self::Redirect { status: status.as_u16() },
            FaultKind::Oversized(bytes) => Self::Oversized { bytes },
            FaultKind::WrongContentType => Self::WrongContentType {},
            FaultKind::RepeatedHeaders => Self::RepeatedHeaders {},
            FaultKind::ErrorEnvelope(status) => Self::ErrorEnvelope { status: status.as_u16() },
            FaultKind::OkUnder500 => Self::OkUnder500 {},
            FaultKind::FieldMissing(field) => Self::FieldMissing { field: field.into_owned() },
            FaultKind::FieldMistyped(field) => Self::FieldMistyped { field: field.into_owned() },
            FaultKind::CutJson(at) => Self::CutJson { at },
        }
    }
}

/// The largest number of requests per step.
const MOST_TIMES: usize = 100_000;
/// The longest latency in configuration: an hour.
pub(crate) const MOST_LATENCY_MS: u64 = 60 * 60 * 1000;

/// Writes a fault as a [`ScriptStep`].
pub(crate) fn fault_json(fault: &Fault) -> Map<String, Value> {
    let mut fields = fields(&Form::of(fault.kind()));
    fields.insert("charged".into(), fault.is_charged().into());
    if let Some(message) = fault.message() {
        fields.insert("message".into(), message.into());
    }
    if let Some(latency) = fault.latency() {
        fields.insert("latency_ms".into(), milliseconds(latency).into());
    }
    fields
}

/// Writes a step with one request.
pub(super) fn step_json(method: Option<&'static str>, fault: Option<&Fault>) -> Map<String, Value> {
    let mut step = fault.map_or_else(|| fields(&Form::Answer {}), fault_json);
    step.insert("method".into(), method.into());
    step
}

fn fields(form: &Form) -> Map<String, Value> {
    match serde_json::to_value(form) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ScriptStep, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn every_fault_round_trips() {
        let slow = Fault::new(FaultKind::Close).after(Duration::from_millis(250));
        let worded = Fault::new(FaultKind::ErrorEnvelope(StatusCode::OK)).with_message("not today");
        let gateway = Fault::new(FaultKind::GatewayJson(StatusCode::SERVICE_UNAVAILABLE));
        let gateway = gateway.with_message("no healthy upstream");
        for fault in Fault::all(1000).into_iter().chain([slow, worded, gateway]) {
            let json = Value::Object(fault_json(&fault)).to_string();
            assert_eq!(read(&json), Ok(ScriptStep { method: None, fault: Some(fault), times: 1 }), "{json}");
        }
        let answered = ScriptStep { method: Some("search"), fault: None, times: 1 };
        assert_eq!(read(r#"{"kind":"answer","method":"search"}"#), Ok(answered));
        let largest = Fault::new(FaultKind::Oversized(268_435_456));
        let step = r#"{"kind":"oversized","bytes":268435456}"#;
        assert_eq!(read(step), Ok(ScriptStep { method: None, fault: Some(largest), times: 1 }));
    }

    #[test]
    fn errors_name_the_invalid_setting() {
        for (json, says) in [
            ("{}", "missing field `kind`"),
            (r#"{"kind":"explode"}"#, "unknown variant `explode`"),
            (r#"{"kind":"reset","at":3}"#, "unknown field `at`"),
            (r#"{"kind":"cut_body"}"#, "missing field `at`"),
            (r#"{"kind":"cut_body","at":-1}"#, "invalid value"),
            (r#"{"kind":"html_page","status":99}"#, "`status` is 99; give one from 200 to 599"),
            (r#"{"kind":"oversized","bytes":268435457}"#, "give at most 268435456"),
            (r#"{"kind":"slow_body","charged":false}"#, "`slow_body` is always charged"),
            (r#"{"kind":"answer","charged":true}"#, "`answer` is never charged"),
            (r#"{"kind":"reset","latency_ms":-1}"#, "must be a number from 0 to 3600000"),
            (r#"{"kind":"answer","latency_ms":1}"#, "set the mock's `latency_ms`"),
            (r#"{"kind":"answer","times":0}"#, "a number from 1 to 100000"),
            (r#"{"kind":"reset","message":"no"}"#, "`reset` has no `message`"),
            (r#"{"kind":"reset","charged":1}"#, "must be true or false"),
            (r#"{"kind":"reset","method":"nothing"}"#, "`method` must be one of search, balance"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
