//! The pool: connections that are shared, opened, returned and waited for.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::HandshakeKind;
use tgscan_core::{
    Transport,
    transport::{Delivery, TransportErrorKind},
};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::server::{OK, Server, response};
use crate::tls_server::{Authority, for_host};
use crate::{SHORT, balance, search, transport};

const CONCURRENCY: usize = 32;
/// A handshake limit that no test reaches.
const UNLIMITED: usize = 1 << 20;

/// An HTTPS server that counts connections, resumed sessions and requests.
struct Counting {
    url: String,
    connections: Arc<AtomicUsize>,
    resumed: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    /// The number of handshakes that may complete.
    handshakes: Arc<Semaphore>,
}

impl Counting {
    async fn start(authority: &Authority, alpn: &[&str], handshakes: usize) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(authority.server(&for_host("127.0.0.1"), alpn)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("https://{}", listener.local_addr().unwrap()),
            connections: Arc::default(),
            resumed: Arc::default(),
            requests: Arc::default(),
            handshakes: Arc::new(Semaphore::new(handshakes)),
        };
        let [connections, resumed, requests] =
            [&server.connections, &server.resumed, &server.requests].map(Arc::clone);
        let handshakes = Arc::clone(&server.handshakes);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (acceptor, handshakes) = (acceptor.clone(), Arc::clone(&handshakes));
                let (resumed, requests) = (Arc::clone(&resumed), Arc::clone(&requests));
                tokio::spawn(async move {
                    handshakes.acquire().await.unwrap().forget();
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let session = stream.get_ref().1;
                    let is_resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
                    resumed.fetch_add(usize::from(is_resumed), Ordering::SeqCst);
                    let is_http2 = session.alpn_protocol() == Some(b"h2");
                    let service = service_fn(move |_: Request<Incoming>| {
                        requests.fetch_add(1, Ordering::SeqCst);
                        async { Ok::<_, Infallible>(Response::new(OK.to_owned())) }
                    });
                    let io = TokioIo::new(stream);
                    // Returns an error when the client disconnects.
                    let _ = if is_http2 {
                        http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
                    } else {
                        http1::Builder::new().serve_connection(io, service).await
                    };
                });
            }
        });
        server
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Waits until this many clients have connected.
    async fn connected(&self, count: usize) {
        while self.connections() < count {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn concurrent_first_calls_share_one_http2_connection() {
    let authority = Authority::new();
    let server = Counting::start(&authority, &["h2", "http/1.1"], UNLIMITED).await;
    let transport = authority.trusted().build().unwrap();
    for _ in 0..2 {
        let calls: JoinSet<_> = (0..CONCURRENCY)
            .map(|_| {
                let (transport, request) = (transport.clone(), search(&server.url));
                async move { transport.send(request).await.unwrap() }
            })
            .collect();
        assert!(calls.join_all().await.iter().all(|answer| answer.body() == OK));
    }
    assert_eq!((server.connections(), server.requests()), (1, 2 * CONCURRENCY));
}

#[tokio::test]
async fn concurrent_http1_calls_use_a_connection_each_which_is_used_again() {
    let authority = Authority::new();
    let secure = Counting::start(&authority, &["http/1.1"], UNLIMITED).await;
    let server = Server::answering(response("200 OK", "", OK)).await;
    let transport = authority.trusted().build().unwrap();
    for url in [&secure.url, &server.url()] {
        for _ in 0..2 {
            let calls: JoinSet<_> = (0..CONCURRENCY)
                .map(|_| {
                    let (transport, request) = (transport.clone(), search(url));
                    async move { transport.send(request).await.unwrap() }
                })
                .collect();
            assert!(calls.join_all().await.iter().all(|answer| answer.body() == OK));
        }
    }
    assert_eq!(secure.requests(), 2 * CONCURRENCY);
    assert!(secure.connections() <= CONCURRENCY && server.connections() <= CONCURRENCY);
}

#[tokio::test]
async fn waiting_call_takes_the_connection_that_another_returns() {
    // No second handshake completes, so the second call waits.
    let authority = Authority::new();
    let server = Counting::start(&authority, &["http/1.1"], 1).await;
    let transport = authority.trusted().build().unwrap();
    transport.send(balance(&server.url)).await.unwrap();
    let send = || transport.send(search(&server.url));
    let (one, other) = tokio::join!(send(), send());
    assert_eq!((one.unwrap().body(), other.unwrap().body()), (&OK.into(), &OK.into()));
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn dropping_a_connecting_call_lets_the_others_connect() {
    let authority = Authority::new();
    let server = Counting::start(&authority, &["h2", "http/1.1"], 0).await;
    let transport = authority.trusted().build().unwrap();
    let call = || {
        let (transport, request) = (transport.clone(), search(&server.url));
        tokio::spawn(async move { transport.send(request).await })
    };
    let first = call();
    server.connected(1).await;
    let second = call();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // The server still waits for the first one's handshake.
    server.connected(2).await;
    server.handshakes.add_permits(2);
    assert_eq!(second.await.unwrap().unwrap().body(), OK);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn all_calls_that_wait_for_a_connection_receive_its_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let refusing = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let transport = transport();
    let calls: JoinSet<_> = (0..CONCURRENCY)
        .map(|_| {
            let (transport, request) = (transport.clone(), search(&url));
            async move { transport.send(request).await.unwrap_err() }
        })
        .collect();
    for error in calls.join_all().await {
        assert_eq!(
            (error.delivery(), error.kind()),
            (Delivery::NeverSent, TransportErrorKind::Connect),
            "{error}"
        );
        assert!(error.to_string().contains("ended the connection within the TLS handshake"), "{error}");
    }
    refusing.abort();
}

#[tokio::test]
async fn each_origin_has_its_own_connections() {
    let servers = [
        Server::answering(response("200 OK", "", OK)).await,
        Server::answering(response("200 OK", "", "{}")).await,
    ];
    let transport = transport();
    for _ in 0..3 {
        assert_eq!(transport.send(search(&servers[0].url())).await.unwrap().body(), OK);
        assert_eq!(transport.send(search(&servers[1].url())).await.unwrap().body(), "{}");
    }
    assert_eq!(servers.map(|server| (server.connections(), server.requests())), [(1, 3), (1, 3)]);
}

#[tokio::test]
async fn warm_connection_serves_the_first_call_and_carries_no_request_before() {
    let authority = Authority::new();
    for alpn in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let server = Counting::start(&authority, alpn, UNLIMITED).await;
        let transport = authority.trusted().build().unwrap();
        let api = crate::api(&server.url);
        for _ in 0..2 {
            transport.warm_up(&api).await.unwrap();
        }
        assert_eq!((server.connections(), server.requests()), (1, 0));
        transport.send(search(&server.url)).await.unwrap();
        assert_eq!((server.connections(), server.requests()), (1, 1));
    }
}

#[tokio::test]
async fn call_during_warm_up_waits_for_that_connection() {
    let authority = Authority::new();
    let server = Counting::start(&authority, &["h2", "http/1.1"], 0).await;
    let transport = authority.trusted().build().unwrap();
    let api = crate::api(&server.url);
    let (warm, answer, ()) =
        tokio::join!(transport.warm_up(&api), transport.send(search(&server.url)), async {
            server.connected(1).await;
            server.handshakes.add_permits(1);
        });
    warm.unwrap();
    assert_eq!(answer.unwrap().body(), OK);
    assert_eq!(server.connections(), 1);
}

/// Moves the clock forward. Runs with a clock that stands still only meanwhile, so that no other limit passes.
async fn advance(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn warm_up_does_not_renew_an_idle_connection_which_carries_no_request() {
    let authority = Authority::new();
    for alpn in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let server = Counting::start(&authority, alpn, UNLIMITED).await;
        let transport = authority.trusted().build().unwrap();
        transport.send(search(&server.url)).await.unwrap();
        for _ in 0..2 {
            // More than half of the default `pool_idle_timeout`.
            advance(Duration::from_secs(26)).await;
            transport.warm_up(&crate::api(&server.url)).await.unwrap();
        }
        assert_eq!((server.connections(), server.requests()), (2, 1), "{alpn:?}");
    }
}

#[tokio::test]
async fn warm_up_that_waited_for_an_aborted_call_ends_within_connect_timeout() {
    let authority = Authority::new();
    let server = Counting::start(&authority, &["h2", "http/1.1"], 0).await;
    let limit = Duration::from_secs(10);
    let transport = authority.trusted().connect_timeout(limit).build().unwrap();
    let call = tokio::spawn({
        let (transport, request) = (transport.clone(), search(&server.url));
        async move { transport.send(request).await }
    });
    server.connected(1).await;
    let warm = tokio::spawn({
        let api = crate::api(&server.url);
        async move { transport.warm_up(&api).await }
    });
    tokio::task::yield_now().await;
    advance(limit * 6 / 10).await;
    call.abort();
    server.connected(2).await;
    // Not the limit of the second connection.
    advance(limit * 6 / 10).await;
    let error = tokio::time::timeout(limit * 3 / 10, warm).await.unwrap().unwrap().unwrap_err();
    assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, TransportErrorKind::Timeout));
    assert!(error.to_string().contains("connecting to 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn warm_up_without_a_server_is_never_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = transport().warm_up(&crate::api(&url)).await.unwrap_err();
    assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, TransportErrorKind::Connect));
    assert!(error.to_string().contains("connecting to 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn new_connection_resumes_the_tls_session() {
    let authority = Authority::new();
    for alpn in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let server = Counting::start(&authority, alpn, UNLIMITED).await;
        let transport = authority.trusted().build().unwrap();
        for _ in 0..3 {
            transport.send(search(&server.url)).await.unwrap();
            transport.discard_connections();
        }
        assert_eq!((server.connections(), server.resumed.load(Ordering::SeqCst)), (3, 2));
    }
}

#[test]
fn transport_outlives_the_runtime_in_which_it_was_used() {
    let elsewhere =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let authority = Authority::new();
    let secure = elsewhere.block_on(Counting::start(&authority, &["h2", "http/1.1"], UNLIMITED));
    let server = elsewhere.block_on(Server::answering(response("200 OK", "", OK)));
    let transport = authority.trusted().build().unwrap();
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for url in [&secure.url, &server.url()] {
                for _ in 0..2 {
                    let call = tokio::time::timeout(Duration::from_secs(5), transport.send(search(url)));
                    assert_eq!(call.await.expect("it waits for an ended runtime").unwrap().body(), OK);
                }
            }
            // Another call is in flight when the runtime ends.
            tokio::spawn({
                let (transport, request) = (transport.clone(), search(&server.url()));
                async move { transport.send(request).await }
            });
        });
    }
    assert_eq!((secure.connections(), secure.requests()), (3, 6));
}

/// A future that is polled or dropped outside its runtime does not panic.
#[test]
fn call_may_be_dropped_outside_its_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let authority = Authority::new();
    let server = runtime.block_on(Counting::start(&authority, &["h2", "http/1.1"], 0));
    let transport = authority.trusted().build().unwrap();
    let mut calls = [0; 2].map(|_| transport.send(search(&server.url)));
    runtime.block_on(async {
        for call in &mut calls {
            assert!(tokio::time::timeout(SHORT, call).await.is_err());
        }
        server.connected(1).await;
    });
    drop(calls);
    drop(runtime);
}
