//! Servers that answer every request with the same body: minimal ones to measure clients, plain hyper to measure servers.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::body::{SIZES, status_first};
use crate::common::{install_crypto_provider, runtime};
use crate::server::{is_whole, with_head};

/// A server on a separate thread, until the program ends.
pub struct Server {
    pub url: String,
    pub(crate) port: u16,
    /// The certificate to trust, if it speaks TLS.
    pub ca_pem: Option<String>,
}

/// Serves HTTP/1.1 and only finds the end of a request, to measure a client.
pub fn least(body: &[u8]) -> Server {
    let answer: Arc<[u8]> = with_head(body).into();
    listen(None, move |mut socket| {
        let answer = answer.clone();
        async move {
            let mut received = Vec::with_capacity(8192);
            // Returns an error when the client disconnects.
            while matches!(socket.read_buf(&mut received).await, Ok(1..)) {
                if is_whole(&received) {
                    received.clear();
                    let _ = socket.write_all(&answer).await;
                }
            }
        }
    })
}

/// Serves HTTP/1.1 with hyper.
pub fn plain(body: Bytes) -> Server {
    listen(None, move |socket| {
        let body = body.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let body = body.clone();
            async move {
                drop(request.into_body().collect().await);
                let mut response = Response::new(Full::new(body));
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                Ok::<_, Infallible>(response)
            }
        });
        async move {
            let http = auto::Builder::new(TokioExecutor::new());
            let _ = http.serve_connection(TokioIo::new(socket), service).await;
        }
    })
}

/// Serves HTTP/2 over TLS with h2. After the first request of a connection, answers only when `hold` requests wait.
pub fn least_http2(body: Bytes, hold: usize) -> Server {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a legal name");
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the key fits the certificate");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen(Some(made.cert.pem()), move |socket| {
        let (acceptor, body) = (acceptor.clone(), body.clone());
        async move {
            // Returns an error when the client disconnects.
            let _ = answer_streams(acceptor, socket, body, hold).await;
        }
    })
}

async fn answer_streams(
    acceptor: TlsAcceptor,
    socket: TcpStream,
    body: Bytes,
    hold: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    /// Exceeds the number of concurrent streams, and the window of a connection.
    const MANY: u32 = 1 << 20;
    let mut head = Response::new(());
    head.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
    let mut settings = h2::server::Builder::new();
    settings.max_concurrent_streams(MANY).initial_connection_window_size(MANY);
    let mut connection = settings.handshake(acceptor.accept(socket).await?).await?;
    let (mut waiting, mut answered, mut is_first) = (Vec::new(), VecDeque::new(), true);
    while let Some(stream) = connection.accept().await {
        waiting.push(stream?);
        if is_first || waiting.len() >= hold {
            is_first = false;
            for (request, mut respond) in waiting.drain(..) {
                respond.send_response(head.clone(), false)?.send_data(body.clone(), true)?;
                answered.push_back(request);
            }
        }
        // Dropping a request before its end resets it.
        answered.drain(..answered.len().saturating_sub(256.max(hold)));
    }
    Ok(())
}

/// Runs the process that holds answers. Prints its URL and certificate.
pub fn hold(count: usize) {
    install_crypto_provider();
    let server = least_http2(status_first(SIZES[0]), count);
    println!("{}\n{}\n", server.url, server.ca_pem.unwrap_or_default().trim());
    loop {
        std::thread::park();
    }
}

fn listen<F: Future<Output = ()> + Send + 'static>(
    ca_pem: Option<String>,
    mut serve: impl FnMut(TcpStream) -> F + Send + 'static,
) -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.set_nonblocking(true).expect("sockets can do without blocking");
    let port = listener.local_addr().expect("it is bound").port();
    let scheme = if ca_pem.is_some() { "https" } else { "http" };
    std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("inside of a runtime");
            while let Ok((socket, _)) = listener.accept().await {
                let _ = socket.set_nodelay(true);
                tokio::spawn(serve(socket));
            }
        });
    });
    Server { url: format!("{scheme}://localhost:{port}"), port, ca_pem }
}
