//! The same complete answer in each framing of HTTP/1.1 (RFC 9112, 6.3), from a server that writes every byte.

use std::fmt;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use tgscan_core::{Api, Transport};

use super::clock::within;
use super::faults::query;
use super::report::{Problem, Report};
use super::{Bench, CALL_LIMIT, COST, Endpoint, Scheme, Setup, one_attempt};
use crate::Mock;
use crate::server::ContentCoding;

/// The framing of an answer.
#[derive(Clone, Copy)]
enum Framing {
    Length,
    Chunks,
    ChunksAndTrailers,
    Close,
    Interim,
    OddHead,
}

const ALL: [(Framing, &str); 6] = [
    (Framing::Length, "a complete answer by its length"),
    (Framing::Chunks, "a complete answer in chunks of odd sizes"),
    (Framing::ChunksAndTrailers, "a complete answer in chunks, with trailers"),
    (Framing::Close, "a complete answer that ends with the connection"),
    (Framing::Interim, "a complete answer after interim ones"),
    (Framing::OddHead, "a complete answer under a head in unusual spelling"),
];

pub(super) async fn run<T, F>(setup: Setup, make: &F, report: &mut Report)
where
    T: Transport + fmt::Debug + 'static,
    F: Fn(&Endpoint) -> T,
{
    // This server does not support TLS or compression.
    if setup.scheme != Scheme::Http || setup.coding != ContentCoding::default() {
        return;
    }
    for (framing, name) in ALL {
        report.add(name, case(setup, make, framing).await);
    }
}

async fn case<T, F>(setup: Setup, make: &F, framing: Framing) -> Result<(), Problem>
where
    T: Transport + fmt::Debug + 'static,
    F: Fn(&Endpoint) -> T,
{
    let bench = Bench::new(setup, make)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let mock = bench.mock.clone();
    std::thread::spawn(move || {
        // One connection is enough. The transport decides how it ends.
        if let Ok((stream, _)) = listener.accept() {
            let _ = serve(stream, &mock, framing);
        }
    });
    let api = Api::with_base_url(&format!("http://{address}"), bench.mock.live_key())
        .map_err(|error| error.to_string())?;
    let client = one_attempt(api, std::sync::Arc::clone(&bench.transport));
    let result = within(CALL_LIMIT, client.search(query())).await;
    // A transport without sockets never connects; this ends the server's thread.
    drop(TcpStream::connect(address));
    let Some(result) = result else {
        return Err(format!("did not end within {CALL_LIMIT:?}").into());
    };
    let reply = result.map_err(|error| format!("must be a reply: {error}"))?;
    match (reply.credits.charged(), bench.mock.requests().len()) {
        (COST, 1) => Ok(()),
        (credits, requests) => {
            Err(format!("{requests} requests arrived, and {credits} credits are reported").into())
        }
    }
}

/// Answers the only request of a connection.
fn serve(stream: TcpStream, mock: &Mock, framing: Framing) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let request = read(&mut reader)?;
    let outcome = mock.respond(&request).wire.into_result(usize::MAX);
    let response = outcome.map_err(io::Error::other)?;
    let mut stream = stream;
    stream.write_all(&framed(&response, framing))?;
    stream.flush()?;
    if matches!(framing, Framing::Close) {
        return stream.shutdown(std::net::Shutdown::Write);
    }
    // Waits until the transport closes it.
    reader.read_to_end(&mut Vec::new()).map(drop)
}

fn read(reader: &mut impl BufRead) -> io::Result<Request<Bytes>> {
    let broken = || io::Error::other("no request");
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next().ok_or_else(broken)?, words.next().ok_or_else(broken)?);
    let mut request =
        Request::builder().method(method).uri(target).body(Bytes::new()).map_err(io::Error::other)?;
    let (mut length, mut is_chunked) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(io::Error::other)?;
        let value = HeaderValue::from_str(value.trim()).map_err(io::Error::other)?;
        if name == "content-length" {
            length = value.to_str().ok().and_then(|length| length.parse().ok()).unwrap_or_default();
        }
        is_chunked |= name == "transfer-encoding";
        request.headers_mut().append(name, value);
    }
    let mut body = Vec::new();
    loop {
        if is_chunked {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            length = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        }
        let before = body.len();
        body.resize(before + length, 0);
        reader.read_exact(&mut body[before..])?;
        if !is_chunked {
            break;
        }
        // Also the line end of the last chunk, which is empty.
        reader.read_line(&mut String::new())?;
        if length == 0 {
            break;
        }
    }
    *request.body_mut() = body.into();
    Ok(request)
}

fn framed(response: &Response<Bytes>, framing: Framing) -> Vec<u8> {
    let body = response.body();
    let content_type = "content-type: application/json\r\n";
    let mut head = String::new();
    if matches!(framing, Framing::Interim) {
        head.push_str(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n",
        );
    }
    let length = body.len();
    // Writing to a `String` cannot fail.
    let _ = match framing {
        Framing::Length | Framing::Interim => {
            write!(head, "HTTP/1.1 200 OK\r\n{content_type}content-length: {length}\r\n\r\n")
        }
        Framing::OddHead => write!(
            head,
            "HTTP/1.1 200\x20\r\nCONTENT-TYPE:application/json\r\nX-Empty:\r\nContent-Length: \t{length} \r\n\r\n"
        ),
        Framing::Chunks => {
            write!(head, "HTTP/1.1 200 OK\r\n{content_type}transfer-encoding: chunked\r\n\r\n")
        }
        Framing::ChunksAndTrailers => write!(
            head,
            "HTTP/1.1 200 OK\r\n{content_type}trailer: x-checksum\r\ntransfer-encoding: chunked\r\n\r\n"
        ),
        Framing::Close => write!(head, "HTTP/1.1 200 OK\r\n{content_type}connection: close\r\n\r\n"),
    };
    let mut bytes = head.into_bytes();
    match framing {
        Framing::Chunks => {
            chunks(body, &mut bytes);
            bytes.extend(b"\r\n");
        }
        Framing::ChunksAndTrailers => {
            chunks(body, &mut bytes);
            bytes.extend(b"x-checksum: 1\r\n\r\n");
        }
        _ => bytes.extend(body),
    }
    bytes
}

/// Writes chunks of odd sizes, some with an extension, and the empty last one.
fn chunks(mut body: &[u8], bytes: &mut Vec<u8>) {
    for size in [1, 2, 13, 64, 7].into_iter().cycle() {
        let (chunk, rest) = body.split_at(size.min(body.len()));
        let extension = if size == 13 { ";part=1" } else { "" };
        bytes.extend(format!("{:X}{extension}\r\n", chunk.len()).as_bytes());
        if chunk.is_empty() {
            return;
        }
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
        body = rest;
    }
}
