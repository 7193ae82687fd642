//! The suite passes on a right transport, and fails on the right line on wrong ones.

use std::fmt;

use bytes::Bytes;
use futures_executor::block_on;
use http::{Request, Response};
use tgscan_mock::Mock;
use tgscan_mock::conformance::{self, Scheme};
use tgscan_mock::core::{
    Transport, TransportError, async_trait,
    transport::{Delivery, TransportErrorKind},
};

#[test]
fn the_mock_itself_conforms() {
    let report = block_on(conformance::run(Scheme::Http, |endpoint| endpoint.mock.clone()));
    report.assert_passed();
    assert!(report.cases().len() > 30, "{report}");
    assert!(report.to_string().ends_with(&format!("{0} of {0} cases passed", report.cases().len())));
}

/// The mock looks at no certificate, and is right in everything else.
#[cfg(feature = "tls")]
#[test]
fn a_transport_that_trusts_everybody_fails() {
    let report = block_on(conformance::run(Scheme::Https, |endpoint| endpoint.mock.clone()));
    let failures: Vec<_> = report.failures().map(|case| case.name.as_str()).collect();
    assert_eq!(failures, ["an untrusted server gets no request"], "{report}");
}

/// The mock in process compresses nothing, and is right in everything else.
#[cfg(feature = "gzip")]
#[test]
fn gzip_suite_fails_transport_without_gzip() {
    let report = block_on(conformance::run_gzip(Scheme::Http, |endpoint| endpoint.mock.clone()));
    assert!(report.failures().any(|case| case.name == "answers come compressed"), "{report}");
}

/// A transport that is right but for one thing.
struct Bad {
    mock: Mock,
    vice: Vice,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Vice {
    FollowsRedirects,
    Truncates,
    Replays,
    RefusesStatuses,
    ClaimsNeverSent,
    DropsPrefix,
    LosesHeaders,
    ChangesBody,
    PrintsRequest,
}

impl fmt::Debug for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bad").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Bad {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let copy = request.clone();
        match self.vice {
            Vice::LosesHeaders => _ = request.headers_mut().remove("accept"),
            Vice::ChangesBody => *request.body_mut() = Bytes::from_static(b"query=another_name"),
            _ => {}
        }
        let result = self.mock.send(request).await;
        match (self.vice, result) {
            (Vice::FollowsRedirects, Ok(response)) if response.status().is_redirection() => {
                Err(TransportError::new("cannot resolve elsewhere.invalid"))
            }
            (Vice::RefusesStatuses, Ok(response)) if !response.status().is_success() => {
                Err(TransportError::new(format!("status {}", response.status())))
            }
            (Vice::Truncates, Err(error)) if error.kind() == TransportErrorKind::BodyTooLarge => {
                Ok(error.partial().unwrap().clone())
            }
            (Vice::Replays, Err(error)) if error.delivery() == Delivery::MaybeSent => {
                self.mock.send(copy).await
            }
            (Vice::ClaimsNeverSent, Err(error)) => {
                Err(TransportError::never_sent(error).with_kind(error_kind()))
            }
            (Vice::DropsPrefix, Err(error)) if error.delivery() == Delivery::ResponseStarted => {
                let empty = error.partial().unwrap().clone().map(|_| Bytes::new());
                Err(TransportError::response_started(empty, error.to_string()).with_kind(error.kind()))
            }
            (Vice::PrintsRequest, Err(error)) => {
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
            (_, result) => result,
        }
    }
}

fn error_kind() -> TransportErrorKind {
    TransportErrorKind::Connect
}

/// Runs the suite on a bad transport; every failed line must be one of those that this vice breaks.
fn fails_on(vice: Vice, lines: &[&str]) {
    let make = |endpoint: &conformance::Endpoint| Bad { mock: endpoint.mock.clone(), vice };
    let report = block_on(conformance::run(Scheme::Http, make));
    for line in lines {
        assert!(report.failures().any(|case| case.name.contains(line)), "{vice:?} passes {line}:\n{report}");
    }
    for case in report.failures() {
        assert!(lines.iter().any(|line| case.name.contains(line)), "{vice:?} fails {}:\n{report}", case.name);
    }
}

#[test]
fn a_transport_that_follows_redirects_fails() {
    fails_on(Vice::FollowsRedirects, &["Redirect"]);
}

#[test]
fn a_transport_that_truncates_fails() {
    fails_on(Vice::Truncates, &["Oversized"]);
}

#[test]
fn a_transport_that_replays_fails() {
    fails_on(Vice::Replays, &["Reset", "Close", "Stall, "]);
}

#[test]
fn a_transport_that_turns_statuses_into_errors_fails() {
    fails_on(
        Vice::RefusesStatuses,
        &[
            "TooManyRequests",
            "Unavailable",
            "HtmlPage(50",
            "Redirect",
            "ErrorEnvelope(400)",
            "ErrorEnvelope(500)",
            "OkUnder500",
        ],
    );
}

#[test]
fn a_transport_that_always_claims_never_sent_fails() {
    fails_on(
        Vice::ClaimsNeverSent,
        &["Reset", "Close", "Stall, ", "CutBody", "StallBody", "TrickleBody", "Oversized", "dropping"],
    );
}

#[test]
fn a_transport_that_drops_what_it_received_fails() {
    let lines = ["CutBody(20)", "CutBody(200)", "StallBody(20)", "TrickleBody(20)", "Oversized"];
    fails_on(Vice::DropsPrefix, &lines);
}

#[test]
fn a_transport_that_loses_headers_fails() {
    fails_on(Vice::LosesHeaders, &["headers and body arrive"]);
}

#[test]
fn a_transport_that_prints_the_request_fails() {
    fails_on(
        Vice::PrintsRequest,
        &["Refuse", "Reset", "Close", "Stall, ", "CutBody", "StallBody", "TrickleBody", "Oversized"],
    );
}

#[test]
fn a_transport_that_changes_the_body_fails() {
    let make =
        |endpoint: &conformance::Endpoint| Bad { mock: endpoint.mock.clone(), vice: Vice::ChangesBody };
    let report = block_on(conformance::run(Scheme::Http, make));
    assert!(report.failures().any(|case| case.name.contains("64 calls")), "{report}");
}
