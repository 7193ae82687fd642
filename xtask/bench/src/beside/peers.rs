//! hyper's own two levels of client, which read bytes and nothing more.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio_rustls::TlsConnector;

use super::load::Caller;
use super::server::{Server, is_whole};

const LOOPBACK: &str = "127.0.0.1";

/// hyper-util's pooled client, whose user reads the body like this.
pub(super) fn pooled(server: &Server, request: Request<Bytes>, read: fn(Bytes)) -> Caller {
    let mut sockets = HttpConnector::new();
    sockets.enforce_http(false);
    // As everybody does who has measured HTTP/2 without it.
    sockets.set_nodelay(true);
    let tls = HttpsConnectorBuilder::new().with_tls_config(trust(server)).https_or_http();
    let connector = tls.enable_all_versions().wrap_connector(sockets);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let request = request.map(Full::new);
    Caller::future(move || {
        let response = client.request(request.clone());
        async move {
            let response = response.await.expect("a call");
            // A refusal would be quicker than the answer that is compared.
            assert!(response.status().is_success(), "the server answered {}", response.status());
            read(response.into_body().collect().await.expect("a body").to_bytes());
        }
    })
}

/// The least that asks: sends this request as it is written here, and looks at no more of a response of HTTP/1.1 than
/// whether it is one and where it ends, so that the servers are what is measured.
pub(super) async fn least(request: &Request<Bytes>, at_once: usize) -> Caller {
    let host = Arc::<str>::from(request.uri().authority().expect("a whole URL").as_str());
    let mut sent = format!("POST {} HTTP/1.1\r\nhost: {host}\r\n", request.uri().path()).into_bytes();
    for (name, value) in request.headers() {
        sent.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    sent.extend(format!("content-length: {}\r\n\r\n", request.body().len()).into_bytes());
    sent.extend(request.body());
    let mut free = Vec::new();
    for _ in 0..at_once {
        free.push((connect(&*host).await, Vec::with_capacity(32 * 1024)));
    }
    let (free, sent) = (Arc::new(Mutex::new(free)), Arc::<[u8]>::from(sent));
    Caller::future(move || {
        let (free, sent, host) = (free.clone(), sent.clone(), host.clone());
        async move {
            let popped = free.lock().expect("no panics").pop();
            let (mut socket, mut received) = popped.expect("a connection for each at once");
            while !ask(&mut socket, &sent, &mut received).await {
                // Some servers hang up when nothing comes for a while.
                socket = connect(&*host).await;
            }
            assert!(received.starts_with(b"HTTP/1.1 200"), "the server refused");
            free.lock().expect("no panics").push((socket, received));
        }
    })
}

/// Whether an answer came; `false` if the server hung up.
async fn ask(socket: &mut TcpStream, sent: &[u8], received: &mut Vec<u8>) -> bool {
    received.clear();
    if socket.write_all(sent).await.is_err() {
        return false;
    }
    while !is_whole(received) {
        if !matches!(socket.read_buf(received).await, Ok(1..)) {
            return false;
        }
    }
    true
}

/// hyper's own connections: one for each at once, or one for all with HTTP/2.
pub(super) async fn raw(server: &Server, request: &Request<Bytes>, at_once: usize) -> Caller {
    if server.ca_pem.is_some() {
        raw_http2(server, request).await
    } else {
        raw_http1(server, request, at_once).await
    }
}

async fn raw_http1(server: &Server, request: &Request<Bytes>, at_once: usize) -> Caller {
    let mut request = request.clone().map(Full::new);
    // Nothing below the pool adds the host or shortens the URI.
    let host = request.uri().authority().expect("a whole URL").as_str().parse().expect("a legal value");
    request.headers_mut().insert("host", host);
    *request.uri_mut() = PathAndQuery::try_from(request.uri().path()).expect("a legal path").into();
    let mut free = Vec::new();
    for _ in 0..at_once {
        let (sender, connection) = http1::handshake(TokioIo::new(connect((LOOPBACK, server.port)).await))
            .await
            .expect("a connection");
        tokio::spawn(connection);
        free.push(sender);
    }
    let free = Arc::new(Mutex::new(free));
    Caller::future(move || {
        let (free, request) = (free.clone(), request.clone());
        async move {
            let mut sender = free.lock().expect("no panics").pop().expect("a connection for each at once");
            sender.ready().await.expect("a connection");
            let response = sender.send_request(request).await.expect("a call");
            drop(response.into_body().collect().await.expect("a body"));
            free.lock().expect("no panics").push(sender);
        }
    })
}

async fn raw_http2(server: &Server, request: &Request<Bytes>) -> Caller {
    let mut config = trust(server);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").expect("a legal name");
    let stream =
        TlsConnector::from(Arc::new(config)).connect(name, connect((LOOPBACK, server.port)).await).await;
    let io = TokioIo::new(stream.expect("TLS"));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.expect("a connection");
    tokio::spawn(connection);
    let request = request.clone().map(Full::new);
    Caller::future(move || {
        let (mut sender, request) = (sender.clone(), request.clone());
        async move {
            let response = sender.send_request(request).await.expect("a call");
            drop(response.into_body().collect().await.expect("a body"));
        }
    })
}

async fn connect(address: impl ToSocketAddrs) -> TcpStream {
    let socket = TcpStream::connect(address).await.expect("the server listens");
    socket.set_nodelay(true).expect("TCP has this");
    socket
}

fn trust(server: &Server) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = &server.ca_pem {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
        roots.add(certificate).expect("a certificate");
    }
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}
