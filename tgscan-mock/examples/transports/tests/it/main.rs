//! Every example transport passes the conformance suite, in clear text and over TLS, and refuses a server with an
//! untrusted certificate.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic in a test's helper is a failed test")]

mod limits;
mod over_curl;
mod over_isahc;

use std::fmt;

use tgscan_core::types::UserQuery;
use tgscan_core::{
    Api, Client, ErrorKind, Transport,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_example_transports::{
    ReqwestTransport, Settings, UreqTransport, layered, one_connection_per_call,
};
use tgscan_mock::conformance::{self, Endpoint, Scheme};
use tgscan_mock::{Mock, MockServer, ServerOptions, VirtualTimer};
use tokio::sync::Semaphore;

use crate::over_curl::CurlTransport;
use crate::over_isahc::IsahcTransport;

/// curl refuses file descriptors above 1,023, and a suite has up to 128.
static SUITES: Semaphore = Semaphore::const_new(5);

async fn conforms<T: Transport + fmt::Debug + 'static>(scheme: Scheme, make: impl Fn(&Settings) -> T) {
    let _turn = SUITES.acquire().await.unwrap();
    let report = conformance::run(scheme, |endpoint: &Endpoint| {
        make(&Settings {
            time_limit: endpoint.time_limit,
            max_body_size: endpoint.max_body_size,
            ca_pem: endpoint.ca_pem.clone(),
        })
    })
    .await;
    report.assert_passed();
}

#[tokio::test]
async fn reqwest_over_http() {
    conforms(Scheme::Http, |settings| ReqwestTransport::new(settings).unwrap()).await;
}

#[tokio::test]
async fn reqwest_over_https() {
    conforms(Scheme::Https, |settings| ReqwestTransport::new(settings).unwrap()).await;
}

#[tokio::test]
async fn ureq_over_http() {
    conforms(Scheme::Http, |settings| UreqTransport::new(settings).unwrap()).await;
}

#[tokio::test]
async fn ureq_over_https() {
    conforms(Scheme::Https, |settings| UreqTransport::new(settings).unwrap()).await;
}

fn tower(settings: &Settings) -> impl Transport + fmt::Debug + use<> {
    layered(ReqwestTransport::new(settings).unwrap(), 16, settings.time_limit * 2)
}

#[tokio::test]
async fn tower_over_http() {
    conforms(Scheme::Http, tower).await;
}

#[tokio::test]
async fn tower_over_https() {
    conforms(Scheme::Https, tower).await;
}

#[tokio::test]
async fn a_closure_over_http() {
    conforms(Scheme::Http, |settings| one_connection_per_call(settings).unwrap()).await;
}

#[tokio::test]
async fn a_closure_over_https() {
    conforms(Scheme::Https, |settings| one_connection_per_call(settings).unwrap()).await;
}

#[tokio::test]
async fn curl_over_http() {
    conforms(Scheme::Http, CurlTransport::new).await;
}

#[tokio::test]
async fn isahc_over_http() {
    conforms(Scheme::Http, IsahcTransport::new).await;
}

async fn refuses_an_untrusted_server(transport: impl Transport + 'static) {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new().https::<&str>([])).unwrap();
    let api = Api::with_base_url(&server.url(), mock.live_key()).unwrap();
    let client = Client::new(api, transport, VirtualTimer::new());
    let error = client.search("some_username".parse::<UserQuery>().unwrap()).await.unwrap_err();
    let ErrorKind::Transport(error) = error.kind() else { panic!("{error}") };
    assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, TransportErrorKind::Tls), "{error}");
    assert!(mock.requests().is_empty());
}

#[tokio::test]
async fn reqwest_refuses_an_untrusted_server() {
    refuses_an_untrusted_server(ReqwestTransport::new(&Settings::default()).unwrap()).await;
}

#[tokio::test]
async fn ureq_refuses_an_untrusted_server() {
    refuses_an_untrusted_server(UreqTransport::new(&Settings::default()).unwrap()).await;
}

#[tokio::test]
async fn a_closure_refuses_an_untrusted_server() {
    refuses_an_untrusted_server(one_connection_per_call(&Settings::default()).unwrap()).await;
}
