//! Generates the delivery table of the documentation by forcing each outcome over both protocols.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::{Transport, TransportError};
use tgscan_transport_hyper::{AttemptLimits, HyperTransport};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::frames::{DATA, RST_STREAM, frame, goaway, head, serving};
use crate::http2::scripted;
use crate::server::{OK, Server};
use crate::stale::Closing;
use crate::tls_server::{Authority, BOTH, Ending, TlsServer, for_host};
use crate::{SHORT, balance, search, transport};

type End = Result<Response<Bytes>, TransportError>;

/// An outcome, and its result over HTTP/1.1 and HTTP/2. `None` if the protocol does not have it.
type Row = (&'static str, Option<End>, Option<End>);

/// Returns the text of a cell.
fn cell(end: Option<End>) -> String {
    match end {
        None => "–".to_owned(),
        Some(Ok(_)) => "an answer".to_owned(),
        Some(Err(error)) => error.delivery().to_string(),
    }
}

fn impatient(url: &str) -> Request<Bytes> {
    let mut request = search(url);
    request.extensions_mut().insert(AttemptLimits::new().attempt_timeout(SHORT));
    request
}

fn small(url: &str) -> Request<Bytes> {
    let mut request = search(url);
    request.extensions_mut().insert(AttemptLimits::new().max_body_size(2));
    request
}

/// Sends a request to a server that reads it, writes these bytes, and then closes the connection or stalls.
async fn http1(wire: &'static str, closes: bool, request: fn(&str) -> Request<Bytes>) -> Option<End> {
    let server = if closes { Server::cutting(wire).await } else { Server::stalling(wire).await };
    Some(transport().send(request(&server.url())).await)
}

/// Like `http1`, with frames.
async fn http2(frames: Vec<Vec<u8>>, closes: bool, request: fn(&str) -> Request<Bytes>) -> Option<End> {
    let (authority, url) = serving(frames, closes).await;
    Some(authority.trusted().build().unwrap().send(request(&url)).await)
}

async fn connection_refused(scheme: &str) -> Option<End> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    drop(listener);
    Some(transport().send(search(&url)).await)
}

async fn silent_handshake(http1_only: bool) -> Option<End> {
    let server = Server::stalling("").await;
    let url = server.url().replace("http", "https");
    let transport = HyperTransport::builder().connect_timeout(SHORT).http1_only(http1_only).build().unwrap();
    Some(transport.send(search(&url)).await)
}

async fn untrusted(alpn: &str) -> Option<End> {
    let acceptor = TlsAcceptor::from(Arc::new(Authority::new().server(&for_host("127.0.0.1"), &[alpn])));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        // The client disconnects.
        let _ = acceptor.accept(listener.accept().await.unwrap().0).await;
    });
    Some(transport().send(search(&url)).await)
}

async fn ended_while_idle_http1() -> Option<End> {
    let (server, transport) = (Closing::start(2), transport());
    transport.send(balance(&server.url)).await.unwrap();
    server.close_unseen().await;
    Some(transport.send(search(&server.url)).await)
}

async fn ended_while_idle_http2() -> Option<End> {
    let authority = Authority::new();
    let url = scripted(&authority, |mut http| async move {
        while let Some(Ok((_, mut respond))) = http.accept().await {
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(OK.as_bytes()), true).unwrap();
            http.graceful_shutdown();
        }
    })
    .await;
    let transport = authority.trusted().build().unwrap();
    transport.send(balance(&url)).await.unwrap();
    Some(transport.send(search(&url)).await)
}

/// Accepts one request at a time, and closes the connection after it has read the first.
async fn ended_before_its_turn() -> Option<End> {
    let authority = Authority::new();
    let server = TlsServer::start(authority.server(&for_host("127.0.0.1"), BOTH), Ending::Never).await;
    let transport = authority.trusted().build().unwrap();
    transport.send(balance(&server.url())).await.unwrap();
    let url = server.url();
    let (_, second) = tokio::join!(biased; transport.send(search(&url)), transport.send(search(&url)));
    Some(second)
}

const REFUSED_STREAM: u8 = 7;
const INTERNAL_ERROR: u8 = 2;

fn reset(reason: u8) -> Vec<u8> {
    frame(RST_STREAM, 0, 1, &[0, 0, 0, reason])
}

const BROKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";

