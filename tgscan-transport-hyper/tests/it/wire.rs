//! Requests on the wire, and the use of connections.

use std::sync::Arc;
use std::time::Duration;

use tgscan_core::Transport;
use tgscan_transport_hyper::HyperTransport;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::server::{OK, Server, response};
use crate::{KEY, SHORT, balance, impatient, search, transport};

/// Splits a request into the request line, the sorted header lines and the body.
fn parts(request: &str) -> (&str, Vec<&str>, &str) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap();
    let mut headers: Vec<&str> = lines.collect();
    headers.sort_unstable();
    (line, headers, body)
}

#[tokio::test]
async fn sends_requests_as_documented_and_adds_only_host_and_user_agent() {
    let (sender, mut requests) = mpsc::unbounded_channel();
    let server = Server::start(move |mut peer| {
        let sender = sender.clone();
        async move {
            while let Some(request) = peer.read_request().await {
                sender.send(request).unwrap();
                peer.write(&response("200 OK", "", OK)).await;
            }
        }
    })
    .await;
    let transport = transport();
    let (key, host) = (format!("api-key: {KEY}"), format!("host: {}", server.address));
    let agent = concat!("user-agent: tgscan-rust/", env!("CARGO_PKG_VERSION"));
    let form = "content-type: application/x-www-form-urlencoded";

    transport.send(search(&server.url())).await.unwrap();
    let request = requests.recv().await.unwrap();
    let headers = ["accept: application/json", &key, "content-length: 19", form, &host, agent];
    assert_eq!(parts(&request), ("POST /tgscan/v1/search HTTP/1.1", headers.to_vec(), "query=some_username"));

    transport.send(balance(&server.url())).await.unwrap();
    let request = requests.recv().await.unwrap();
    let headers = ["accept: application/json", &key, "content-length: 0", form, &host, agent];
    assert_eq!(parts(&request), ("POST /tgscan/v1/balance HTTP/1.1", headers.to_vec(), ""));
    assert_eq!(server.connections(), 1, "the connection was used again");
}

#[tokio::test]
async fn unpolled_request_is_not_started() {
    let server = Server::answering(response("200 OK", "", OK)).await;
    let transport = transport();
    drop(transport.send(search(&server.url())));
    let waiting = transport.send(search(&server.url()));
    transport.send(balance(&server.url())).await.unwrap();
    assert_eq!((server.connections(), server.requests()), (1, 1));
    waiting.await.unwrap();
    assert_eq!((server.connections(), server.requests()), (1, 2));
}

#[tokio::test]
async fn user_agent_can_be_set_and_does_not_replace_that_of_a_request() {
    let (sender, mut requests) = mpsc::unbounded_channel();
    let server = Server::start(move |mut peer| {
        let sender = sender.clone();
        async move {
            while let Some(request) = peer.read_request().await {
                sender.send(request).unwrap();
                peer.write(&response("200 OK", "", OK)).await;
            }
        }
    })
    .await;
    let transport = HyperTransport::builder().user_agent("my-app/1.0").build().unwrap();
    transport.send(balance(&server.url())).await.unwrap();
    assert!(requests.recv().await.unwrap().contains("\r\nuser-agent: my-app/1.0\r\n"));
    let mut request = balance(&server.url());
    request.headers_mut().insert("user-agent", "other/2".parse().unwrap());
    transport.send(request).await.unwrap();
    let request = requests.recv().await.unwrap();
    assert!(request.contains("\r\nuser-agent: other/2\r\n") && !request.contains("my-app"));
}

