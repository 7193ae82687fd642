//! HTTP/1.1 heads that are malformed, large, or have a wrong length: the answer is read anyway.

use std::fmt::Write as _;

use tgscan_core::{
    Transport,
    transport::{Delivery, TransportErrorKind},
};

use crate::server::{OK, Server, response};
use crate::{impatient, search, transport};

/// Reads one request per connection, writes these bytes, and closes.
async fn cutting(bytes: Vec<u8>) -> Server {
    Server::start(move |mut peer| {
        let bytes = bytes.clone();
        async move {
            peer.read_request().await;
            peer.write_bytes(&bytes).await;
        }
    })
    .await
}

#[tokio::test]
async fn reads_a_head_of_over_100_headers_and_over_16_kib() {
    let mut headers = String::new();
    for n in 0..400 {
        write!(headers, "x-header-{n}: {}\r\n", "v".repeat(50)).unwrap();
    }
    let server = Server::answering(response("200 OK", &headers, OK)).await;
    let answer = transport().send(search(&server.url())).await.unwrap();
    // Further headers are dropped: hyper would allocate room for them in every call.
    assert_eq!((&answer.body()[..], answer.headers().len()), (OK.as_bytes(), 93));
}

#[tokio::test]
async fn drops_invalid_header_lines() {
    for odd in [
        &b"bad name: 1"[..],
        b"bad\xff: 1",
        b": nameless",
        b"no colon",
        b"x-control: a\x01b",
        b"x-nul: a\0b",
        b"x-return: a\rb",
        b"x-nul\0: b",
        b"space-before-colon : 1",
        b"folded: a\r\n b",
        b" folded-without-a-first-line: 1",
    ] {
        for newline in ["\r\n", "\n"] {
            let length = format!("content-length: {}", OK.len());
            let lines: [&[u8]; 6] =
                [b"HTTP/1.1 200 OK", b"x-before: 1", odd, b"x-after: 2", length.as_bytes(), b""];
            let mut bytes = lines.join(newline.as_bytes());
            bytes.extend_from_slice(newline.as_bytes());
            bytes.extend_from_slice(OK.as_bytes());
            let server = cutting(bytes).await;
            let shown = odd.escape_ascii().to_string();
            let answer = transport().send(search(&server.url())).await;
            let answer = answer.unwrap_or_else(|error| panic!("{shown}: {error}"));
            assert_eq!(answer.body(), OK, "{shown}");
            if !shown.starts_with(' ') {
                assert_eq!(answer.headers()["x-before"], "1", "{shown}");
            }
            assert_eq!(answer.headers()["x-after"], "2", "{shown}");
        }
    }
}

const WRONG_LENGTHS: [&str; 9] = [
    "content-length: 42\r\nContent-Length: 43\r\n",
    "content-length: 42, 43\r\n",
    "content-length: many\r\n",
    "content-length: -1\r\n",
    "content-length: +42\r\n",
    "content-length: 0x2a\r\n",
    "content-length:\r\n",
    "content-length: 99999999999999999999\r\n",
    "content-length: 18446744073709551615\r\n",
];

#[tokio::test]
async fn reads_to_the_end_of_the_connection_without_a_valid_content_length() {
    for headers in WRONG_LENGTHS {
        let server = cutting(format!("HTTP/1.1 200 OK\r\n{headers}\r\n{OK}").into_bytes()).await;
        let answer = transport().send(search(&server.url())).await;
        let answer = answer.unwrap_or_else(|error| panic!("{headers}: {error}"));
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, OK.as_bytes()), "{headers}");
    }
    // Equal lengths are valid.
    for headers in ["content-length: 42\r\ncontent-length: 42\r\n", "content-length: 42, 42\r\n"] {
        let server = Server::answering(format!("HTTP/1.1 200 OK\r\n{headers}\r\n{OK}")).await;
        assert_eq!(transport().send(search(&server.url())).await.unwrap().body(), OK, "{headers}");
    }
}

#[tokio::test]
async fn keeps_a_body_without_a_valid_content_length_if_the_connection_stays_open() {
    let wire = "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n{\"status\":\"ok\"}";
    let server = Server::stalling(wire).await;
    let error = impatient().send(search(&server.url())).await.unwrap_err();
    assert_eq!(
        (error.delivery(), error.kind()),
        (Delivery::ResponseStarted, TransportErrorKind::Timeout),
        "{error}"
    );
    assert_eq!(error.partial().unwrap().body(), "{\"status\":\"ok\"}");
}

