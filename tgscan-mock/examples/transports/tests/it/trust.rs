//! A server whose certificate nobody vouches for gets no request.

use tgscan_core::types::UserQuery;
use tgscan_core::{Api, Client};
use tgscan_core::{
    ErrorKind, Transport,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_example_transports::{ReqwestTransport, Settings, UreqTransport, one_connection_per_call};
use tgscan_mock::{Mock, MockServer, ServerOptions};

async fn refuses_a_stranger(transport: impl Transport + 'static) {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new().https::<&str>([])).unwrap();
    let client = Client::new(Api::with_base_url(&server.url(), mock.live_key()).unwrap(), transport);
    let error = client.search("some_username".parse::<UserQuery>().unwrap()).await.unwrap_err();
    let ErrorKind::Transport(error) = error.kind() else { panic!("{error}") };
    assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, TransportErrorKind::Tls), "{error}");
    assert!(mock.requests().is_empty());
}

#[tokio::test]
async fn reqwest_refuses_a_stranger() {
    refuses_a_stranger(ReqwestTransport::new(&Settings::default()).unwrap()).await;
}

#[tokio::test]
async fn ureq_refuses_a_stranger() {
    refuses_a_stranger(UreqTransport::new(&Settings::default()).unwrap()).await;
}

#[tokio::test]
async fn a_closure_refuses_a_stranger() {
    refuses_a_stranger(one_connection_per_call(&Settings::default()).unwrap()).await;
}
