//! Distinguishes a server from a pooler.

use std::future::{Ready, ready};
use std::io::{Error as IoError, Result as IoResult};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::join;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio_postgres::Client;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// The length of a request to cancel a statement: its length, a code, a process number and a secret.
const CANCEL: usize = 16;

/// Returns whether the connection is to the server itself, whose process has this number. A pooler makes up the process
/// number for cancelling statements, because it shares the server's sessions among its clients.
pub(super) async fn is_direct(client: &Client, process: i32) -> bool {
    let (near, mut far) = duplex(2 * CANCEL);
    // The client requests TLS first if the connection uses it.
    let answered = far.write_all(b"S").await;
    let announced = async {
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).await.ok()?;
        let number = bytes.get(bytes.len().checked_sub(CANCEL)? + 8..)?.first_chunk()?;
        Some(i32::from_be_bytes(*number))
    };
    // Written to memory, so nothing is cancelled.
    let token = client.cancel_token();
    let (written, announced) = join!(token.cancel_query_raw(near, Unencrypted), announced);
    answered.is_ok() && written.is_ok() && announced == Some(process)
}

/// Passes a stream through unchanged, without TLS.
struct Unencrypted;

impl TlsConnect<DuplexStream> for Unencrypted {
    type Stream = Memory;
    type Error = IoError;
    type Future = Ready<IoResult<Memory>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        ready(Ok(Memory(stream)))
    }
}

struct Memory(DuplexStream);

impl TlsStream for Memory {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Memory {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<IoResult<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
