//! Compressed answers: expansion within the cap, and the parts kept of broken ones.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tgscan_core::types::UserQuery;
use tgscan_core::{
    Api, Transport, TransportError,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_mock::{Mock, MockServer, ServerOptions};
use tgscan_transport_hyper::{EncodedBody, HyperTransport, HyperTransportBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{OK, Peer, Server};
use crate::{QUERY, search};

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Answers with these bytes and this `content-encoding` if the client accepts gzip.
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
    assert_eq!(error.delivery(), Delivery::ResponseStarted, "{error}");
    error
}

#[tokio::test]
async fn expands_a_compressed_answer_and_removes_its_headers() {
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

/// Records the wire with a relay between the transport and the mock's server.
#[tokio::test]
async fn answers_of_the_mock_are_compressed_on_the_wire() {
    let mock = Mock::new();
    let behind = MockServer::start(&mock, &ServerOptions::new().gzip()).unwrap();
    let (wire, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let address = behind.address();
    let relay = Server::start(move |mut peer: Peer| {
        let wire = wire.clone();
        async move {
            let mut target = TcpStream::connect(address).await.unwrap();
            let request = peer.read_request().await.unwrap();
            target.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            while !ends(&answer) {
                target.read_buf(&mut answer).await.unwrap();
            }
            peer.write_bytes(&answer).await;
            wire.send(answer).unwrap();
        }
    })
    .await;
    let api = Api::with_base_url(&relay.url(), mock.live_key()).unwrap();
    let reply = builder().build().unwrap().client(api).search(user()).await.unwrap();

    let wire = seen.recv().await.unwrap();
    let head_end = wire.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(String::from_utf8_lossy(&wire[..head_end]).contains("content-encoding: gzip\r\n"));
    assert_eq!(wire[head_end..][..2], [0x1f, 0x8b]);
    assert!(wire.len() - head_end < reply.response().body().len());
    assert!(!wire.windows(8).any(|eight| eight == b"\"status\""), "found JSON in clear text");
    // Mocks with the same seed give the same answer.
    let plain = Mock::new().client().search(user()).await.unwrap();
    assert_eq!(reply.response().body(), plain.response().body());
}

fn user() -> UserQuery {
    QUERY.parse().unwrap()
}

/// Returns whether an answer with a length is complete.
fn ends(answer: &[u8]) -> bool {
    let head_end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    head_end.is_some_and(|end| {
        let head = std::str::from_utf8(&answer[..end]).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        answer.len() >= end + 4 + length.parse::<usize>().unwrap()
    })
}

#[tokio::test]
async fn does_not_expand_other_codings() {
    let server = server("br", b"anything".to_vec(), 0).await;
    let answer = builder().build().unwrap().send(search(&server.url())).await.unwrap();
    assert_eq!(
        (&answer.body()[..], &answer.headers()["content-encoding"]),
        (&b"anything"[..], &"br".parse().unwrap())
    );
}

#[tokio::test]
async fn does_not_expand_if_the_request_has_an_accept_encoding() {
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
async fn decompression_bomb_stops_at_the_cap() {
    // 16 MiB in about 16 KiB.
    let bomb = compressed(&vec![b'a'; 16 << 20]);
    assert!(bomb.len() < 64 << 10);
    let server = server("gzip", bomb, 0).await;
    let error = error(builder().max_body_size(64 << 10), &server).await;
    assert_eq!(error.kind(), TransportErrorKind::BodyTooLarge);
    assert!(
        error.to_string().contains("expanded body is larger than `max_body_size` (65536 bytes)"),
        "{error}"
    );
    let kept = error.partial().unwrap().body();
    assert!(kept.len() == 64 << 10 && kept.iter().all(|byte| *byte == b'a'));
}

#[tokio::test]
async fn cap_applies_to_the_compressed_size_too() {
    // Two bytes compress to more than twenty.
    let server = server("gzip", compressed(b"ab"), 0).await;
    let error = error(builder().max_body_size(20), &server).await;
    assert_eq!(error.kind(), TransportErrorKind::BodyTooLarge);
    assert!(
        error.to_string().contains("compressed body is larger than `max_body_size` (20 bytes)"),
        "{error}"
    );
    assert_eq!(error.partial().unwrap().body(), "ab");
}

#[tokio::test]
async fn keeps_the_expanded_part_of_a_broken_body() {
    let whole = compressed(OK.as_bytes());
    // The checksum and the length at the end are 8 bytes.
    let cut = whole[..whole.len() - 8].to_vec();
    let mut garbled = whole.clone();
    let at = garbled.len() - 6;
    garbled[at] ^= 1;
    for (body, missing, kind) in [
        (cut.clone(), 0, TransportErrorKind::Broken),
        (cut, 8, TransportErrorKind::Broken),
        (garbled, 0, TransportErrorKind::Other),
    ] {
        let server = server("gzip", body.clone(), missing).await;
        let error = error(builder(), &server).await;
        assert_eq!(error.kind(), kind, "{error}");
        let partial = error.partial().unwrap();
        assert_eq!(partial.body(), OK);
        assert!(!partial.headers().contains_key("content-encoding"));
        let coded = partial.extensions().get::<EncodedBody>().unwrap();
        assert_eq!(
            (&coded.body[..], coded.headers["content-encoding"].as_bytes()),
            (&body[..], &b"gzip"[..])
        );
    }
}

#[tokio::test]
async fn keeps_body_and_headers_of_an_answer_that_is_not_gzip() {
    let server = server("gzip", OK.into(), 0).await;
    let error = error(builder(), &server).await;
    assert_eq!(error.kind(), TransportErrorKind::Other);
    assert!(error.to_string().contains("its content coding `gzip`"), "{error}");
    let partial = error.partial().unwrap();
    assert_eq!(
        (&partial.body()[..], partial.headers()["content-encoding"].as_bytes()),
        (OK.as_bytes(), &b"gzip"[..])
    );
    assert_eq!(partial.headers()["content-length"], "42");
}

#[tokio::test]
async fn ignores_padding_and_garbage_after_gzip() {
    for behind in [&b"\0"[..], &[0; 512], b"\x1f", b"\x1f\0", b"\r\n", b"garbage", &[0x8b, 0x1f, 0x8b]] {
        let mut body = compressed(OK.as_bytes());
        body.extend_from_slice(behind);
        let server = server("gzip", body, 0).await;
        let answer = builder().build().unwrap().send(search(&server.url())).await;
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", behind.escape_ascii()));
        assert_eq!(answer.body(), OK, "{}", behind.escape_ascii());
    }
    // Two members, byte by byte.
    let members =
        [compressed(&OK.as_bytes()[..5]), compressed(b""), compressed(&OK.as_bytes()[5..])].concat();
    let server = Server::start(move |mut peer: Peer| {
        let members = members.clone();
        async move {
            peer.read_request().await;
            peer.write("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n").await;
            for byte in members {
                peer.write_bytes(&[byte]).await;
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    assert_eq!(builder().build().unwrap().send(search(&server.url())).await.unwrap().body(), OK);
}

#[tokio::test]
async fn reads_the_whole_list_of_codings() {
    for coding in [
        "gzip, identity",
        "identity, x-gzip",
        " ,gzip,",
        "identity\r\ncontent-encoding: gzip",
        "gzip\r\ncontent-encoding: identity",
    ] {
        let server = server(coding, compressed(OK.as_bytes()), 0).await;
        let answer = builder().build().unwrap().send(search(&server.url())).await.unwrap();
        assert_eq!(answer.body(), OK, "{coding}");
        assert!(!answer.headers().contains_key("content-encoding"), "{coding}");
    }
    let twice = compressed(&compressed(OK.as_bytes()));
    for coding in ["gzip, gzip", "gzip, br", "gzip\r\ncontent-encoding: gzip", "deflate, identity"] {
        let server = server(coding, twice.clone(), 0).await;
        let answer = builder().build().unwrap().send(search(&server.url())).await.unwrap();
        assert_eq!(answer.body(), &twice[..], "{coding}");
        assert!(answer.headers().contains_key("content-encoding"), "{coding}");
    }
}
