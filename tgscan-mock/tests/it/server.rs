//! The server returns the same bytes over real sockets as in process. The tests use a bare socket, so that they test
//! only the mock.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use tgscan_mock::{FaultKind, Mock, MockServer, ServerOptions};

use crate::support::{answer, send, seven_urls};

#[test]
fn the_server_gives_the_same_bytes_as_the_transport() {
    for seed in [0, 7] {
        let behind = Mock::builder().seed(seed).build().unwrap();
        let in_process = Mock::builder().seed(seed).build().unwrap();
        let server = MockServer::start(&behind, &ServerOptions::new()).unwrap();
        for mut request in seven_urls(&in_process) {
            let (status, body) = send(server.address(), &request);
            let expected = answer(&in_process, &request);
            assert_eq!(status, "HTTP/1.1 200 OK");
            assert_eq!(&body, expected.body(), "{}", request.uri());
            request.headers_mut().remove("api-key");
            let (status, body) = send(server.address(), &request);
            assert_eq!(status, "HTTP/1.1 401 Unauthorized");
            assert_eq!(&body, answer(&in_process, &request).body());
        }
        assert_eq!(behind.account(), in_process.account());
    }
}

#[test]
fn answers_are_compressed_if_the_request_accepts_it() {
    let (behind, in_process) = (Mock::new(), Mock::new());
    let server = MockServer::start(&behind, &ServerOptions::new().gzip()).unwrap();
    for mut request in seven_urls(&in_process) {
        let expected = answer(&in_process, &request);
        assert_eq!(&send(server.address(), &request).1, expected.body());
        request.headers_mut().insert("accept-encoding", "br, gzip".parse().unwrap());
        let (status, compressed) = send(server.address(), &request);
        assert_eq!(status, "HTTP/1.1 200 OK");
        let mut expanded = Vec::new();
        flate2::read::GzDecoder::new(&compressed[..]).read_to_end(&mut expanded).unwrap();
        assert_eq!(&expanded, answer(&in_process, &request).body());
    }
    let mut request = seven_urls(&in_process).remove(0);
    for (accepts, is_compressed) in [
        ("br, GZIP;q=0.5", true),
        ("x-gzip", true),
        ("*", true),
        ("gzip; q=1", true),
        ("br", false),
        ("gzip;q=0", false),
        ("identity, gzip;q=0.000", false),
        ("gzipped", false),
    ] {
        request.headers_mut().insert("accept-encoding", accepts.parse().unwrap());
        assert_eq!(send(server.address(), &request).1.starts_with(&[0x1f, 0x8b]), is_compressed, "{accepts}");
    }
}

/// Clients that read to the end of the compressed body must find nothing after it.
#[test]
fn an_endless_compressed_answer_adds_no_content() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new().gzip()).unwrap();
    let mut request = seven_urls(&mock).remove(0);
    request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
    let whole = send(server.address(), &request).1;
    mock.script_any([FaultKind::TrickleBody { at: whole.len() - 1 }]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let (path, body) = (request.uri().path(), std::str::from_utf8(request.body()).unwrap());
    let key = Mock::LIVE_KEY;
    // HTTP/1.0 clients get the body without a length and without chunks.
    write!(
        stream,
        "POST {path} HTTP/1.0\r\napi-key: {key}\r\naccept-encoding: gzip\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut received = Vec::new();
    let start = loop {
        let mut more = [0; 1024];
        let count = stream.read(&mut more).unwrap();
        received.extend_from_slice(&more[..count]);
        let start = received.windows(whole.len()).position(|part| part == whole);
        // A whole member and a part of another one follow the body.
        if let Some(start) = start.filter(|start| received.len() > start + whole.len() + 25) {
            break start;
        }
    };
    let mut expanded = Vec::new();
    flate2::read::MultiGzDecoder::new(&received[start..start + whole.len() + 20])
        .read_to_end(&mut expanded)
        .unwrap();
    assert_eq!(expanded, answer(&Mock::new(), &request).into_body());
}

#[test]
fn an_endless_answer_continues_after_its_body() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    let whole = answer(&Mock::new(), &seven_urls(&mock)[0]).into_body();
    // Sends all but the last two bytes immediately, so that the test waits only briefly.
    mock.script_any([FaultKind::TrickleBody { at: whole.len() - 2 }]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let request = &seven_urls(&mock)[0];
    let (key, body) = (Mock::LIVE_KEY, std::str::from_utf8(request.body()).unwrap());
    let head = format!(
        "POST {} HTTP/1.0\r\napi-key: {key}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}",
        request.uri().path(),
        body.len()
    );
    write!(stream, "{head}\r\n\r\n{body}").unwrap();
    // HTTP/1.0 clients get the body without a length and without chunks.
    let mut came = Vec::new();
    let ends_with = [&whole[..], b"    "].concat();
    while !came.ends_with(&ends_with) {
        let mut more = [0; 1024];
        let count = stream.read(&mut more).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&came));
        came.extend_from_slice(&more[..count]);
    }
    assert!(!String::from_utf8(came).unwrap().contains("content-length"));
}

