//! A scripted server on a raw loopback socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const OK: &str = r#"{"status":"ok","result":{"num_credits":5}}"#;

/// A server that runs one script per connection until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

impl Server {
    pub(crate) async fn start<Script, Run>(script: Script) -> Self
    where
        Script: Fn(Peer) -> Run + Send + 'static,
        Run: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(Peer { stream, counts: Arc::clone(&counted) }));
            }
        });
        Self { address, counts, accepting }
    }

    /// Answers every request with this response, and keeps connections open.
    pub(crate) async fn answering(response: impl Into<String>) -> Self {
        let response = response.into();
        Self::start(move |mut peer| {
            let response = response.clone();
            async move {
                while peer.read_request().await.is_some() {
                    peer.write(&response).await;
                }
            }
        })
        .await
    }

    /// Reads one request per connection, writes this response, and closes.
    pub(crate) async fn cutting(response: &'static str) -> Self {
        Self::start(move |mut peer| async move {
            peer.read_request().await;
            peer.write(response).await;
        })
        .await
    }

    /// Reads one request per connection, writes this response, and waits until the client disconnects.
    pub(crate) async fn stalling(response: &'static str) -> Self {
        Self::start(move |mut peer| async move {
            peer.read_request().await;
            peer.write(response).await;
            peer.closed().await;
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Returns the number of complete requests.
    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Waits until this many requests are complete. A busy server may read a request after its caller has given up.
    pub(crate) async fn received(&self, count: usize) {
        while self.requests() < count {
            tokio::task::yield_now().await;
        }
        assert_eq!(self.requests(), count);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The client of a connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    counts: Arc<Counts>,
}

impl Peer {
    /// Reads one request with its body. Returns `None` if the client closed.
    pub(crate) async fn read_request(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        loop {
            if let Some(end) = end_of_request(&bytes) {
                assert_eq!(end, bytes.len(), "unexpected bytes after the request");
                self.counts.requests.fetch_add(1, Ordering::SeqCst);
                return Some(String::from_utf8(bytes).unwrap());
            }
            match self.stream.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub(crate) async fn write(&mut self, text: &str) {
        self.write_bytes(text.as_bytes()).await;
    }

    pub(crate) async fn write_bytes(&mut self, bytes: &[u8]) {
        // An error means that the client disconnected, which its result shows.
        let _ = self.stream.write_all(bytes).await;
    }

    /// Waits until the client closes the connection.
    pub(crate) async fn closed(&mut self) {
        while let Ok(1..) = self.stream.read(&mut [0; 1024]).await {}
    }
}

pub(crate) fn end_of_request(bytes: &[u8]) -> Option<usize> {
    let head_end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..head_end]).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let end = head_end + length.map_or(0, |length| length.parse::<usize>().unwrap());
    (bytes.len() >= end).then_some(end)
}

pub(crate) fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}