#[tokio::test]
async fn sixty_four_concurrent_calls_get_their_own_answers() {
    let server = Server::start(|mut peer| async move {
        while let Some(request) = peer.read_request().await {
            let query = parts(&request).2.to_owned();
            peer.write(&response("200 OK", "", &query)).await;
        }
    })
    .await;
    let transport = transport();
    let calls: Vec<_> = (0..64)
        .map(|n| {
            let (transport, mut request) = (transport.clone(), search(&server.url()));
            let text = format!("query=user_{n:02}");
            request.headers_mut().insert("content-length", text.len().into());
            *request.body_mut() = text.clone().into();
            tokio::spawn(async move {
                assert_eq!(transport.send(request).await.unwrap().into_body(), text);
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(server.requests(), 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn works_on_many_threads() {
    let server = Server::answering(response("200 OK", "", OK)).await;
    let transport = transport();
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let (transport, request) = (transport.clone(), search(&server.url()));
            tokio::spawn(async move { transport.send(request).await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().into_body(), OK);
    }
}

/// Waits with a limit, so that a test fails instead of hanging.
async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), event).await.expect("it did not happen")
}

/// Asserts that dropping a call after this part of the answer closes its connection.
async fn dropping(before_silence: &'static str) {
    let (got_request, request_read) = oneshot::channel();
    let (got_close, close_seen) = oneshot::channel();
    let signals = Arc::new(Mutex::new(Some((got_request, got_close))));
    let server = Server::start(move |mut peer| {
        let signals = Arc::clone(&signals);
        async move {
            let (got_request, got_close) = signals.lock().await.take().expect("one connection");
            peer.read_request().await.unwrap();
            peer.write(before_silence).await;
            got_request.send(()).unwrap();
            peer.closed().await;
            got_close.send(()).unwrap();
        }
    })
    .await;
    let transport = transport();
    let request = search(&server.url());
    let call = tokio::spawn({
        let transport = transport.clone();
        async move { transport.send(request).await }
    });
    request_read.await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // The transport stays alive, so only the end of the call can close the connection.
    soon(close_seen).await.unwrap();
    drop(transport);
}

#[tokio::test]
async fn dropping_a_call_closes_its_connection() {
    dropping("").await;
    dropping("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await;
}

#[tokio::test]
async fn timeout_closes_the_connection() {
    let server = Server::stalling("").await;
    impatient().send(search(&server.url())).await.unwrap_err();
    server.received(1).await;
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn maximum_timeouts_do_not_overflow() {
    let server = Server::answering(response("200 OK", "", OK)).await;
    let transport = HyperTransport::builder()
        .connect_timeout(Duration::MAX)
        .attempt_timeout(Duration::MAX)
        .pool_idle_timeout(Duration::MAX)
        .build()
        .unwrap();
    for _ in 0..2 {
        transport.send(balance(&server.url())).await.unwrap();
    }
    assert_eq!(server.connections(), 1, "the connection was used again");
}

#[tokio::test]
async fn idle_connections_are_limited_in_age_and_number() {
    let (closed, mut closings) = mpsc::unbounded_channel();
    let server = Server::start(move |mut peer| {
        let closed = closed.clone();
        async move {
            while peer.read_request().await.is_some() {
                peer.write(&response("200 OK", "", OK)).await;
            }
            closed.send(()).unwrap();
        }
    })
    .await;
    let transport = HyperTransport::builder().pool_idle_timeout(SHORT).build().unwrap();
    transport.send(balance(&server.url())).await.unwrap();
    // The pool closes it without another call.
    soon(closings.recv()).await.unwrap();
    drop(transport);

    let transport = HyperTransport::builder().pool_max_idle_per_host(0).build().unwrap();
    for _ in 0..2 {
        transport.send(balance(&server.url())).await.unwrap();
        soon(closings.recv()).await.unwrap();
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn idle_connections_end_before_the_limit_that_the_server_announced() {
    for (answer, is_kept) in [
        (response("200 OK", "keep-alive: timeout=1\r\n", OK), false),
        (
            format!(
                "HTTP/1.1 200 OK\r\nKeep-Alive: max=9, timeout=1\r\ntransfer-encoding: chunked\r\n\r\n2a\r\n{OK}\r\n0\r\n\r\n"
            ),
            false,
        ),
        (response("200 OK", "keep-alive: timeout=0\r\n", OK), false),
        (response("200 OK", "keep-alive: timeout=60\r\n", OK), true),
        (response("200 OK", "keep-alive: timeout=18446744073709551615\r\n", OK), true),
    ] {
        let server = Server::answering(answer).await;
        let transport = transport();
        for _ in 0..2 {
            assert_eq!(transport.send(search(&server.url())).await.unwrap().body(), OK);
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        assert_eq!(server.connections(), if is_kept { 1 } else { 2 });
    }
}

#[tokio::test]
async fn keep_alive_timeout_does_not_cut_a_body_that_pauses() {
    let server = Server::start(|mut peer| async move {
        peer.read_request().await;
        peer.write("HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 6\r\n\r\nabc").await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
        peer.write("def").await;
        peer.closed().await;
    })
    .await;
    assert_eq!(transport().send(search(&server.url())).await.unwrap().body(), "abcdef");
}

#[tokio::test]
async fn many_concurrent_calls_use_the_same_connections_again() {
    const AT_ONCE: usize = 64;
    let all_are_here = Arc::new(tokio::sync::Barrier::new(AT_ONCE));
    let server = Server::start(move |mut peer| {
        let all_are_here = Arc::clone(&all_are_here);
        async move {
            while peer.read_request().await.is_some() {
                all_are_here.wait().await;
                peer.write(&response("200 OK", "", OK)).await;
            }
        }
    })
    .await;
    let transport = HyperTransport::builder().build().unwrap();
    for _ in 0..2 {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (transport, request) = (transport.clone(), balance(&server.url()));
            calls.spawn(async move { transport.send(request).await.unwrap() });
        }
        soon(calls.join_all()).await;
    }
    // Some connections may not be in the pool yet when the second round begins.
    let connections = server.connections();
    assert!((AT_ONCE..AT_ONCE + AT_ONCE / 4).contains(&connections), "{connections}");
}
