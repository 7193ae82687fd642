//! Responses: complete ones with any status, and the received part of broken ones.

use bytes::Bytes;
use http::{Response, Version};
use tgscan_core::{
    Transport, TransportError,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_transport_hyper::HyperTransport;

use crate::server::{OK, Server, response};
use crate::{impatient, search, transport};

#[tokio::test]
async fn every_complete_response_is_an_answer() {
    for status in ["200 OK", "204 No Content", "400 Bad Request", "401 Unauthorized", "429 Too Many Requests"]
        .into_iter()
        .chain(["500 Internal Server Error", "503 Service Unavailable", "299 Odd"])
    {
        let body = if status.starts_with("204") { "" } else { "<html>" };
        let server = Server::answering(response(status, "x-extra: 1\r\n", body)).await;
        let answer = transport().send(search(&server.url())).await.unwrap();
        assert_eq!(answer.status().as_str(), &status[..3]);
        assert_eq!(
            (answer.version(), &answer.headers()["x-extra"]),
            (Version::HTTP_11, &"1".parse().unwrap())
        );
        assert_eq!(answer.body(), body);
        assert_eq!(server.requests(), 1, "{status}");
    }
}

#[tokio::test]
async fn redirects_are_answers_and_are_not_followed() {
    let target = Server::answering(response("200 OK", "", OK)).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent"] {
        let location = format!("location: {}/elsewhere\r\n", target.url());
        let server = Server::answering(response(status, &location, "")).await;
        let answer = transport().send(search(&server.url())).await.unwrap();
        assert_eq!(answer.status().as_str(), &status[..3]);
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn reads_chunked_bodies_and_bodies_that_end_with_the_connection() {
    for wire in [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nx-trailer: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nabcdef",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabcdef",
    ] {
        let server = Server::cutting(wire).await;
        assert_eq!(transport().send(search(&server.url())).await.unwrap().body(), "abcdef", "{wire}");
    }
}

fn assert_began(error: &TransportError, kind: TransportErrorKind, body: &str) {
    assert_eq!((error.delivery(), error.kind()), (Delivery::ResponseStarted, kind), "{error}");
    let partial: &Response<Bytes> = error.partial().unwrap();
    assert_eq!((partial.status().as_u16(), partial.version()), (200, Version::HTTP_11));
    assert_eq!(partial.body(), body);
}

#[tokio::test]
async fn keeps_the_received_part_of_a_body_that_breaks_off() {
    for (wire, prefix) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", "abc"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", ""),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", "abc"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nde", "abcde"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense", "abcnonsense"),
    ] {
        let server = Server::cutting(wire).await;
        let error = transport().send(search(&server.url())).await.unwrap_err();
        assert_began(&error, TransportErrorKind::Broken, prefix);
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn keeps_the_headers_of_a_broken_answer() {
    let server = Server::cutting("HTTP/1.1 200 OK\r\ncontent-length: 9\r\nx-extra: 1\r\n\r\nabc").await;
    let error = transport().send(search(&server.url())).await.unwrap_err();
    assert_eq!(error.partial().unwrap().headers()["x-extra"], "1");
}

#[tokio::test]
async fn keeps_the_received_part_of_a_body_that_times_out() {
    let server = Server::stalling("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await;
    let error = impatient().send(search(&server.url())).await.unwrap_err();
    assert_began(&error, TransportErrorKind::Timeout, "abc");
    assert!(error.to_string().contains("`attempt_timeout` of 150ms passed within the body"), "{error}");
}

#[tokio::test]
async fn keeps_exactly_the_cap_of_a_larger_body() {
    for wire in [
        "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabcdef",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nabcdef",
    ] {
        // The server stays silent after its answer, so waiting for more than the cap would time out.
        let server = Server::stalling(wire).await;
        for (cap, kept) in [(1, "a"), (4, "abcd"), (5, "abcde")] {
            let transport = HyperTransport::builder().max_body_size(cap).build().unwrap();
            let error = transport.send(search(&server.url())).await.unwrap_err();
            assert_began(&error, TransportErrorKind::BodyTooLarge, kept);
        }
    }
}

#[tokio::test]
async fn accepts_a_body_of_exactly_the_cap() {
    let server = Server::answering(response("200 OK", "", "abcdef")).await;
    let transport = HyperTransport::builder().max_body_size(6).build().unwrap();
    assert_eq!(transport.send(search(&server.url())).await.unwrap().body(), "abcdef");
}

#[tokio::test]
async fn allocates_nothing_for_an_announced_length() {
    let server = Server::cutting("HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551613\r\n\r\nabc").await;
    let error = transport().send(search(&server.url())).await.unwrap_err();
    assert_began(&error, TransportErrorKind::Broken, "abc");
}