#[tokio::test]
async fn keeps_a_body_shorter_than_content_length() {
    let server = cutting(format!("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{OK}").into_bytes()).await;
    let error = transport().send(search(&server.url())).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::ResponseStarted, "{error}");
    assert_eq!(error.partial().unwrap().body(), OK);
    let text = error.to_string();
    assert!(text.contains("42 of the 999 bytes that `content-length` announces"), "{text}");
}

#[tokio::test]
async fn reads_a_chunked_http_1_0_answer() {
    let head = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let server = cutting(format!("{head}2a\r\n{OK}\r\n0\r\n\r\n").into_bytes()).await;
    let answer = transport().send(search(&server.url())).await.unwrap();
    assert_eq!(answer.body(), OK);
}

#[tokio::test]
async fn reads_a_malformed_head_byte_by_byte_after_an_interim_one() {
    let wire = format!(
        "HTTP/1.1 103 Early Hints\r\nx nul\0: 1\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n{OK}"
    );
    let server = Server::start(move |mut peer| {
        let wire = wire.clone();
        async move {
            peer.read_request().await;
            for byte in wire.bytes() {
                peer.write_bytes(&[byte]).await;
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    assert_eq!(transport().send(search(&server.url())).await.unwrap().body(), OK);
}

#[tokio::test]
async fn endless_head_is_a_response_that_broke_off() {
    let server = Server::start(|mut peer| async move {
        peer.read_request().await;
        peer.write("HTTP/1.1 200 OK\r\n").await;
        for _ in 0..100_000 {
            peer.write("x-more: of the same\r\n").await;
        }
        peer.closed().await;
    })
    .await;
    let error = transport().send(search(&server.url())).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::ResponseStarted, "{error}");
    assert_eq!(error.partial().unwrap().status(), 200);
    assert!(error.to_string().contains("head of the answer is larger than"), "{error}");
}

#[tokio::test]
async fn keeps_the_body_of_a_status_without_a_body() {
    for status in ["101 Switching Protocols", "204 No Content", "304 Not Modified"] {
        for (headers, body) in [
            ("content-length: 42\r\n", OK.to_owned()),
            ("transfer-encoding: chunked\r\n", format!("2a\r\n{OK}\r\n0\r\n\r\n")),
            ("", OK.to_owned()),
        ] {
            let server = cutting(format!("HTTP/1.1 {status}\r\n{headers}\r\n{body}").into_bytes()).await;
            let answer = transport().send(search(&server.url())).await.unwrap();
            assert_eq!((answer.status().as_str(), &answer.body()[..]), (&status[..3], OK.as_bytes()));
            assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("x-")), "{headers}");
        }
    }
}

#[tokio::test]
async fn answer_with_a_status_without_a_body_ends_with_its_head() {
    for status in ["204 No Content", "304 Not Modified"] {
        for headers in
            ["", "content-length: 0\r\n", "content-length: 42\r\n", "transfer-encoding: chunked\r\n"]
        {
            for (rest, connections) in [("", 1), ("\r\n", 2)] {
                let wire = format!("HTTP/1.1 {status}\r\n{headers}\r\n{rest}");
                let server = Server::answering(wire.clone()).await;
                let transport = transport();
                for _ in 0..2 {
                    let answer = transport.send(search(&server.url())).await;
                    let answer = answer.unwrap_or_else(|error| panic!("{wire}: {error}"));
                    assert_eq!((answer.status().as_str(), answer.body().len()), (&status[..3], 0), "{wire}");
                }
                assert_eq!(server.connections(), connections, "{wire}");
            }
        }
    }
    for headers in ["", "content-length: 0\r\n", "content-length: 42\r\n"] {
        let server = Server::answering(format!("HTTP/1.1 101 Switching Protocols\r\n{headers}\r\n")).await;
        assert!(transport().send(search(&server.url())).await.unwrap().body().is_empty(), "{headers}");
    }
}

#[tokio::test]
async fn reads_chunks_that_hyper_rejects() {
    let long = "x".repeat(20_000);
    for body in [
        format!("  2a\r\n{OK}\r\n0\r\n\r\n"),
        format!("2a\n{OK}\n0\n\n"),
        format!("2a;{long}\r\n{OK}\r\n0\r\n\r\n"),
        format!("2a\r\n{OK}0\r\n\r\n"),
        format!("2a\r\n{OK}\r\n0\r\nno colon\r\n\r\n"),
        format!("2a\r\n{OK}\r\n0\r\n{}\r\n", "x: y\r\n".repeat(5000)),
    ] {
        let server =
            Server::answering(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}")).await;
        let transport = transport();
        for _ in 0..2 {
            assert_eq!(transport.send(search(&server.url())).await.unwrap().body(), OK, "{body:.60}");
        }
    }
}

#[tokio::test]
async fn keeps_all_bytes_of_a_malformed_chunked_body() {
    for (body, kept) in [
        (OK.to_owned(), OK.to_owned()),
        (format!("5\r\n{}\r\nzz\r\nrest", &OK[..5]), format!("{}zz\r\nrest", &OK[..5])),
        (format!("5\r\n{OK}\r\n0\r\n\r\n"), format!("{OK}\r\n0\r\n\r\n")),
        (format!("0x2a\r\n{OK}"), format!("0x2a\r\n{OK}")),
        (format!("1ffffffffffffffff\r\n{OK}"), format!("1ffffffffffffffff\r\n{OK}")),
        ("Bad gateway".to_owned(), "Bad gateway".to_owned()),
        ("3\r\nabc\r\ndead".to_owned(), "abcdead".to_owned()),
        ("3\r\nabcdead; beef".to_owned(), "abcdead; beef".to_owned()),
        // The start of a line break, or of the end of the body.
        ("3\r\nabc\r".to_owned(), "abc".to_owned()),
        ("3\r\nabc\r\n0\r".to_owned(), "abc".to_owned()),
    ] {
        let wire = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}");
        let server = cutting(wire.into_bytes()).await;
        let error = transport().send(search(&server.url())).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::ResponseStarted, "{error}");
        assert_eq!(error.partial().unwrap().body(), &kept, "{body}");
    }
}

