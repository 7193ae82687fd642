//! The clients: raw hyper, hyper-util's pooled client, reqwest, ureq and the SDK.

use std::pin::Pin;
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
use tgscan_core::{Api, ApiKey};
use tgscan_transport_hyper::HyperTransport;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::servers::Server;
use crate::body::Plain;
use crate::common::{KEY, Operation, PATH, query, runtime};
use crate::server::is_whole;

/// The form that reqwest and ureq send.
pub const FORM: [(&str, &str); 1] = [("query", "some_username")];

/// Makes one call.
pub type Caller = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

fn caller<F: Future<Output = ()> + Send + 'static>(call: impl Fn() -> F + Send + Sync + 'static) -> Caller {
    Arc::new(move || Box::pin(call()))
}

/// Makes `calls` calls in each of `concurrency` tasks.
pub async fn many(call: &Caller, concurrency: usize, calls: usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..concurrency {
        let call = call.clone();
        tasks.spawn(async move {
            for _ in 0..calls {
                call().await;
            }
        });
    }
    tasks.join_all().await;
}

pub fn sdk(server: &Server) -> Caller {
    let api = Api::with_base_url(&server.url, ApiKey::live(KEY).expect("a legal key")).expect("a legal URL");
    let mut transport = HyperTransport::builder();
    if let Some(pem) = &server.ca_pem {
        transport = transport.extra_roots_pem(pem.clone());
    }
    let (client, query) = (transport.build().expect("legal settings").client(api), query());
    caller(move || {
        let (client, query) = (client.clone(), query.clone());
        async move { drop(client.search(query).await.expect("a call")) }
    })
}

/// Calls with reqwest. Decodes the answer into types or, with `through_value`, into a tree first.
pub fn reqwest(server: &Server, through_value: bool) -> Caller {
    let mut client = reqwest::Client::builder();
    if let Some(pem) = &server.ca_pem {
        let certificate = reqwest::Certificate::from_pem(pem.as_bytes()).expect("a certificate");
        client = client.tls_certs_only([certificate]);
    }
    let client = client.build().expect("legal settings");
    let url = Arc::<str>::from(format!("{}{PATH}", server.url));
    caller(move || {
        let (client, url) = (client.clone(), url.clone());
        async move { reqwest_call(&client, &url, through_value).await }
    })
}

async fn reqwest_call(client: &reqwest::Client, url: &str, through_value: bool) {
    let response = client.post(url).header("Api-Key", KEY).form(&FORM).send().await.expect("a call");
    let answer: Plain = if through_value {
        let value = response.json::<serde_json::Value>().await.expect("an answer");
        serde_json::from_value(value).expect("it fits")
    } else {
        response.json().await.expect("an answer")
    };
    drop(answer);
}

/// Returns a request for cloning.
pub fn request(server: &Server) -> Request<Bytes> {
    Request::post(format!("{}{PATH}", server.url))
        .header("api-key", KEY)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from_static(b"query=some_username"))
        .expect("all parts are legal")
}

/// Calls with hyper-util's pooled client, which sends clones of one request and passes the body to `read`.
pub fn pooled(server: &Server, read: fn(Bytes)) -> Caller {
    let mut sockets = HttpConnector::new();
    sockets.enforce_http(false);
    // HTTP/2 is slow without it.
    sockets.set_nodelay(true);
    let tls = HttpsConnectorBuilder::new().with_tls_config(trust(server)).https_or_http();
    let connector = tls.enable_all_versions().wrap_connector(sockets);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let request = request(server).map(Full::new);
    caller(move || {
        let response = client.request(request.clone());
        async move {
            let response = response.await.expect("a call");
            assert!(response.status().is_success(), "the server answered {}", response.status());
            read(response.into_body().collect().await.expect("a body").to_bytes());
        }
    })
}

/// Calls over hyper's connections: one per task, or one for all with HTTP/2.
pub async fn raw(server: &Server, concurrency: usize) -> Caller {
    if server.ca_pem.is_some() { raw_http2(server).await } else { raw_http1(server, concurrency).await }
}

