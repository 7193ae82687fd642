#![cfg_attr(docsrs, feature(doc_cfg))]
// The first definition of a link counts, so these replace those in the README, which are for readers of the repository.
//! [table]: crate#delivery
//! [discarded]: tgscan_core::Transport::discard_connections
//!
#![doc = include_str!("../README.md")]
//!
//! # Limits
//!
//! The methods of [`HyperTransportBuilder`] state their defaults. Its limits hold per attempt. Limit a whole call with
//! [`Client::with_deadline`](tgscan_core::Client::with_deadline), and change the limits of one call with [`AttemptLimits`].
//!
//! # Delivery
//!
//! Each outcome and the delivery that it reports. Tests force every row:
//!
#![doc = include_str!("delivery.md")]
//!
//! A request that hyper returns unsent goes over the next connection, so the row about idle connections says "an
//! answer". This crate sends no other request twice. A request is also "never sent" if its connection ended and wrote
//! nothing after it received the request.
//!
//! A call checks an idle connection before it uses it: its age, on the monotonic clock and on the wall clock, and the
//! state of its socket, as the operating system reports it. So a call never uses a connection that ended while the
//! runtime was blocked or the machine was suspended. An HTTP/2 connection that was used within the last millisecond is
//! not checked again.
//!
//! # Design questions
//!
//! **Why no ready-made pool?** The pooled client of hyper-util does not report whether a request that failed on a pooled
//! connection was written. hyper's own connections do:
//! [`try_send_request`](https://docs.rs/hyper/latest/hyper/client/conn/http1/struct.SendRequest.html#method.try_send_request)
//! returns a request if, and only if, no part of it was sent. They also need fewer instructions for a call; see
//! `xtask/bench/RESULTS.md`.
//!
//! **Why gzip, and neither brotli nor zstd?** gzip reduces a typical answer of 100 groups from 10,264 bytes to 2,661. brotli would
//! save another 2% of the answer, and zstd nothing, for two or three times as much code. An answer with another coding is returned
//! unchanged, with its `content-encoding`.
//!
//! **Why are answers inspected before hyper reads them?** hyper rejects an answer with a malformed head, such as one with
//! two values of `content-length` or a NUL in some header. h2 rejects an answer with a header that HTTP/2 forbids, such as
//! `connection`, or with another length than announced; a capital letter in the name of a header ends the connection with
//! all its answers, and so do many small or empty DATA frames. This loses answers that have been paid for. So heads are
//! repaired where they have one possible meaning: invalid and forbidden headers are dropped, names are lower-cased, and
//! over HTTP/2 the body ends with its stream. Small DATA frames that follow each other on one stream are joined, and empty
//! ones dropped, both only without padding.
//! hyper also drops the body of an answer with status 101, 204 or 304, and the bytes from a malformed chunk on. Both are kept.
//! (Over HTTP/1.1, the body of such a status is kept only if it arrives with the head: usually none follows.)
//!
//! Some answers remain lost: over both protocols those without a valid status, and over HTTP/2 also those with an undecodable
//! header block or with frames that violate framing or flow control. The latter end the connection, with all calls that wait
//! on it. Each of these calls is "maybe sent": if it is paid, its credits are uncertain, and it is not sent again.
//!
//! # Runtime
//!
//! Calls need a tokio runtime of either kind with I/O and time enabled. Without one they fail as never sent, with an error
//! that names the missing part. (tokio's own panic about it is printed too; in a program built with `panic = "abort"`
//! it ends the program.) Building a transport needs no runtime. A connection serves only calls of the
//! runtime that opened it, because it makes no progress while that runtime does not run. The transport keeps the connections
//! of the 16 most recently used pairs of runtime and host.
//!
//! [`discard_connections`](tgscan_core::Transport::discard_connections) drops every open connection in all runtimes: idle
//! ones are closed immediately, those in use after their calls, and new calls open new ones.
//!
//! # Observability
//!
//! An [`Observer`](tgscan_core::call::Observer) on the client receives the method, duration, attempts, credits and error of
//! each call. With the feature `tracing`, each attempt is a span with OpenTelemetry's names for HTTP clients, without the
//! path of the URL.

mod build_error;
mod builder;
mod connect;
mod failure;
mod frames;
mod heads;
mod incoming;
mod limits;
mod outgoing;
mod pool;
mod probe;
mod proxy;
mod restore;
mod runtime;
mod since;
mod socket;
mod tcp;
mod timer;
mod tls;
#[cfg(feature = "tracing")]
mod traced;
mod transport;
#[cfg(not(feature = "tracing"))]
mod untraced;

pub use build_error::BuildError;
pub use builder::HyperTransportBuilder;
#[cfg(feature = "gzip")]
pub use incoming::EncodedBody;
pub use limits::AttemptLimits;
/// The version of rustls in this transport's API, for [`HyperTransportBuilder::tls_config`] and
/// [`HyperTransportBuilder::crypto_provider`].
pub use rustls;
/// The core of the SDK, whose `Transport` this crate implements.
pub use tgscan_core as core;
/// The types of the core that most programs need.
pub use tgscan_core::{
    Api, ApiKey, Budget, Client, Credits, Error, ErrorKind, Ledger, Period, Refusal, Reply, Reserve,
    RetryPolicy, types,
};
pub use timer::TokioTimer;
#[cfg(feature = "tracing")]
pub use traced::traced;
pub use transport::HyperTransport;

/// Creates a client of the TgScan service with the default settings.
///
/// ```
/// use tgscan_core::{ApiKey, KeyKind};
///
/// // A test key calls the test methods.
/// let client = tgscan_transport_hyper::client(ApiKey::test("0123456789abcdef")?)?;
/// assert_eq!(client.api().key_kind(), KeyKind::Test);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// For another base URL, a cap or other limits, use [`HyperTransport::builder`] and [`HyperTransport::client`].
///
/// # Errors
/// Returns an error if TLS cannot be set up. With the default features this does not happen.
pub fn client(key: tgscan_core::ApiKey) -> Result<tgscan_core::Client, BuildError> {
    Ok(HyperTransport::builder().build()?.client(tgscan_core::Api::new(key)))
}
