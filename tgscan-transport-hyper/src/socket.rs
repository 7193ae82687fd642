//! The socket of a connection, as hyper reads and writes it.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::client::TlsStream;

use crate::frames::Frames;
use crate::heads::Heads;
use crate::probe::{self, ProbeReceiver, ProbeSender};
use crate::tcp::{Tcp, Traffic};

/// The maximum number of inspected bytes per read.
const CHUNK_SIZE: usize = 8 << 10;

/// TCP with or without TLS. Repairs received heads before hyper reads them, so that no answer with a malformed head or a
/// wrong length is lost.
pub(crate) struct Socket {
    stream: TokioIo<Box<dyn Stream>>,
    incoming: Incoming,
    /// The end of the stream, or its error, which hyper receives after all bytes.
    end: Option<io::Result<()>>,
    traffic: Traffic,
    probes: Option<ProbeReceiver>,
}

enum Incoming {
    Http1(Heads),
    Http2(Frames),
}

/// A stream with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Socket {
    pub(crate) fn plain(stream: Tcp) -> Self {
        let traffic = stream.traffic().clone();
        Self::new(Box::new(stream), traffic, Incoming::Http1(Heads::default()))
    }

    pub(crate) fn tls(mut stream: TlsStream<Tcp>) -> Self {
        let incoming = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Incoming::Http2(Frames::default()),
            _ => Incoming::Http1(Heads::default()),
        };
        if let Incoming::Http2(_) = incoming {
            stream.get_mut().0.check_before_requests();
        }
        let traffic = stream.get_ref().0.traffic().clone();
        Self::new(Box::new(stream), traffic, incoming)
    }

    fn new(stream: Box<dyn Stream>, traffic: Traffic, incoming: Incoming) -> Self {
        Self { stream: TokioIo::new(stream), incoming, end: None, traffic, probes: None }
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Returns a sender that lets calls wait until the connection's task has read all received bytes.
    pub(crate) fn prober(&mut self) -> ProbeSender {
        let (sender, receiver) = probe::channel();
        self.probes = Some(receiver);
        sender
    }

    /// Returns whether the server chose HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.incoming, Incoming::Http2(_))
    }
}

impl Incoming {
    /// Returns whether the next bytes must be inspected.
    fn needs_inspection(&self) -> bool {
        match self {
            Self::Http1(heads) => heads.need_inspection(),
            Self::Http2(_) => true,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Http1(heads) => heads.push(bytes),
            Self::Http2(frames) => frames.push(bytes),
        }
    }

    /// Returns the next bytes for hyper, at most `room`; `None` if more must be received first.
    fn next(&mut self, room: usize) -> Option<io::Result<BytesMut>> {
        match self {
            Self::Http1(heads) => heads.next(room),
            Self::Http2(frames) => frames.next(room).map(Ok),
        }
    }
}

impl Socket {
    fn poll_incoming(
        &mut self,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, incoming, end, traffic, .. } = self;
        loop {
            if let Some(next) = incoming.next(buffer.remaining()) {
                buffer.put_slice(&next?);
                return Poll::Ready(Ok(()));
            }
            if let Some(end) = end {
                return Poll::Ready(std::mem::replace(end, Ok(())));
            }
            if !incoming.needs_inspection() {
                return Pin::new(stream).poll_read(context, buffer);
            }
            let mut space = [MaybeUninit::uninit(); CHUNK_SIZE];
            let mut chunk = ReadBuf::uninit(&mut space);
            let read = ready!(Pin::new(&mut *stream).poll_read(context, chunk.unfilled()));
            if read.is_err() || chunk.filled().is_empty() {
                traffic.end();
                *end = Some(read);
            }
            if let Incoming::Http1(heads) = incoming {
                if chunk.filled().len() <= buffer.remaining() && heads.pass(chunk.filled()) {
                    buffer.put_slice(chunk.filled());
                    return Poll::Ready(Ok(()));
                }
            }
            incoming.push(chunk.filled());
        }
    }
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        let read = socket.poll_incoming(context, buffer);
        if let (Poll::Pending, Some(probes)) = (&read, &mut socket.probes) {
            probes.answer(context);
        }
        read
    }
}

impl Write for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, incoming, .. } = self.get_mut();
        let written = Pin::new(stream).poll_write(context, bytes);
        if let (Poll::Ready(Ok(1..)), Incoming::Http1(heads)) = (&written, incoming) {
            heads.expect_head();
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