async fn raw_http1(server: &Server, concurrency: usize) -> Caller {
    let mut request = request(server).map(Full::new);
    // Raw hyper neither adds the host nor shortens the URI.
    let host = request.uri().authority().expect("a whole URL").as_str().parse().expect("a legal value");
    request.headers_mut().insert("host", host);
    *request.uri_mut() = PathAndQuery::from_static(PATH).into();
    let mut free = Vec::new();
    for _ in 0..concurrency {
        let io = TokioIo::new(connect(("127.0.0.1", server.port)).await);
        let (sender, connection) = http1::handshake(io).await.expect("a connection");
        tokio::spawn(connection);
        free.push(sender);
    }
    let free = Arc::new(Mutex::new(free));
    caller(move || {
        let (free, request) = (free.clone(), request.clone());
        async move {
            let mut sender = free.lock().expect("no panics").pop().expect("a connection for each task");
            sender.ready().await.expect("a connection");
            let response = sender.send_request(request).await.expect("a call");
            drop(response.into_body().collect().await.expect("a body"));
            free.lock().expect("no panics").push(sender);
        }
    })
}

async fn raw_http2(server: &Server) -> Caller {
    let mut config = trust(server);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").expect("a legal name");
    let socket = connect(("127.0.0.1", server.port)).await;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("TLS");
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = handshake.expect("a connection");
    tokio::spawn(connection);
    let request = request(server).map(Full::new);
    caller(move || {
        let (mut sender, request) = (sender.clone(), request.clone());
        async move {
            let response = sender.send_request(request).await.expect("a call");
            drop(response.into_body().collect().await.expect("a body"));
        }
    })
}

/// Sends prepared bytes over HTTP/1.1 and only finds the end of the response, to measure a server.
pub async fn least(request: &Request<Bytes>, concurrency: usize) -> Caller {
    let host = Arc::<str>::from(request.uri().authority().expect("a whole URL").as_str());
    let mut free = Vec::new();
    for _ in 0..concurrency {
        free.push((connect(&*host).await, Vec::with_capacity(32 * 1024)));
    }
    let (free, sent) = (Arc::new(Mutex::new(free)), Arc::<[u8]>::from(to_bytes(request)));
    caller(move || {
        let (free, sent, host) = (free.clone(), sent.clone(), host.clone());
        async move {
            let popped = free.lock().expect("no panics").pop();
            let (mut socket, mut received) = popped.expect("a connection for each task");
            while !ask(&mut socket, &sent, &mut received).await {
                socket = connect(&*host).await;
            }
            assert!(received.starts_with(b"HTTP/1.1 200"), "the server refused");
            free.lock().expect("no panics").push((socket, received));
        }
    })
}

/// Returns whether an answer was received; mockito sometimes disconnects.
async fn ask(socket: &mut TcpStream, sent: &[u8], received: &mut Vec<u8>) -> bool {
    received.clear();
    let mut is_open = socket.write_all(sent).await.is_ok();
    while is_open && !is_whole(received) {
        is_open = matches!(socket.read_buf(received).await, Ok(1..));
    }
    is_open
}

/// Encodes a request for HTTP/1.1.
pub fn to_bytes(request: &Request<Bytes>) -> Vec<u8> {
    let (uri, body) = (request.uri(), request.body());
    let mut bytes = format!("POST {} HTTP/1.1\r\nhost: localhost\r\n", uri.path()).into_bytes();
    for (name, value) in request.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
    bytes.extend(body);
    bytes
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

/// Returns the operation with this name, which makes one call at a time.
pub(crate) fn by_name(name: &str, url: &str) -> Option<Operation> {
    let url = format!("{url}{PATH}");
    match name {
        "whole-reqwest" | "whole-reqwest-value" => {
            let (runtime, client, through_value) =
                (runtime(), reqwest::Client::new(), name.ends_with("value"));
            Some(Box::new(move || runtime.block_on(reqwest_call(&client, &url, through_value))))
        }
        "whole-ureq" => {
            let agent = ureq::Agent::new_with_defaults();
            Some(Box::new(move || ureq_call(&agent, &url)))
        }
        _ => None,
    }
}

pub fn ureq_call(agent: &ureq::Agent, url: &str) {
    let mut response = agent.post(url).header("Api-Key", KEY).send_form(FORM).expect("a call");
    drop(response.body_mut().read_json::<Plain>().expect("an answer"));
}