/// Returns the rows of heads that hyper or h2 would reject.
async fn malformed_heads() -> [Row; 5] {
    const LONG: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef";
    const ODD: &str = "HTTP/1.1 200 OK\r\nbad name: 1\r\nx: \0\r\ncontent-length: x\r\n\r\nabc";
    const END_HEADERS: u8 = 4;
    let whole = || frame(DATA, 1, 1, OK.as_bytes());
    // `:status: 200`, and `Connection: x` without indexing.
    let odd = b"\x88\0\x0aConnection\x01x".to_vec();
    [
        (
            "the head has invalid or forbidden headers",
            http1(ODD, true, search).await,
            http2(vec![frame(1, END_HEADERS, 1, &odd), whole()], false, search).await,
        ),
        (
            "the body is longer than `content-length`",
            http1(LONG, true, search).await,
            http2(vec![head(Some("3")), whole()], false, search).await,
        ),
        (
            "the body is shorter than `content-length`",
            http1(BROKEN, true, search).await,
            http2(vec![head(Some("999")), whole()], false, search).await,
        ),
        (
            "the head has no valid status",
            http1("HTTP/1.1 2x0 OK\r\n\r\n", true, search).await,
            http2(vec![frame(1, END_HEADERS, 1, &odd[1..]), whole()], false, search).await,
        ),
        (
            "the header block cannot be decoded",
            None,
            http2(vec![frame(1, END_HEADERS, 1, &[0x80]), whole()], false, search).await,
        ),
    ]
}

#[tokio::test]
async fn delivery_table_is_up_to_date() {
    const UNAVAILABLE: &str = "HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n";
    let begun = || vec![head(Some("9")), frame(DATA, 0, 1, b"abc")];
    let broken = [begun(), vec![reset(INTERNAL_ERROR)]].concat();
    // `:status: 500` (RFC 7541, appendix A), and the end of the stream.
    let unavailable = frame(1, 4 | 1, 1, &[0x8e]);
    let rows = [
        (
            "the connection is refused, or the host has no address",
            connection_refused("http").await,
            connection_refused("https").await,
        ),
        ("no connection within the limit", silent_handshake(true).await, silent_handshake(false).await),
        ("the certificate is not trusted", untrusted("http/1.1").await, untrusted("h2").await),
        (
            "the connection ended while it was idle",
            ended_while_idle_http1().await,
            ended_while_idle_http2().await,
        ),
        ("the connection ended before the request got a stream", None, ended_before_its_turn().await),
        (
            "the server resets the stream as refused",
            None,
            http2(vec![reset(REFUSED_STREAM)], false, search).await,
        ),
        (
            "the server's GOAWAY excludes the request",
            None,
            http2(vec![goaway(0, 0, b"")], true, search).await,
        ),
        (
            "the connection ends after the request was read",
            http1("", true, search).await,
            http2(vec![], true, search).await,
        ),
        (
            "the attempt times out after the request was read",
            http1("", false, impatient).await,
            http2(vec![], false, impatient).await,
        ),
        (
            "the server resets the stream for another reason",
            None,
            http2(vec![reset(INTERNAL_ERROR)], false, search).await,
        ),
        (
            "the response is not HTTP",
            http1("220 mail.example ESMTP\r\n\r\n", true, search).await,
            http2(vec![b"220 mail.example ESMTP\r\n\r\n".to_vec()], true, search).await,
        ),
    ];
    let after_the_head = [
        (
            "the body breaks off after the head",
            http1(BROKEN, true, search).await,
            http2(broken, false, search).await,
        ),
        (
            "the attempt times out after the head",
            http1(BROKEN, false, impatient).await,
            http2(begun(), false, impatient).await,
        ),
        (
            "the body is larger than `max_body_size`",
            http1(BROKEN, false, small).await,
            http2(begun(), false, small).await,
        ),
        (
            "a complete response, whatever its status",
            http1(UNAVAILABLE, false, search).await,
            http2(vec![unavailable], false, search).await,
        ),
    ];
    let mut table = "| outcome | HTTP/1.1 | HTTP/2 |\n|---|---|---|\n".to_owned();
    for (outcome, http1, http2) in rows.into_iter().chain(malformed_heads().await).chain(after_the_head) {
        writeln!(table, "| {outcome} | {} | {} |", cell(http1), cell(http2)).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/delivery.md");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), table);
}
