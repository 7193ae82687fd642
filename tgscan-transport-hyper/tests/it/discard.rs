//! Connections that may hold the answer to another request are not used again.

use std::sync::Arc;
use std::time::Duration;

use tgscan_core::Transport;
use tokio::sync::Semaphore;

use crate::server::{OK, Server, response};
use crate::{balance, search, transport};

#[tokio::test]
async fn discarded_idle_connections_are_not_used_again() {
    let server = Server::answering(response("200 OK", "", OK)).await;
    let transport = transport();
    for _ in 0..2 {
        transport.send(balance(&server.url())).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
    Arc::new(transport.clone()).discard_connections();
    for _ in 0..2 {
        transport.send(balance(&server.url())).await.unwrap();
    }
    assert_eq!(server.connections(), 2, "one new connection, which is used again");
}

#[tokio::test]
async fn discarded_connections_in_use_complete_their_call_and_are_not_used_again() {
    let proceed = Arc::new(Semaphore::new(0));
    let began = Arc::new(Semaphore::new(0));
    let server = Server::start({
        let (proceed, began) = (Arc::clone(&proceed), Arc::clone(&began));
        move |mut peer| {
            let (proceed, began) = (Arc::clone(&proceed), Arc::clone(&began));
            async move {
                while peer.read_request().await.is_some() {
                    began.add_permits(1);
                    proceed.acquire().await.unwrap().forget();
                    peer.write(&response("200 OK", "", OK)).await;
                }
            }
        }
    })
    .await;
    let transport = transport();
    let call = tokio::spawn({
        let (transport, request) = (transport.clone(), search(&server.url()));
        async move { transport.send(request).await }
    });
    began.acquire().await.unwrap().forget();
    transport.discard_connections();
    proceed.add_permits(2);
    assert_eq!(call.await.unwrap().unwrap().body(), OK);
    transport.send(balance(&server.url())).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn bytes_on_an_idle_connection_close_it() {
    let (proceed, gone) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let server = Server::start({
        let (proceed, gone) = (Arc::clone(&proceed), Arc::clone(&gone));
        move |mut peer| {
            let (proceed, gone) = (Arc::clone(&proceed), Arc::clone(&gone));
            async move {
                peer.read_request().await;
                peer.write(&response("200 OK", "", OK)).await;
                proceed.acquire().await.unwrap().forget();
                // A second answer without a request.
                peer.write(&response("200 OK", "", "another answer")).await;
                peer.closed().await;
                gone.add_permits(1);
            }
        }
    })
    .await;
    let transport = transport();
    for connections in 1..=3 {
        assert_eq!(transport.send(search(&server.url())).await.unwrap().body(), OK);
        assert_eq!(server.connections(), connections);
        proceed.add_permits(1);
        let closed = tokio::time::timeout(Duration::from_secs(5), gone.acquire()).await;
        closed.expect("the client closes the connection").unwrap().forget();
    }
}

#[tokio::test]
async fn second_answer_in_the_same_packet_closes_the_connection() {
    let twice = format!("{}{}", response("200 OK", "", OK), response("200 OK", "", "another answer"));
    let server = Server::answering(twice).await;
    let transport = transport();
    for _ in 0..5 {
        match transport.send(search(&server.url())).await {
            Ok(answer) => assert_eq!(answer.body(), OK),
            Err(error) => {
                assert_eq!(error.delivery(), tgscan_core::transport::Delivery::NeverSent, "{error}");
            }
        }
    }
    assert_eq!(server.connections(), server.requests(), "each connection was used once");
}
