//! The suite fails for a transport that reads bodies only by their length.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use futures_executor::block_on;
use http::{Request, Response};
use tgscan_mock::conformance::{self, Scheme};
use tgscan_mock::core::{Transport, TransportError, async_trait};

/// A minimal HTTP client that reads bodies only by their length.
#[derive(Debug)]
struct ByLength(Duration);

impl ByLength {
    fn exchange(&self, request: &Request<Bytes>) -> std::io::Result<Response<Bytes>> {
        let authority = request.uri().authority().unwrap().as_str();
        let mut stream = TcpStream::connect(authority)?;
        stream.set_read_timeout(Some(self.0))?;
        write!(stream, "POST {} HTTP/1.1\r\nhost: {authority}\r\n", request.uri().path())?;
        for (name, value) in request.headers() {
            write!(stream, "{name}: {}\r\n", value.to_str().unwrap())?;
        }
        write!(stream, "content-length: {}\r\n\r\n", request.body().len())?;
        stream.write_all(request.body())?;
        let mut reader = BufReader::new(stream);
        let mut response = Response::new(Bytes::new());
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut length = None;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok();
            }
        }
        let length = length.ok_or_else(|| std::io::Error::other("no content-length"))?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        *response.body_mut() = body.into();
        Ok(response)
    }
}

#[async_trait]
impl Transport for ByLength {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.exchange(&request).map_err(TransportError::new)
    }
}

#[test]
fn transport_that_only_reads_bodies_by_length_fails() {
    let report = block_on(conformance::run(Scheme::Http, |endpoint| ByLength(endpoint.time_limit)));
    let is_failed = |name: &str| report.failures().any(|case| case.name == name);
    for framing in ["in chunks of odd sizes", "in chunks, with trailers", "that ends with the connection"] {
        assert!(is_failed(&format!("a complete answer {framing}")), "{report}");
    }
    assert!(!is_failed("a complete answer by its length"), "{report}");
}
