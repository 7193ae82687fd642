//! Accepts connections and serves HTTP/1.1 on them, within limits.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;

use super::http::handle;
use super::metrics;
use super::state::Gateway;

/// More than any client sends.
const MAX_HEADERS: usize = 64;
/// The pause when the system has no free sockets.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// The response to a connection above the limit.
const TOO_MANY: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n",
    "content-length: 108\r\n\r\n",
    r#"{"status":"error","result":{"message":"the gateway has too many connections","code":"too_many_connections"}}"#,
);

/// Serves until `stop` is ready, then waits up to `limits.drain` for requests in flight. Returns whether all have ended,
/// and the end of that limit.
pub(crate) async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> (bool, Instant) {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(gateway.state().config.limits.connections));
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => match permits.clone().try_acquire_owned() {
                    Ok(permit) => {
                        let served = connection(gateway.clone(), stream, peer, graceful.watcher());
                        tokio::spawn(async move {
                            let counted = metrics::Connection::open();
                            served.await;
                            drop((counted, permit));
                        });
                    }
                    // Whether it arrives or not.
                    Err(_) => drop(stream.try_write(TOO_MANY.as_bytes())),
                },
                Err(error) => {
                    gateway.log.event("accept_failed", json!({ "error": error.kind().to_string() }));
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop => {}
    }
    drop(listener);
    gateway.close();
    let until = Instant::now() + gateway.state().config.limits.drain;
    (tokio::time::timeout_at(until, graceful.shutdown()).await.is_ok(), until)
}

async fn connection(gateway: Arc<Gateway>, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
    let state = gateway.state();
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    // A caller who does not read its answer.
    stream.set_write_timeout(Some(state.config.limits.body_timeout));
    let stream = Box::pin(stream);
    let Some(tls) = state.tls.clone() else {
        drop(state);
        return requests(gateway, stream, peer, watcher).await;
    };
    let handshake = tokio::time::timeout(state.config.limits.head_timeout, tls.accept(stream));
    // Not kept while the connection lasts, which may be longer than the configuration.
    drop(state);
    if let Ok(Ok(stream)) = handshake.await {
        requests(gateway, stream, peer, watcher).await;
    }
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    gateway: Arc<Gateway>,
    stream: S,
    peer: SocketAddr,
    watcher: Watcher,
) {
    let limits = gateway.state().config.limits.clone();
    let is_local = peer.ip().to_canonical().is_loopback();
    let service = service_fn(move |request| {
        let gateway = gateway.clone();
        async move { Ok::<_, Infallible>(handle(gateway, is_local, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    // The error of a connection concerns only its caller.
    let _ = watcher.watch(connection).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_for_too_many_connections_has_its_length() {
        let (head, body) = TOO_MANY.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["result"]["code"], "too_many_connections");
    }
}
