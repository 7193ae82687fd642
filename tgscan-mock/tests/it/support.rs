//! Requests as a client builds them, and a client on a bare socket, so that the tests cover only the mock.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tgscan_mock::core::Api;
use tgscan_mock::data::{Generate, GenerateVisitor, sample};
use tgscan_mock::{Mock, data::visit_all, outcome::Wire, types};

#[test]
fn the_mock_answers_every_method_of_the_registry() {
    struct Names(Vec<&'static str>);
    impl GenerateVisitor for Names {
        fn visit<M: Generate>(&mut self) {
            self.0.push(M::NAME);
        }
    }
    let mut names = Names(Vec::new());
    visit_all(&mut names);
    assert_eq!(names.0, types::registry::infos().iter().map(|method| method.name).collect::<Vec<_>>());
}

/// Returns requests for all seven URLs with several queries each, live ones first.
pub(crate) fn seven_urls(mock: &Mock) -> Vec<Request<Bytes>> {
    struct Build {
        apis: [Api; 2],
        requests: Vec<Request<Bytes>>,
    }
    impl GenerateVisitor for Build {
        fn visit<M: Generate>(&mut self) {
            for seed in 0..5 {
                let request = sample(&M::requests(), seed);
                for api in &self.apis {
                    self.requests.push(api.request(&request));
                }
            }
        }
    }
    let apis = [Api::new(mock.live_key()), Api::new(mock.test_key())];
    let mut build = Build { apis, requests: Vec::new() };
    visit_all(&mut build);
    build.requests
}

pub(crate) fn post(path: &str, key: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    Request::post(format!("https://api.tgdev.io/tgscan/v1{path}"))
        .header("Api-Key", key)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.into())
        .unwrap()
}

/// Returns the message of an error envelope.
pub(crate) fn message(response: &Response<Bytes>) -> String {
    match serde_json::from_slice::<types::Envelope<serde_json::Value>>(response.body()) {
        Ok(types::Envelope::Error(error)) => error.message,
        other => panic!("not an error envelope: {other:?}"),
    }
}

/// Returns the whole response to a request.
pub(crate) fn answer(mock: &Mock, request: &Request<Bytes>) -> Response<Bytes> {
    match mock.respond(request).wire {
        Wire::Whole(response) => response,
        other => panic!("not a whole response: {other:?}"),
    }
}

/// Sends one request on a new connection. Returns the status line and the body.
pub(crate) fn send(server: SocketAddr, request: &Request<Bytes>) -> (String, Bytes) {
    let (head, body) = exchange(server, request);
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    let is_gzip = body.starts_with(&[0x1f, 0x8b]);
    assert_eq!(head.contains("content-encoding: gzip"), is_gzip, "{head}");
    assert!(!head.contains("date:"), "a date would make the same seed give other bytes: {head}");
    (head.lines().next().unwrap().to_owned(), body)
}

/// Sends one request on a new connection. Returns the head and the body up to the end of the connection; both are empty without
/// an answer.
pub(crate) fn exchange(server: SocketAddr, request: &Request<Bytes>) -> (String, Bytes) {
    let mut stream = TcpStream::connect(server).unwrap();
    write!(
        stream,
        "{} {} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n",
        request.method(),
        request.uri().path_and_query().unwrap()
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
    // A fault may reset the connection.
    let _ = stream.read_to_end(&mut answer);
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return (String::new(), Bytes::new());
    };
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    (head, Bytes::from(answer.split_off(end + 4)))
}

/// Sends a request to a control path. Returns the status code and the JSON.
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
