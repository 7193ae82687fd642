//! A client of a bare socket, so that nothing but the mock is tested.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::Bytes;
use http::Request;
use serde_json::Value;

/// Sends one request on a connection of its own; returns status line and body.
pub(crate) fn send(server: SocketAddr, request: &Request<Bytes>) -> (String, Bytes) {
    let mut stream = TcpStream::connect(server).unwrap();
    write!(
        stream,
        "{} {} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n",
        request.method(),
        request.uri().path()
    )
    .unwrap();
    for (name, value) in request.headers() {
        write!(stream, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
    }
    if !request.headers().contains_key("content-length") {
        write!(stream, "content-length: {}\r\n", request.body().len()).unwrap();
    }
    stream.write_all(b"\r\n").unwrap();
    stream.write_all(request.body()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let body = Bytes::from(answer.split_off(end + 4));
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    let is_gzip = body.starts_with(&[0x1f, 0x8b]);
    assert_eq!(head.contains("content-encoding: gzip"), is_gzip, "{head}");
    assert!(!head.contains("date:"), "a date would make the same seed give other bytes: {head}");
    (head.lines().next().unwrap().to_owned(), body)
}

/// Sends a request to a control path; returns the status code and the JSON.
pub(crate) fn control(server: SocketAddr, http_method: &str, path: &str, body: &str) -> (u16, Value) {
    let body = Bytes::from(body.to_owned());
    let request = Request::builder()
        .method(http_method)
        .uri(format!("http://mock/_mock/{path}"))
        .header("content-length", body.len())
        .body(body)
        .unwrap();
    let (status, body) = send(server, &request);
    (status.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_slice(&body).unwrap())
}
