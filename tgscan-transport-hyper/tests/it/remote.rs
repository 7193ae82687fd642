//! A server in a separate runtime, which ends idle connections while the client's runtime is blocked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tgscan_transport_hyper::{HyperTransport, HyperTransportBuilder};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedMutexGuard, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::server::{OK, end_of_request, response};
use crate::tls_server::{Authority, for_host};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Plain,
    Tls,
    Http2,
}

impl Protocol {
    /// Returns whether all calls share one connection.
    pub(crate) fn is_shared(self) -> bool {
        !matches!(self, Self::Plain | Self::Tls)
    }
}

/// A way to end a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Fin,
    /// `close_notify`, then FIN.
    CloseNotify,
    Reset,
    Goaway,
    /// A PING frame, then FIN.
    Ping,
    /// `close_notify` without FIN.
    CloseNotifyAlone,
    /// An answer without a request.
    Timeout408,
    /// A TLS key update, then FIN.
    KeyUpdate,
}

/// The route from client to server. The server itself plays the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    Connect,
    Socks,
}

pub(crate) struct Remote {
    address: SocketAddr,
    protocol: Protocol,
    way: Way,
    authority: Authority,
    shared: Arc<Shared>,
    ended: Mutex<Receiver<SocketAddr>>,
    runtime: Runtime,
}

struct Shared {
    protocol: Protocol,
    way: Way,
    ending: Ending,
    /// The number of connections to end.
    end: Semaphore,
    /// Requests are answered only while this is free.
    answers: Arc<tokio::sync::Mutex<()>>,
    client: Mutex<Option<SocketAddr>>,
    ended: Sender<SocketAddr>,
    connections: AtomicUsize,
    requests: AtomicUsize,
}

impl Remote {
    pub(crate) fn start(protocol: Protocol, way: Way, ending: Ending) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let authority = Authority::new();
        let alpn = if protocol == Protocol::Http2 { "h2" } else { "http/1.1" };
        let acceptor = TlsAcceptor::from(Arc::new(authority.server(&for_host("127.0.0.1"), &[alpn])));
        let (sender, ended) = channel();
        let shared = Arc::new(Shared {
            protocol,
            way,
            ending,
            end: Semaphore::new(0),
            answers: Arc::default(),
            client: Mutex::default(),
            ended: sender,
            connections: AtomicUsize::default(),
            requests: AtomicUsize::default(),
        });
        runtime.spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    shared.connections.fetch_add(1, SeqCst);
                    tokio::spawn(serve(stream, acceptor.clone(), Arc::clone(&shared)));
                }
            }
        });
        Self { address, protocol, way, authority, shared, ended: Mutex::new(ended), runtime }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.protocol == Protocol::Plain { "http" } else { "https" };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn builder(&self) -> HyperTransportBuilder {
        let builder = self.authority.trusted();
        match self.way {
            Way::Direct => builder,
            Way::Connect => builder.proxy(format!("http://{}", self.address)),
            Way::Socks => builder.proxy(format!("socks5://{}", self.address)),
        }
    }

    pub(crate) fn transport(&self) -> HyperTransport {
        self.builder().build().unwrap()
    }

    /// Blocks this thread until the server has ended this many connections and the client's sockets have received it, and
    /// for some milliseconds more.
    pub(crate) fn end_while_blocked(&self, count: usize) {
        let ended = self.ended.lock().unwrap();
        self.shared.end.add_permits(count);
        for _ in 0..count {
            let client = ended.recv().unwrap();
            while is_quiet(client, self.address) {
                std::hint::spin_loop();
            }
        }
        block_for(Duration::from_millis(3));
    }

    /// Stops the server from answering requests while the guard is held.
    pub(crate) fn hold_answers(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.shared.answers).try_lock_owned().unwrap()
    }

    /// Blocks this thread until the client's socket has received the answer.
    pub(crate) fn answer_while_blocked(&self, answers: OwnedMutexGuard<()>) {
        drop(answers);
        let client = self.shared.client.lock().unwrap().unwrap();
        while is_quiet(client, self.address) {
            std::hint::spin_loop();
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// Returns the number of complete requests.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(SeqCst)
    }

    pub(crate) fn stop(self) {
        self.runtime.shutdown_background();
    }
}

/// Blocks this thread, like a long computation.
pub(crate) fn block_for(duration: Duration) {
    let (_kept, never) = channel::<()>();
    let _ = never.recv_timeout(duration);
}