#[test]
fn a_huge_request_is_refused_and_a_stopped_server_is_gone() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    let mut request = seven_urls(&Mock::new()).remove(0);
    *request.body_mut() = Bytes::from(vec![b'a'; 100_000]);
    request.headers_mut().insert("content-length", 100_000.into());
    let (status, body) = send(server.address(), &request);
    assert_eq!(status, "HTTP/1.1 413 Payload Too Large");
    assert!(String::from_utf8(body.to_vec()).unwrap().contains("larger than 65536 bytes"));
    assert_eq!(mock.requests()[0].status, Some(413));
    let address = server.address();
    drop(server);
    TcpStream::connect(address).unwrap_err();
}

/// Sends bytes and then closes its side of the connection. Returns the server's response.
fn exchange(server: &MockServer, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn a_broken_body_is_reported_recorded_and_not_processed() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    let head = |path: &str, more: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: mock\r\napi-key: {}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\n{more}\r\n\r\n",
            Mock::LIVE_KEY
        )
    };
    let search = "/tgscan/v1/search";
    for (request, says) in [
        (head(search, "content-length: 20") + "query=alice", ""),
        (
            head(search, "transfer-encoding: chunked") + "zz\r\nquery=alice\r\n0\r\n\r\n",
            "its chunks are broken",
        ),
        (
            head("/_mock/state", "transfer-encoding: chunked") + "zz\r\n",
            r#"{"error":"the request's body is cut off"#,
        ),
    ] {
        let said = exchange(&server, request.as_bytes());
        let is_right =
            said.is_empty() && says.is_empty() || said.starts_with("HTTP/1.1 400") && said.contains(says);
        assert!(is_right, "{said}");
    }
    assert_eq!(mock.account().spent, 0);
    assert!(mock.requests().iter().all(|request| request.charged == 0), "{:?}", mock.requests());
}

#[test]
fn only_loopback_is_bound_unless_allowed_and_a_taken_port_is_an_error() {
    let anywhere = "0.0.0.0:0".parse().unwrap();
    let error = MockServer::start(&Mock::new(), &ServerOptions::new().address(anywhere)).unwrap_err();
    assert!(error.to_string().contains("0.0.0.0 is not a loopback address"), "{error}");
    let server = MockServer::start(&Mock::new(), &ServerOptions::new()).unwrap();
    let error = MockServer::start(&Mock::new(), &ServerOptions::new().address(server.address())).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {}", server.address())), "{error}");
}

#[test]
fn every_start_has_a_new_authority() {
    let options = ServerOptions::new().https(["api.tgdev.io", "10.1.2.3"]);
    let [one, other] = [0, 1].map(|_| MockServer::start(&Mock::new(), &options).unwrap());
    let pem = one.ca_pem().unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    assert_ne!(pem, other.ca_pem().unwrap());
    assert!(one.url().starts_with("https://127.0.0.1:"));
    let error = MockServer::start(&Mock::new(), &ServerOptions::new().https(["ключ.example"])).unwrap_err();
    assert!(error.to_string().contains("is not a host name or IP address"), "{error}");
}
