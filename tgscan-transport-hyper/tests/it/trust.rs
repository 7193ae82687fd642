//! Whose certificates are trusted, and with whose cryptography.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tgscan_core::{
    Transport,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_transport_hyper::{HyperTransport, HyperTransportBuilder};

use crate::server::OK;
use crate::tls_server::{Authority, BOTH, Ending, TlsServer, for_host};
use crate::{balance, search};

async fn server_of(authority: &Authority) -> TlsServer {
    TlsServer::start(authority.server(&for_host("127.0.0.1"), BOTH), Ending::Complete).await
}

async fn assert_reached(builder: HyperTransportBuilder, server: &TlsServer) {
    let answer = builder.build().unwrap().send(search(&server.url())).await.unwrap();
    assert_eq!(answer.body(), OK);
    assert!(rustls::crypto::CryptoProvider::get_default().is_none(), "no process default was needed or set");
}

async fn assert_untrusted(builder: HyperTransportBuilder, server: &TlsServer) {
    let error = builder.build().unwrap().send(balance(&server.url())).await.unwrap_err();
    assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, TransportErrorKind::Tls), "{error}");
}

#[tokio::test]
async fn only_the_authority_that_was_pinned() {
    let (mine, other) = (Authority::new(), Authority::new());
    let (my_server, other_server) = (server_of(&mine).await, server_of(&other).await);
    assert_reached(mine.trusted().only_extra_roots(), &my_server).await;
    assert_untrusted(mine.trusted().only_extra_roots(), &other_server).await;
}

#[tokio::test]
async fn a_configuration_of_the_callers_own() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    let config = |roots: RootCertStore| {
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    };
    let mut roots = RootCertStore::empty();
    assert_untrusted(HyperTransport::builder().tls_config(config(roots.clone())), &server).await;
    roots.add(authority.0.der().clone()).unwrap();
    assert_reached(HyperTransport::builder().tls_config(config(roots)), &server).await;
}

#[tokio::test]
async fn a_provider_that_was_named() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    let provider = rustls::crypto::ring::default_provider();
    assert_reached(authority.trusted().crypto_provider(provider), &server).await;
}

/// rustls panics when it is asked for a default with two providers linked. This asks it nothing.
#[cfg(feature = "aws-lc-rs")]
#[tokio::test]
async fn both_providers_linked_and_no_process_default() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    assert_reached(authority.trusted(), &server).await;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    assert_reached(authority.trusted().crypto_provider(provider), &server).await;
}

/// What this machine trusts is not known here, but that it does not trust an authority made a moment ago.
#[cfg(feature = "platform-verifier")]
#[tokio::test]
async fn the_platform_and_extra_roots() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    assert_reached(authority.trusted().platform_verifier(), &server).await;
    assert_untrusted(Authority::new().trusted().platform_verifier(), &server).await;
}