/// Returns whether the client's socket is open and has no unread bytes. A busy system delivers late, even on loopback, so the
/// result may be outdated.
fn is_quiet(client: SocketAddr, server: SocketAddr) -> bool {
    let Ok(table) = std::fs::read_to_string("/proc/net/tcp") else { return false };
    let [client, server] = [client, server].map(|address| format!("0100007F:{:04X}", address.port()));
    table.lines().any(|line| {
        // Number, local and remote address, state (1 is established), and the send and receive queues.
        let mut fields = line.split_whitespace().skip(1);
        fields.next() == Some(&client)
            && fields.next() == Some(&server)
            && fields.next() == Some("01")
            && fields.next().is_some_and(|queues| queues.ends_with(":00000000"))
    })
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let client = stream.peer_addr().unwrap();
    *shared.client.lock().unwrap() = Some(client);
    if shared.ending == Ending::Reset {
        stream.set_zero_linger().unwrap();
    }
    let stream = match shared.way {
        Way::Direct => stream,
        Way::Connect => connect_tunnel(stream).await,
        Way::Socks => socks_tunnel(stream).await,
    };
    match shared.protocol {
        Protocol::Plain => serve_http1(stream, &shared).await,
        Protocol::Tls => serve_http1(acceptor.accept(stream).await.unwrap(), &shared).await,
        Protocol::Http2 => serve_http2(acceptor.accept(stream).await.unwrap(), &shared).await,
    }
    shared.ended.send(client).unwrap();
}

/// TCP with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin {
    async fn update_key(&mut self) {}
}

impl Stream for TcpStream {}

impl Stream for TlsStream<TcpStream> {
    async fn update_key(&mut self) {
        self.get_mut().1.refresh_traffic_keys().unwrap();
        self.flush().await.unwrap();
    }
}

async fn connect_tunnel(mut stream: TcpStream) -> TcpStream {
    read_request(&mut stream).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    stream
}

/// RFC 1928: version and methods; version, command, a reserved byte, and an IPv4 address with its port.
async fn socks_tunnel(mut stream: TcpStream) -> TcpStream {
    stream.read_exact(&mut [0; 3]).await.unwrap();
    stream.write_all(&[5, 0]).await.unwrap();
    stream.read_exact(&mut [0; 10]).await.unwrap();
    stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 1]).await.unwrap();
    stream
}

async fn serve_http1(mut stream: impl Stream, shared: &Shared) {
    loop {
        tokio::select! {
            biased;
            permit = shared.end.acquire() => break permit.unwrap().forget(),
            request = read_request(&mut stream) => {
                // The client disconnected.
                let Some(()) = request else { return std::future::pending().await };
                shared.requests.fetch_add(1, SeqCst);
                drop(shared.answers.lock().await);
                stream.write_all(response("200 OK", "", OK).as_bytes()).await.unwrap();
            }
        }
    }
    match shared.ending {
        Ending::CloseNotify => stream.shutdown().await.unwrap(),
        Ending::CloseNotifyAlone => {
            stream.shutdown().await.unwrap();
            std::mem::forget(stream);
        }
        Ending::Timeout408 => {
            let answer = response("408 Request Timeout", "connection: close\r\n", "");
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
        Ending::KeyUpdate => stream.update_key().await,
        _ => {}
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<()> {
    let mut bytes = Vec::new();
    while end_of_request(&bytes).is_none() {
        if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
            return None;
        }
    }
    Some(())
}

async fn serve_http2(stream: TlsStream<TcpStream>, shared: &Shared) {
    let mut http = h2::server::handshake(stream).await.unwrap();
    loop {
        tokio::select! {
            biased;
            permit = shared.end.acquire() => break permit.unwrap().forget(),
            request = http.accept() => {
                let Some(Ok((_, mut respond))) = request else { return std::future::pending().await };
                shared.requests.fetch_add(1, SeqCst);
                drop(shared.answers.lock().await);
                let mut body = respond.send_response(http::Response::new(()), false).unwrap();
                body.send_data(OK.into(), true).unwrap();
            }
        }
    }
    if shared.ending == Ending::Goaway {
        http.abrupt_shutdown(h2::Reason::NO_ERROR);
        while http.accept().await.is_some() {}
    }
    if shared.ending == Ending::Ping {
        http.ping_pong().unwrap().send_ping(h2::Ping::opaque()).unwrap();
        // Writes the frame; the blocked client does not answer.
        let written = std::future::poll_fn(|context| Poll::Ready(http.poll_accept(context).is_pending()));
        assert!(written.await);
    }
}
