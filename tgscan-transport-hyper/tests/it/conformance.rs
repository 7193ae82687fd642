//! The conformance suite of `tgscan-mock`, which everybody's transport can be held against.

use tgscan_mock::conformance::{self, Endpoint, Report, Scheme};
use tgscan_transport_hyper::{HyperTransport, HyperTransportBuilder};

async fn run(scheme: Scheme, configure: fn(HyperTransportBuilder) -> HyperTransportBuilder) -> Report {
    conformance::run(scheme, |endpoint: &Endpoint| {
        let mut builder =
            HyperTransport::builder().total_timeout(endpoint.time_limit).body_cap(endpoint.body_cap);
        if let Some(pem) = &endpoint.ca_pem {
            builder = builder.extra_roots_pem(pem.as_str());
        }
        configure(builder).build().unwrap()
    })
    .await
}

#[tokio::test]
async fn conforms_over_http() {
    run(Scheme::Http, |builder| builder).await.assert_passed();
}

#[tokio::test]
async fn conforms_over_https_with_the_version_that_was_agreed_on() {
    run(Scheme::Https, |builder| builder).await.assert_passed();
}

#[tokio::test]
async fn conforms_over_https_with_http1_only() {
    run(Scheme::Https, |builder| builder.http1_only(true)).await.assert_passed();
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn conforms_when_it_asks_for_gzip() {
    run(Scheme::Http, |builder| builder.gzip(true)).await.assert_passed();
}
