//! Servers that answer every request with the same body: the least that an answer can take, for measuring clients, and
//! plain hyper, for measuring servers.

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
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::load::{Side, stay};

/// Where a server listens and how to trust it. It runs on a thread of its own until the program ends.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) port: u16,
    /// With TLS: the certificate to trust.
    pub(super) ca_pem: Option<String>,
}

/// Answers each request of HTTP/1.1 with these bytes and looks at no more of it than where it ends, so that the clients
/// are what is measured.
pub(super) fn least(body: &[u8]) -> Server {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer: Arc<[u8]> = [head.as_bytes(), body].concat().into();
    listen(None, Some(Side::Servers), move |socket| {
        let answer = answer.clone();
        async move {
            // A client that hangs up ends this with an error that nobody needs.
            let _ = answer_all(socket, &answer).await;
        }
    })
}

async fn answer_all(mut socket: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut received = Vec::with_capacity(8192);
    while socket.read_buf(&mut received).await? > 0 {
        if is_whole(&received) {
            received.clear();
            socket.write_all(answer).await?;
        }
    }
    Ok(())
}

/// Whether all of a request or a response is there. Nobody here sends the next one before the answer.
pub(super) fn is_whole(received: &[u8]) -> bool {
    const END: &[u8] = b"\r\n\r\n";
    let Some(head) = received.windows(END.len()).position(|window| window == END) else { return false };
    let length = String::from_utf8_lossy(&received[..head]).lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    received.len() >= head + END.len() + length.unwrap_or_default()
}

/// Serves this body in clear text, with hyper, as people do: other servers are compared with it.
pub(super) fn plain(body: Bytes) -> Server {
    listen(None, None, move |socket| serve(socket, body.clone()))
}

/// Serves this body over TLS as HTTP/2 and looks at no more of a request than HTTP/2 needs, so that the clients are what
/// is measured.
pub(super) fn least_http2(body: Bytes) -> Server {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a legal name");
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the key fits the certificate");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen(Some(made.cert.pem()), Some(Side::Servers), move |socket| {
        let (acceptor, body) = (acceptor.clone(), body.clone());
        async move {
            if let Ok(stream) = acceptor.accept(socket).await {
                // A client that hangs up ends this with an error that nobody needs.
                let _ = answer_streams(stream, body).await;
            }
        }
    })
}

async fn answer_streams(stream: impl AsyncRead + AsyncWrite + Unpin, body: Bytes) -> Result<(), h2::Error> {
    /// More than are open at once, and than a connection's window is wide.
    const MANY: u32 = 1 << 20;
    let mut head = Response::new(());
    head.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
    let mut settings = h2::server::Builder::new();
    settings.max_concurrent_streams(MANY).initial_connection_window_size(MANY);
    let mut connection = settings.handshake(stream).await?;
    // A request that is dropped before its end is reset, so they are held until that is there for long.
    let mut waiting = VecDeque::new();
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        respond.send_response(head.clone(), false)?.send_data(body.clone(), true)?;
        waiting.push_back(request);
        if waiting.len() > 256 {
            waiting.pop_front();
        }
    }
    Ok(())
}

/// A thread that accepts, and has each connection served.
fn listen<F: Future<Output = ()> + Send + 'static>(
    ca_pem: Option<String>,
    side: Option<Side>,
    mut serve: impl FnMut(TcpStream) -> F + Send + 'static,
) -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.set_nonblocking(true).expect("sockets can do without blocking");
    let port = listener.local_addr().expect("it is bound").port();
    let scheme = if ca_pem.is_some() { "https" } else { "http" };
    std::thread::spawn(move || {
        if let Some(side) = side {
            stay(side);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("inside of a runtime");
            while let Ok((socket, _)) = listener.accept().await {
                // A small answer should not wait for more.
                let _ = socket.set_nodelay(true);
                tokio::spawn(serve(socket));
            }
        });
    });
    Server { url: format!("{scheme}://localhost:{port}"), port, ca_pem }
}

async fn serve(socket: TcpStream, body: Bytes) {
    let service = service_fn(move |request: Request<Incoming>| {
        let body = body.clone();
        async move {
            // Read to its end, as every server does that looks at requests.
            drop(request.into_body().collect().await);
            let mut response = Response::new(Full::new(body));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            Ok::<_, Infallible>(response)
        }
    });
    // A client that hangs up ends this with an error that nobody needs.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
}
