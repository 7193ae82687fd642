//! The suite passes for a correct transport, and fails on the right line for incorrect ones.

mod by_length;

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_executor::block_on;
use http::{HeaderMap, HeaderValue, Request, Response};
use tgscan_mock::Mock;
use tgscan_mock::conformance::{self, Scheme, Severity};
use tgscan_mock::core::{
    Transport, TransportError, async_trait,
    transport::{Delivery, SendBy, TransportErrorKind},
};

#[test]
fn the_mock_itself_conforms() {
    let report = block_on(conformance::run(Scheme::Http, |endpoint| endpoint.mock.clone()));
    report.assert_passed();
    assert!(report.cases().len() > 30, "{report}");
    assert!(report.to_string().ends_with(&format!("{0} of {0} cases passed", report.cases().len())));
}

/// The mock in process checks no certificates, and is otherwise correct.
#[test]
fn a_transport_that_trusts_every_server_fails() {
    let report = block_on(conformance::run(Scheme::Https, |endpoint| endpoint.mock.clone()));
    let failures: Vec<_> = report.failures().map(|case| case.name.as_str()).collect();
    assert_eq!(failures, ["an untrusted server gets no request"], "{report}");
}

/// The mock in process does not compress, and is otherwise correct.
#[test]
fn gzip_suite_fails_transport_without_gzip() {
    let report = block_on(conformance::run_gzip(Scheme::Http, |endpoint| endpoint.mock.clone()));
    assert!(report.failures().any(|case| case.name == "answers are compressed"), "{report}");
}

/// A transport with one fault.
struct FaultyTransport {
    mock: Mock,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    FollowsRedirects,
    Truncates,
    Replays,
    RefusesStatuses,
    ClaimsNeverSent,
    DropsPrefix,
    LosesHeaders,
    ChangesBody,
    PrintsRequest,
    LowercasesBody,
    CopiesKey,
    CopiesKeyIntoWord,
    PutsQueryIntoUrl,
    AddsCookie,
    AddsClientAddress,
    ForgetsResponse,
    SendsEachHeaderOnce,
    KeepsFirstOfEachHeader,
    KeepsLastOfEachHeader,
    JoinsHeaders,
    JoinsAllButCookies,
    DecodesCommas,
    LowercasesEscapes,
    EncodesUnderscores,
    IgnoresSendBy,
    NamesAnotherHost,
    AnswersWithoutSending,
}

impl Fault {
    /// Returns the headers with each name once.
    fn once(self, headers: &HeaderMap) -> HeaderMap {
        let one = |name| {
            let mut values = headers.get_all(name).iter();
            match self {
                Self::JoinsHeaders | Self::JoinsAllButCookies => {
                    let values: Vec<&str> = values.map(|value| value.to_str().unwrap()).collect();
                    HeaderValue::from_str(&values.join(", ")).unwrap()
                }
                Self::KeepsLastOfEachHeader => values.next_back().unwrap().clone(),
                _ => values.next().unwrap().clone(),
            }
        };
        headers.keys().map(|name| (name.clone(), one(name))).collect()
    }
}

