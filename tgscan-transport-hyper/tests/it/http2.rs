//! HTTP/2: many requests on one connection, and streams that end separately.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tgscan_core::{Transport, transport::Delivery};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::server::OK;
use crate::tls_server::{Authority, BOTH, Ending, TlsServer, assert_broken, for_host};
use crate::{balance, search};

#[tokio::test]
async fn reports_broken_http2_like_http1() {
    let authority = Authority::new();
    let transport = authority.trusted().build().unwrap();
    for (ending, delivery, body) in [
        (Ending::Never, Delivery::MaybeSent, None),
        (Ending::Short("abc"), Delivery::ResponseStarted, Some("abc")),
    ] {
        let server = TlsServer::start(authority.server(&for_host("127.0.0.1"), BOTH), ending).await;
        assert_broken(&transport.send(search(&server.url())).await.unwrap_err(), delivery, body);
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn request_that_waits_for_a_stream_is_never_sent() {
    let authority = Authority::new();
    // Takes one request at a time, and closes the connection when it has read the first.
    let server = TlsServer::start(authority.server(&for_host("127.0.0.1"), BOTH), Ending::Never).await;
    let transport = authority.trusted().build().unwrap();
    // After this answer the client knows the server's limit.
    transport.send(balance(&server.url())).await.unwrap();
    let url = server.url();
    let (first, second) = tokio::join!(biased; transport.send(search(&url)), transport.send(search(&url)));
    assert_broken(&first.unwrap_err(), Delivery::MaybeSent, None);
    assert_broken(&second.unwrap_err(), Delivery::NeverSent, None);
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn only_a_refused_stream_is_never_sent() {
    let authority = Authority::new();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server(&for_host("127.0.0.1"), BOTH)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let others = [h2::Reason::INTERNAL_ERROR, h2::Reason::HTTP_1_1_REQUIRED, h2::Reason::NO_ERROR];
    tokio::spawn(async move {
        let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        let mut http = h2::server::handshake(stream).await.unwrap();
        let mut reasons = [h2::Reason::REFUSED_STREAM].into_iter().chain(others);
        while let Some(Ok((_, mut respond))) = http.accept().await {
            respond.send_reset(reasons.next().unwrap());
        }
    });
    let transport = authority.trusted().build().unwrap();
    let error = transport.send(search(&url)).await.unwrap_err();
    assert_broken(&error, Delivery::NeverSent, None);
    assert!(error.to_string().contains("refused the request before processing it"), "{error}");
    for _ in others {
        assert_broken(&transport.send(search(&url)).await.unwrap_err(), Delivery::MaybeSent, None);
    }
}

/// Runs a script on each HTTP/2 connection to a server.
pub(crate) async fn scripted<Script, Run>(authority: &Authority, script: Script) -> String
where
    Script: Fn(h2::server::Connection<tokio_rustls::server::TlsStream<tokio::net::TcpStream>, Bytes>) -> Run
        + Send
        + Sync
        + 'static,
    Run: Future<Output = ()> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(Arc::new(authority.server(&for_host("127.0.0.1"), BOTH)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // The client may disconnect meanwhile.
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let Ok(http) = h2::server::handshake(stream).await else { continue };
            tokio::spawn(script(http));
        }
    });
    url
}

#[tokio::test]
async fn reads_a_head_of_over_100_headers_and_over_16_kib() {
    let authority = Authority::new();
    let url = scripted(&authority, |mut http| async move {
        while let Some(Ok((_, mut respond))) = http.accept().await {
            let mut head = http::Response::builder();
            for n in 0..400 {
                head = head.header(format!("x-header-{n}"), "v".repeat(100));
            }
            let mut body = respond.send_response(head.body(()).unwrap(), false).unwrap();
            body.send_data(Bytes::from_static(OK.as_bytes()), true).unwrap();
        }
    })
    .await;
    let answer = authority.trusted().build().unwrap().send(search(&url)).await.unwrap();
    assert_eq!((&answer.body()[..], answer.headers().len()), (OK.as_bytes(), 400));
}

/// The server's encoder refers to earlier headers, and its dynamic table overflows repeatedly.
#[tokio::test]
async fn reads_the_headers_of_many_answers() {
    fn head(number: u16) -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        for at in 0..number % 12 {
            let name = http::HeaderName::try_from(format!("x-{}", (number * 7 + at) % 31)).unwrap();
            // Some texts are shorter in Huffman code, others are not.
            let bytes: Vec<_> = (0..number * 13 % 300)
                .map(|n| [b'a', b'~', 0xe9, b'Z', b' '][usize::from((n + at) % 5)])
                .collect();
            headers.append(name, http::HeaderValue::from_bytes(&bytes).unwrap());
        }
        headers.append("set-cookie", format!("id={number}").try_into().unwrap());
        headers.append("set-cookie", "again".try_into().unwrap());
        headers.append("content-length", OK.len().into());
        headers
    }

    let authority = Authority::new();
    let url = scripted(&authority, |mut http| async move {
        for number in 0.. {
            let Some(Ok((_, mut respond))) = http.accept().await else { return };
            let mut response = http::Response::new(());
            *response.headers_mut() = head(number);
            let mut body = respond.send_response(response, false).unwrap();
            body.send_data(Bytes::from_static(OK.as_bytes()), true).unwrap();
        }
    })
    .await;
    let transport = authority.trusted().build().unwrap();
    for number in 0..200 {
        let answer = transport.send(search(&url)).await.unwrap();
        assert_eq!((answer.headers(), &answer.body()[..]), (&head(number), OK.as_bytes()));
    }
}

#[tokio::test]
async fn after_goaway_old_streams_end_and_new_calls_connect() {
    let authority = Authority::new();
    let connections = Arc::new(AtomicUsize::new(0));
    let (began, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let url = scripted(&authority, {
        let (connections, began, go_on) = (Arc::clone(&connections), Arc::clone(&began), Arc::clone(&go_on));
        move |mut http| {
            let is_first = connections.fetch_add(1, Ordering::SeqCst) == 0;
            let (began, go_on) = (Arc::clone(&began), Arc::clone(&go_on));
            async move {
                while let Some(Ok((_, mut respond))) = http.accept().await {
                    let (began, go_on) = (Arc::clone(&began), Arc::clone(&go_on));
                    if is_first {
                        http.graceful_shutdown();
                    }
                    tokio::spawn(async move {
                        if is_first {
                            began.add_permits(1);
                            go_on.acquire().await.unwrap().forget();
                        }
                        let mut body = respond.send_response(http::Response::new(()), false).unwrap();
                        body.send_data(Bytes::from_static(OK.as_bytes()), true).unwrap();
                    });
                }
            }
        }
    })
    .await;
    let transport = authority.trusted().build().unwrap();
    let old = tokio::spawn({
        let (transport, request) = (transport.clone(), search(&url));
        async move { transport.send(request).await }
    });
    began.acquire().await.unwrap().forget();
    // Until the GOAWAY arrives, calls still wait on the first connection.
    while connections.load(Ordering::SeqCst) < 2 {
        let _ = tokio::time::timeout(crate::SHORT, transport.send(search(&url))).await;
    }
    assert_eq!(transport.send(search(&url)).await.unwrap().body(), OK);
    go_on.add_permits(100);
    assert_eq!(old.await.unwrap().unwrap().body(), OK);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}
