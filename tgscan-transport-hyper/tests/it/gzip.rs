//! Compressed answers: expanded within the cap, and what is kept of those that break.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tgscan_core::{Delivery, Transport, TransportError, TransportErrorKind};
use tgscan_transport_hyper::{HyperTransport, HyperTransportBuilder};

use crate::search;
use crate::server::{OK, Peer, Server};

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Answers with these bytes, said to be in this coding, if the client asks for gzip.
async fn server(coding: &'static str, body: Vec<u8>, missing: usize) -> Server {
    Server::start(move |mut peer: Peer| {
        let body = body.clone();
        async move {
            let request = peer.read_request().await.unwrap();
            assert!(request.contains("accept-encoding: gzip\r\n"), "{request}");
            let length = body.len() + missing;
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n");
            peer.write(&head).await;
            peer.write_bytes(&body).await;
        }
    })
    .await
}

fn builder() -> HyperTransportBuilder {
    HyperTransport::builder().gzip(true)
}

async fn error(builder: HyperTransportBuilder, server: &Server) -> TransportError {
    let error = builder.build().unwrap().send(search(&server.url())).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::AnswerBegan, "{error}");
    error
}

#[tokio::test]
async fn a_compressed_answer_is_expanded_and_its_headers_say_so() {
    for coding in ["gzip", "X-GZIP"] {
        let server = server(coding, compressed(OK.as_bytes()), 0).await;
        let answer = builder().build().unwrap().send(search(&server.url())).await.unwrap();
        assert_eq!(answer.body(), OK);
        let headers = answer.headers();
        assert!(!headers.contains_key("content-encoding") && !headers.contains_key("content-length"));
    }
    let server = server("gzip", Vec::new(), 0).await;
    assert!(builder().build().unwrap().send(search(&server.url())).await.unwrap().body().is_empty());
}

#[tokio::test]
async fn a_coding_that_was_not_asked_for_is_left_alone() {
    let server = server("br", b"anything".to_vec(), 0).await;
    let answer = builder().build().unwrap().send(search(&server.url())).await.unwrap();
    assert_eq!(
        (&answer.body()[..], &answer.headers()["content-encoding"]),
        (&b"anything"[..], &"br".parse().unwrap())
    );
}

#[tokio::test]
async fn a_request_that_asks_itself_gets_what_it_asked_for() {
    let body = compressed(OK.as_bytes());
    let server = server("gzip", body.clone(), 0).await;
    let mut request = search(&server.url());
    request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
    let answer = builder().build().unwrap().send(request).await.unwrap();
    assert_eq!(
        (&answer.body()[..], &answer.headers()["content-encoding"]),
        (&body[..], &"gzip".parse().unwrap())
    );
}

#[tokio::test]
async fn a_bomb_is_stopped_at_the_cap() {
    // 16 MiB in some 16 KiB.
    let bomb = compressed(&vec![b'a'; 16 << 20]);
    assert!(bomb.len() < 64 << 10);
    let server = server("gzip", bomb, 0).await;
    let error = error(builder().body_cap(64 << 10), &server).await;
    assert_eq!(error.kind(), TransportErrorKind::BodyTooLarge);
    assert!(error.to_string().contains("expanded body is larger than `body_cap` (65536 bytes)"), "{error}");
    let kept = error.partial().unwrap().body();
    assert!(kept.len() == 64 << 10 && kept.iter().all(|byte| *byte == b'a'));
}

#[tokio::test]
async fn the_cap_holds_for_the_compressed_size_too() {
    // Compressing nothing into something: two bytes in more than twenty.
    let server = server("gzip", compressed(b"ab"), 0).await;
    let error = error(builder().body_cap(20), &server).await;
    assert_eq!(error.kind(), TransportErrorKind::BodyTooLarge);
    assert!(error.to_string().contains("compressed body is larger than `body_cap` (20 bytes)"), "{error}");
    assert_eq!(error.partial().unwrap().body(), "ab");
}

#[tokio::test]
async fn what_breaks_keeps_its_expanded_beginning() {
    let whole = compressed(OK.as_bytes());
    // The check sum and the length at the end are 8 bytes.
    let cut = whole[..whole.len() - 8].to_vec();
    let mut garbled = whole.clone();
    let at = garbled.len() - 6;
    garbled[at] ^= 1;
    for (body, missing) in [(cut.clone(), 0), (cut, 8), (garbled, 0)] {
        let server = server("gzip", body, missing).await;
        let error = error(builder(), &server).await;
        assert_eq!(error.kind(), TransportErrorKind::Broken, "{error}");
        assert_eq!(error.partial().unwrap().body(), OK);
    }
    let server = server("gzip", OK.into(), 0).await;
    let error = error(builder(), &server).await;
    assert_eq!((error.kind(), error.partial().unwrap().body().len()), (TransportErrorKind::Broken, 0));
}
