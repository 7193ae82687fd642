//! The same complete answer in each framing of HTTP/1.1 (RFC 9112, 6.3), from a server that writes every byte.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::clock::within;
use super::faults::query;
use super::report::{Problem, Report};
use super::{Bench, CALL_LIMIT, COST, Make, Scheme, Setup};
use crate::server::ContentCoding;

struct Framing {
    name: &'static str,
    /// The head, with `LENGTH` for the length of the body.
    head: &'static str,
    /// The trailers of a body in chunks of odd sizes.
    trailers: Option<&'static str>,
}

const ALL: [Framing; 6] = [
    Framing {
        name: "a complete answer by its length",
        head: "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: LENGTH\r\n\r\n",
        trailers: None,
    },
    Framing {
        name: "a complete answer in chunks of odd sizes",
        head: "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        trailers: Some(""),
    },
    Framing {
        name: "a complete answer in chunks, with trailers",
        head: "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntrailer: x-checksum\r\n\
            transfer-encoding: chunked\r\n\r\n",
        trailers: Some("x-checksum: 1\r\n"),
    },
    Framing {
        name: "a complete answer that ends with the connection",
        head: "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n",
        trailers: None,
    },
    Framing {
        name: "a complete answer after interim ones",
        head: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n\
            HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: LENGTH\r\n\r\n",
        trailers: None,
    },
    Framing {
        name: "a complete answer under a head in unusual spelling",
        head: "HTTP/1.1 200\x20\r\nCONTENT-TYPE:application/json\r\nX-Empty:\r\nContent-Length: \tLENGTH \r\n\r\n",
        trailers: None,
    },
];

pub(super) async fn run(setup: Setup, make: &Make<'_>, report: &mut Report) {
    // This server does not support TLS or compression.
    if setup.scheme != Scheme::Http || setup.coding != ContentCoding::default() {
        return;
    }
    for framing in &ALL {
        report.add(framing.name, case(setup, make, framing).await);
    }
}

async fn case(setup: Setup, make: &Make<'_>, framing: &'static Framing) -> Result<(), Problem> {
    let bench = Bench::new(setup, make)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let mock = bench.server.address();
    std::thread::spawn(move || {
        // One connection is enough. The transport decides how it ends.
        if let Ok((client, _)) = listener.accept() {
            let _ = serve(client, mock, framing);
        }
    });
    let client = bench.client(bench.api_at(&format!("http://{address}")));
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

/// Forwards a request to the mock's server, and its answer in this framing.
fn serve(mut client: TcpStream, mock: SocketAddr, framing: &Framing) -> io::Result<()> {
    let server = TcpStream::connect(mock)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    // Ends when the transport closes its connection.
    std::thread::spawn(move || io::copy(&mut from, &mut to));
    let mut reader = BufReader::new(server);
    let mut length = 0;
    for line in reader.by_ref().lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    client.write_all(framing.head.replace("LENGTH", &length.to_string()).as_bytes())?;
    match framing.trailers {
        None => client.write_all(&body)?,
        Some(trailers) => client.write_all(&[&chunks(&body), trailers.as_bytes(), b"\r\n"].concat())?,
    }
    if framing.head.contains("connection: close") {
        client.shutdown(std::net::Shutdown::Write)?;
    }
    Ok(())
}

/// Writes chunks of odd sizes, some with an extension, and the empty last one.
fn chunks(mut body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for size in [1, 2, 13, 64, 7].into_iter().cycle() {
        let (chunk, rest) = body.split_at(size.min(body.len()));
        let extension = if size == 13 { ";part=1" } else { "" };
        bytes.extend(format!("{:X}{extension}\r\n", chunk.len()).as_bytes());
        if chunk.is_empty() {
            break;
        }
        bytes.extend([chunk, b"\r\n"].concat());
        body = rest;
    }
    bytes
}
