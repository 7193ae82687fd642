//! How long it takes from a mock's constructor to its first answer: what each test pays.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tgscan_mock::{Mock, MockServer, ServerOptions};

use super::load;
use super::mock::{JSON, PATH, request, wiremock_server};
use super::race::Pace;
use super::report::Table;
use crate::body::{SIZES, status_first};

pub(super) const HTTP: &str = "this mock over HTTP";
pub(super) const HTTPS: &str = "this mock over HTTPS, with a fresh authority";

/// Starts a mock, asks it, and says how many microseconds that took.
type Timed<'a> = Box<dyn Fn() -> f64 + 'a>;

pub(super) fn run(pace: Pace) -> Table {
    let runtime = load::runtime();
    let body = status_first(SIZES[0]);
    let over_http = |options: &ServerOptions| {
        let server = MockServer::start(&Mock::new(), options).expect("loopback has a free port");
        ask(connect(server.address()));
    };
    // What a client costs that trusts an authority belongs to the client, and is not counted.
    let over_https = || {
        let begun = Instant::now();
        let options = ServerOptions::new().https::<&str>([]);
        let server = MockServer::start(&Mock::new(), &options).expect("loopback has a free port");
        let started = begun.elapsed();
        let config = trust(server.ca_pem().expect("it speaks TLS"));
        let begun = Instant::now();
        let name = ServerName::try_from("localhost").expect("a legal name");
        let tls = ClientConnection::new(config, name).expect("a legal configuration");
        ask(StreamOwned::new(tls, connect(server.address())));
        (started + begun.elapsed()).as_secs_f64() * 1e6
    };
    let timed = |run: &dyn Fn()| {
        let begun = Instant::now();
        run();
        begun.elapsed().as_secs_f64() * 1e6
    };
    let in_process = || drop(Mock::new().respond(&request("https://api.tgdev.io")));
    let rows: [(&str, Timed<'_>); 6] = [
        ("this mock in process", Box::new(|| timed(&in_process))),
        (HTTP, Box::new(|| timed(&|| over_http(&ServerOptions::new())))),
        (HTTPS, Box::new(over_https)),
        (
            "wiremock",
            Box::new(|| {
                timed(&|| {
                    let server = runtime.block_on(wiremock_server(&body));
                    // Its server runs on a thread of its own.
                    ask(connect(*server.address()));
                })
            }),
        ),
        (
            "httpmock",
            Box::new(|| {
                timed(&|| {
                    let server = httpmock::MockServer::start();
                    server.mock(|when, then| {
                        when.method("POST").path(PATH);
                        then.status(200).header("content-type", JSON).body(&body);
                    });
                    ask(connect(*server.address()));
                })
            }),
        ),
        (
            "mockito",
            Box::new(|| {
                timed(&|| {
                    let mut server = mockito::Server::new();
                    server.mock("POST", PATH).with_header("content-type", JSON).with_body(&body).create();
                    ask(connect(server.socket_address()));
                })
            }),
        ),
    ];
    let mut table = Table::new("from the constructor to the first answer", &["µs, best", "µs, median"]);
    for (name, run) in rows {
        let mut taken: Vec<f64> = (0..pace.rounds * 20).map(|_| run()).collect();
        taken.sort_by(f64::total_cmp);
        table.add(name, vec![taken.first().copied(), taken.get(taken.len() / 2).copied()]);
    }
    table
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("TCP has this");
    stream
}

fn trust(ca_pem: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).expect("a certificate"))
        .expect("an authority");
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// One request by hand, whose answer closes the connection.
fn ask(mut stream: impl Read + Write) {
    let request = request("https://api.tgdev.io");
    let length = request.body().len();
    let mut head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    for (name, value) in request.headers() {
        head.push_str(name.as_str());
        head.push_str(": ");
        head.push_str(value.to_str().expect("legal values"));
        head.push_str("\r\n");
    }
    stream.write_all(head.as_bytes()).expect("the server reads");
    stream.write_all(b"\r\n").expect("the server reads");
    stream.write_all(request.body()).expect("the server reads");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("the server answers");
    assert_eq!(&answer, b"HTTP/1.1 200");
}