#[tokio::test]
async fn endless_trailers_are_a_body_that_broke_off() {
    for trailer in ["x", "x: y\r\n"] {
        let server = Server::start(move |mut peer| async move {
            peer.read_request().await;
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            peer.write(&format!("{head}2a\r\n{OK}\r\n0\r\n{}", trailer.repeat(100_000))).await;
            peer.closed().await;
        })
        .await;
        let error = transport().send(search(&server.url())).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::ResponseStarted, "{error}");
        assert_eq!(error.partial().unwrap().body(), OK);
        assert!(error.to_string().contains("trailer section of the answer is larger than 64 KiB"), "{error}");
    }
}

#[tokio::test]
async fn reads_malformed_chunks_that_arrive_after_the_head() {
    let server = Server::start(|mut peer| async move {
        peer.read_request().await;
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        for byte in format!("{head}  2a\r\n{OK}0\r\n\r\n").bytes() {
            peer.write_bytes(&[byte]).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(transport().send(search(&server.url())).await.unwrap().body(), OK);
}

#[tokio::test]
async fn keeps_a_body_that_is_not_chunked_if_the_connection_stays_open() {
    let wire = "HTTP/1.1 502 Bad Gateway\r\ntransfer-encoding: chunked\r\n\r\nBad gateway";
    let server = Server::stalling(wire).await;
    let error = impatient().send(search(&server.url())).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Timeout, "{error}");
    assert_eq!(error.partial().unwrap().body(), "Bad gateway");
}

#[tokio::test]
async fn drops_internal_headers_from_the_server() {
    for headers in [
        "x-tgscan-status: 429\r\n",
        "X-TgScan-Status : 429\r\n",
        "x-tgscan-status: 4\r\n 29\r\n",
        "x-tgscan-content-length: 999\r\n",
        "X-TGSCAN-CONTENT-LENGTH:999\r\n",
    ] {
        for status in ["200 OK", "204 No Content"] {
            let wire = format!("HTTP/1.1 {status}\r\ncontent-length: 42\r\n{headers}x-after: 2\r\n\r\n{OK}");
            let server = Server::answering(wire).await;
            let answer = transport().send(search(&server.url())).await.unwrap();
            assert_eq!(
                (answer.status().as_str(), &answer.body()[..]),
                (&status[..3], OK.as_bytes()),
                "{headers}"
            );
            let mut names: Vec<_> = answer.headers().keys().collect();
            names.sort_by_key(|name| name.as_str());
            assert_eq!(names, ["content-length", "x-after"], "{headers}");
        }
    }
}