impl fmt::Debug for FaultyTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyTransport").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for FaultyTransport {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let copy = request.clone();
        match self.fault {
            Fault::LosesHeaders => _ = request.headers_mut().remove("accept"),
            Fault::ChangesBody => *request.body_mut() = Bytes::from_static(b"query=another_name"),
            Fault::LowercasesBody => *request.body_mut() = copy.body().to_ascii_lowercase().into(),
            Fault::CopiesKey => {
                let key = request.headers()["api-key"].clone();
                request.headers_mut().insert("authorization", key);
            }
            Fault::CopiesKeyIntoWord => {
                let word = format!("key{}", copy.headers()["api-key"].to_str().unwrap());
                request.headers_mut().insert("accept", word.parse().unwrap());
            }
            Fault::PutsQueryIntoUrl => {
                let uri = format!("{}?{}", request.uri(), String::from_utf8_lossy(copy.body()));
                *request.uri_mut() = uri.parse().unwrap();
            }
            Fault::AddsCookie => _ = request.headers_mut().insert("cookie", HeaderValue::from_static("id=1")),
            Fault::AddsClientAddress => {
                _ = request.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
            }
            Fault::SendsEachHeaderOnce => *request.headers_mut() = self.fault.once(copy.headers()),
            Fault::IgnoresSendBy => _ = request.extensions_mut().remove::<SendBy>(),
            Fault::NamesAnotherHost => {
                _ = request.headers_mut().insert("host", HeaderValue::from_static("proxy.example"));
            }
            Fault::AnswersWithoutSending if !self.mock.requests().is_empty() => {
                let other = Mock::builder().seed(7).build().unwrap();
                return other.send(request).await;
            }
            Fault::DecodesCommas => replace(&mut request, "%2C", ","),
            Fault::LowercasesEscapes => replace(&mut request, "%2C", "%2c"),
            Fault::EncodesUnderscores => replace(&mut request, "_", "%5F"),
            _ => {}
        }
        let result = self.mock.send(request).await;
        match (self.fault, result) {
            (Fault::FollowsRedirects, Ok(response)) if response.status().is_redirection() => {
                Err(TransportError::new("cannot resolve elsewhere.invalid"))
            }
            (
                Fault::KeepsFirstOfEachHeader | Fault::KeepsLastOfEachHeader | Fault::JoinsHeaders,
                Ok(mut response),
            ) => {
                *response.headers_mut() = self.fault.once(response.headers());
                Ok(response)
            }
            (Fault::JoinsAllButCookies, Ok(mut response)) => {
                if let Some(via) = self.fault.once(response.headers()).remove("via") {
                    response.headers_mut().insert("via", via);
                }
                Ok(response)
            }
            (Fault::RefusesStatuses, Ok(response)) if !response.status().is_success() => {
                Err(TransportError::new(format!("status {}", response.status())))
            }
            (Fault::Truncates, Err(error)) if error.kind() == TransportErrorKind::BodyTooLarge => {
                Ok(error.partial().unwrap().clone())
            }
            (Fault::Replays, Err(error)) if error.delivery() == Delivery::MaybeSent => {
                self.mock.send(copy).await
            }
            (Fault::ClaimsNeverSent, Err(error)) => {
                Err(TransportError::never_sent(error).with_kind(error_kind()))
            }
            (Fault::DropsPrefix, Err(error)) if error.delivery() == Delivery::ResponseStarted => {
                let empty = error.partial().unwrap().clone().map(|_| Bytes::new());
                Err(TransportError::response_started(empty, error.to_string()).with_kind(error.kind()))
            }
            (Fault::PrintsRequest, Err(error)) => {
                let form = String::from_utf8_lossy(copy.body()).into_owned();
                Err(match error.delivery() {
                    Delivery::NeverSent => TransportError::never_sent(form),
                    Delivery::MaybeSent => TransportError::new(form),
                    Delivery::ResponseStarted => {
                        TransportError::response_started(error.partial().unwrap().clone(), form)
                    }
                }
                .with_kind(error.kind()))
            }
            (Fault::ForgetsResponse, Err(error)) if error.delivery() == Delivery::ResponseStarted => {
                let kind = error.kind();
                Err(TransportError::new(error.to_string()).with_kind(kind))
            }
            (_, result) => result,
        }
    }
}

/// Changes the encoding of the form body.
fn replace(request: &mut Request<Bytes>, from: &str, to: &str) {
    let body = String::from_utf8(request.body().to_vec()).unwrap();
    *request.body_mut() = body.replace(from, to).into();
}

fn error_kind() -> TransportErrorKind {
    TransportErrorKind::Connect
}

/// Runs the suite on a faulty transport. The failed lines must be among those that the fault breaks.
fn fails_on(fault: Fault, lines: &[&str]) {
    let make = |endpoint: &conformance::Endpoint| FaultyTransport { mock: endpoint.mock.clone(), fault };
    let report = block_on(conformance::run(Scheme::Http, make));
    for line in lines {
        assert!(report.failures().any(|case| case.name.contains(line)), "{fault:?} passes {line}:\n{report}");
    }
    for case in report.failures() {
        assert!(
            lines.iter().any(|line| case.name.contains(line)),
            "{fault:?} fails {}:\n{report}",
            case.name
        );
    }
}

#[test]
fn a_transport_that_follows_redirects_fails() {
    fails_on(Fault::FollowsRedirects, &["Redirect"]);
}

#[test]
fn a_transport_that_truncates_fails() {
    fails_on(Fault::Truncates, &["Oversized"]);
}

#[test]
fn a_transport_that_replays_fails() {
    fails_on(Fault::Replays, &["Reset", "Close", "Stall, "]);
}

#[test]
fn a_transport_that_turns_statuses_into_errors_fails() {
    fails_on(
        Fault::RefusesStatuses,
        &[
            "TooManyRequests",
            "Unavailable",
            "HtmlPage { status: 50",
            "GatewayJson { status: 50",
            "Redirect",
            "ErrorEnvelope { status: 400 }",
            "ErrorEnvelope { status: 500 }",
            "OkUnder500",
        ],
    );
}

#[test]
fn a_transport_that_always_claims_never_sent_fails() {
    fails_on(
        Fault::ClaimsNeverSent,
        &["Reset", "Close", "Stall, ", "CutBody", "StallBody", "TrickleBody", "Oversized", "dropping"],
    );
}

