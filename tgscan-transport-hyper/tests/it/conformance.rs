//! Runs the transport conformance suite of `tgscan-mock`.

use tgscan_mock::conformance::{self, Endpoint, Report, Scheme};
use tgscan_transport_hyper::{HyperTransport, HyperTransportBuilder};

type Configure = fn(HyperTransportBuilder) -> HyperTransportBuilder;

fn make(configure: Configure) -> impl Fn(&Endpoint) -> HyperTransport {
    move |endpoint| {
        let mut builder = HyperTransport::builder()
            .attempt_timeout(endpoint.time_limit)
            .max_body_size(endpoint.max_body_size);
        if let Some(pem) = &endpoint.ca_pem {
            builder = builder.extra_roots_pem(pem.as_str());
        }
        configure(builder).build().unwrap()
    }
}

async fn run(scheme: Scheme, configure: Configure) -> Report {
    conformance::run(scheme, make(configure)).await
}

#[tokio::test]
async fn conforms_over_http() {
    run(Scheme::Http, |builder| builder).await.assert_passed();
}

#[tokio::test]
async fn conforms_over_https_with_the_negotiated_version() {
    run(Scheme::Https, |builder| builder).await.assert_passed();
}

#[tokio::test]
async fn conforms_over_https_with_http1_only() {
    run(Scheme::Https, |builder| builder.http1_only(true)).await.assert_passed();
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn conforms_with_gzip_to_a_server_without_it() {
    run(Scheme::Http, |builder| builder.gzip(true)).await.assert_passed();
}

/// The suite fails if no answer was compressed.
#[cfg(feature = "gzip")]
#[tokio::test]
async fn conforms_over_compressed_answers() {
    conformance::run_gzip(Scheme::Http, make(|builder| builder.gzip(true))).await.assert_passed();
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn conforms_over_compressed_answers_and_https() {
    conformance::run_gzip(Scheme::Https, make(|builder| builder.gzip(true))).await.assert_passed();
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn conforms_over_compressed_answers_and_https_with_http1_only() {
    let configure: Configure = |builder| builder.gzip(true).http1_only(true);
    conformance::run_gzip(Scheme::Https, make(configure)).await.assert_passed();
}