#[test]
fn a_transport_that_drops_received_bytes_fails() {
    let lines = [
        "CutBody { at: 20 }",
        "CutBody { at: 200 }",
        "StallBody { at: 20 }",
        "TrickleBody { at: 20 }",
        "Oversized",
    ];
    fails_on(Fault::DropsPrefix, &lines);
}

#[test]
fn transport_that_sends_too_late_fails() {
    fails_on(Fault::IgnoresSendBy, &["a request whose time has passed is not sent"]);
}

#[test]
fn transport_that_answers_without_sending_fails() {
    let lines = ["64 concurrent calls", "a connection closed while idle costs no call twice"];
    fails_on(Fault::AnswersWithoutSending, &lines);
}

#[test]
fn a_transport_that_loses_headers_fails() {
    fails_on(Fault::LosesHeaders, &["headers and body arrive"]);
}

#[test]
fn transports_that_drop_repeated_headers_fail() {
    fails_on(Fault::SendsEachHeaderOnce, &["headers and body arrive"]);
    for fault in [Fault::KeepsFirstOfEachHeader, Fault::KeepsLastOfEachHeader, Fault::JoinsHeaders] {
        fails_on(fault, &["RepeatedHeaders"]);
    }
    fails_on(Fault::JoinsAllButCookies, &[]);
}

#[test]
fn transports_that_re_encode_the_body_fail() {
    for fault in [Fault::DecodesCommas, Fault::LowercasesEscapes] {
        fails_on(fault, &["a list of names arrives as it was encoded"]);
    }
    let lines = ["headers and body arrive", "a list of names arrives as it was encoded"];
    fails_on(Fault::EncodesUnderscores, &lines);
}

#[test]
fn a_transport_that_prints_the_request_fails() {
    fails_on(
        Fault::PrintsRequest,
        &["Refuse", "Reset", "Close", "Stall, ", "CutBody", "StallBody", "TrickleBody", "Oversized"],
    );
}

/// Each of them breaks one rule about the request, named on one line.
#[test]
fn transports_that_change_the_request_fail() {
    for (fault, says) in [
        (Fault::LowercasesBody, "the request's body is changed"),
        (Fault::CopiesKey, "the API key or the query is copied into the header `authorization`"),
        (Fault::CopiesKeyIntoWord, "the API key or the query is copied into the header `accept`"),
        (Fault::PutsQueryIntoUrl, "the URL was changed"),
        (Fault::NamesAnotherHost, "the header `host` names another host"),
        (Fault::AddsCookie, "the header `cookie` was added"),
        (Fault::AddsClientAddress, "the header `x-forwarded-for` was added"),
    ] {
        let make = |endpoint: &conformance::Endpoint| FaultyTransport { mock: endpoint.mock.clone(), fault };
        let report = block_on(conformance::run(Scheme::Http, make));
        let case = report.failures().find(|case| case.name == "headers and body arrive as they were built");
        let case = case.unwrap_or_else(|| panic!("{fault:?}:\n{report}"));
        assert!(case.problem.as_ref().unwrap().contains(says), "{fault:?}:\n{report}");
        assert_eq!(case.severity, Some(Severity::Money));
    }
}

#[test]
fn a_transport_that_loses_a_partial_response_passes_with_a_warning() {
    let make = |endpoint: &conformance::Endpoint| FaultyTransport {
        mock: endpoint.mock.clone(),
        fault: Fault::ForgetsResponse,
    };
    let report = block_on(conformance::run(Scheme::Http, make));
    report.assert_passed();
    assert!(
        report.to_string().contains("\nwarning fault CutBody { at: 20 }, charged: could be ResponseStarted"),
        "{report}"
    );
}

/// The mock in process as on a busy machine: every call waits half a second for each earlier one.
#[derive(Debug)]
struct Busy {
    mock: Mock,
    time_limit: Duration,
    calls: AtomicU32,
}

#[async_trait]
impl Transport for Busy {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let took = Duration::from_millis(500) * self.calls.fetch_add(1, Ordering::Relaxed);
        let answer = self.mock.send(request).await;
        let timeout = TransportError::new("took too long").with_kind(TransportErrorKind::Timeout);
        if took < self.time_limit { answer } else { Err(timeout) }
    }
}

#[test]
fn a_correct_transport_passes_on_a_busy_machine() {
    let make = |endpoint: &conformance::Endpoint| Busy {
        mock: endpoint.mock.clone(),
        time_limit: endpoint.time_limit,
        calls: AtomicU32::new(0),
    };
    block_on(conformance::run(Scheme::Http, make)).assert_passed();
}

#[test]
fn a_transport_that_changes_the_body_fails() {
    let make = |endpoint: &conformance::Endpoint| FaultyTransport {
        mock: endpoint.mock.clone(),
        fault: Fault::ChangesBody,
    };
    let report = block_on(conformance::run(Scheme::Http, make));
    assert!(report.failures().any(|case| case.name.contains("64 concurrent calls")), "{report}");
}
