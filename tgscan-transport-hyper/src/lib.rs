#![doc = include_str!("../README.md")]
//!
//! # Defaults
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`connect_timeout`](HyperTransportBuilder::connect_timeout) | 10 s | DNS, TCP and TLS together; a failure here is never sent, so failing early costs nothing |
//! | [`attempt_timeout`](HyperTransportBuilder::attempt_timeout) | 30 s | per attempt, from its start to the last byte of the body; hand-written clients of this service use 10 s to 30 s |
//! | [`first_byte_timeout`](HyperTransportBuilder::first_byte_timeout) | none | `attempt_timeout` bounds it |
//! | [`read_timeout`](HyperTransportBuilder::read_timeout) | none | `attempt_timeout` bounds it; an answer that has begun has been paid for |
//! | [`max_body_size`](HyperTransportBuilder::max_body_size) | 64 MiB | far above any documented answer, far below what hurts a process |
//! | [`pool_idle_timeout`](HyperTransportBuilder::pool_idle_timeout) | 50 s | below the 60 s to 75 s after which common servers and gateways close idle connections |
//! | [`pool_max_idle_per_host`](HyperTransportBuilder::pool_max_idle_per_host) | 256 | with HTTP/2 one suffices; bounds the sockets that a burst over HTTP/1.1 leaves behind, and is more than most have under way at once |
//! | [`tcp_keepalive`](HyperTransportBuilder::tcp_keepalive) | 15 s | keeps routers' entries alive, and finds out about a peer that vanished within 45 s |
//! | [`tcp_nodelay`](HyperTransportBuilder::tcp_nodelay) | yes | a request is one small write that should not wait |
//! | [`user_agent`](HyperTransportBuilder::user_agent) | `tgscan-rust/` and the version | |
//! | [`http1_only`](HyperTransportBuilder::http1_only) | no | TLS negotiates HTTP/2 or HTTP/1.1; plain `http` is HTTP/1.1 |
//! | root certificates | Mozilla's | the same everywhere, also in container images that have none; more can be added with [`extra_roots_pem`](HyperTransportBuilder::extra_roots_pem), or trusted alone with [`only_extra_roots`](HyperTransportBuilder::only_extra_roots) |
//! | [`crypto_provider`](HyperTransportBuilder::crypto_provider) | ring | builds with nothing but a C compiler |
//! | gzip (feature `gzip`) | no | answers are small; a feature that another crate turns on should not change what is sent |
//! | proxy (feature `proxy`) | none | the way that requests take is the program's decision; `proxy_from_environment` takes that of the environment |
//! | [`allow_plain_http`](HyperTransportBuilder::allow_plain_http) | no | anyone on the way could read the API key |
//!
//! These limits hold for each attempt, of which a call can have several; a deadline for a whole call is
//! [`Client::with_deadline`](tgscan_core::Client::with_deadline). The times of the attempts and the cap of their bodies can be
//! changed for one call: see [`AttemptLimits`].
//!
//! # Delivery
//!
//! What an ending says about the request, as tests find that force it:
//!
#![doc = include_str!("delivery.md")]
//!
//! A request that hyper hands back, of which nothing was sent, goes over the next connection; that is the "answer" after an
//! idle connection ended. Nothing else is sent twice here. A request is also "never sent" if its connection ends and nothing
//! was written on it since it got the request.
//!
//! A call checks an idle connection when it takes it: its age, on the monotonic clock and on the wall clock, and the state
//! of its socket, of which the system is asked. So a call after a pause of the runtime or of the machine uses no connection
//! that ended meanwhile. Over HTTP/2 a connection that was used within the last millisecond is taken without this check.
//!
//! # Design questions
//!
//! **Why no ready-made pool?** hyper-util's pooled client serves any number of hosts: for each call it writes `host`, hashes
//! the host's name and allocates futures, and it does not say whether a request was written that failed on a pooled
//! connection. On hyper's own connections, a call less decoding takes 0.73 of the instructions (`gates` in `xtask/bench`), and hyper says
//! it: [`try_send_request`](https://docs.rs/hyper/latest/hyper/client/conn/http1/struct.SendRequest.html#method.try_send_request)
//! hands a request back if, and only if, nothing of it was sent. hyper-util's composable pools would allocate an error for
//! each call over HTTP/1.1.
//!
//! **Why gzip, and neither brotli nor zstd?** Of a typical answer of 100 groups, 10,264 bytes, gzip leaves 2,661 at its usual
//! level, brotli 2,405 at the level of common servers (5), and zstd 2,755 at its own (3). So brotli would save another 2% of
//! the answer, and zstd nothing. A decoder of brotli in Rust adds three crates and 190 KB to a program, against 60 KB for
//! gzip; one of zstd adds 130 KB in Rust, or a C library. An answer that a server codes so all the same is handed over as it
//! came, with its `content-encoding`.
//!
//! **Why are answers looked at before hyper gets them?** hyper gives up an answer whose head it cannot read, such as one with
//! two values of `content-length` or a NUL in some header. h2 gives up an answer with a header that HTTP/2 forbids, such as
//! `connection`, or with another length than announced; and all answers of a connection if a header's name has a capital
//! letter. Both are right to be strict with requests; here the answer has been paid for. So heads are put right where there
//! is one way to understand them: headers that are invalid or forbidden are left out, names are in lower case, and over
//! HTTP/2 the body ends where its stream ends.
//!
//! What remains lost: a head without a valid status, over either protocol. Over HTTP/2 also a header block that cannot be
//! decoded, and frames that break the rules of framing and flow control; for these h2 ends the connection, with all calls
//! that wait for an answer on it. Each such call is "maybe sent": if it is paid, its credits are uncertain, and it is not
//! sent again.
//!
//! **Why are `CONNECT`, SOCKS5 and `NO_PROXY` made here?** hyper-util has them, but goes straight to the host where it cannot
//! read a proxy's URL, and does not say how a proxy refused.
//!
//! # Runtime
//!
//! Calls must be made inside a tokio runtime of either kind with I/O and time enabled; elsewhere they fail with a
//! "refused" error, are never sent, and say what to enable (tokio's own panic about it is printed once per runtime; in a
//! program built with `panic = "abort"` it ends the program). A transport can be built anywhere. A connection serves
//! only calls of the runtime in which it was made, so that no call waits for a runtime that nobody runs. Connections are
//! kept for the 16 pairs of runtime and host that were called last.
//!
//! [`discard_connections`](tgscan_core::Transport::discard_connections) gives up every connection that is open, in all
//! runtimes: idle ones are closed, those in use end with their calls, and new calls connect anew.
//!
//! # Watching
//!
//! An [`Observer`](tgscan_core::call::Observer) on the client is told of each call: method, duration, attempts, credits, error.
//! With the feature `tracing` each attempt is a span with OpenTelemetry's names for HTTP clients, without the URL's path.

mod build_error;
mod builder;
mod connect;
#[cfg(not(feature = "proxy"))]
mod direct;
mod failure;
mod frames;
mod heads;
mod incoming;
mod length;
mod limits;
mod outgoing;
mod pool;
#[cfg(feature = "http2")]
mod probe;
#[cfg(feature = "proxy")]
mod proxy;
mod runtime;
mod since;
mod socket;
mod tcp;
mod timer;
mod tls;
#[cfg(feature = "tracing")]
mod traced;
mod traffic;
mod transport;
#[cfg(not(feature = "tracing"))]
mod untraced;

pub use build_error::BuildError;
pub use builder::HyperTransportBuilder;
#[cfg(feature = "gzip")]
pub use incoming::EncodedBody;
pub use limits::AttemptLimits;
/// The rustls of this transport, for [`HyperTransportBuilder::tls_config`] and
/// [`HyperTransportBuilder::crypto_provider`].
pub use rustls;
/// The core of the SDK, whose `Transport` this crate implements.
pub use tgscan_core as core;
/// What most programs need of the core, so that they need no other dependency.
pub use tgscan_core::{
    Api, ApiKey, Client, Credits, Error, ErrorKind, Ledger, Refusal, Reply, Reserve, RetryPolicy, types,
};
pub use timer::TokioTimer;
#[cfg(feature = "tracing")]
pub use traced::traced;
pub use transport::HyperTransport;

/// Creates a client of the live service, with all defaults.
///
/// ```
/// use tgscan_core::{ApiKey, KeyKind};
///
/// // With a test key it calls the test methods there.
/// let client = tgscan_transport_hyper::client(ApiKey::test("0123456789abcdef")?)?;
/// assert_eq!(client.api().key_kind(), KeyKind::Test);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// For anything else (another base URL, a cap, other limits) use [`HyperTransport::builder`] and
/// [`HyperTransport::client`].
///
/// # Errors
/// If TLS cannot be set up, which the defaults do not cause.
pub fn client(key: tgscan_core::ApiKey) -> Result<tgscan_core::Client, BuildError> {
    Ok(HyperTransport::builder().build()?.client(tgscan_core::Api::new(key)))
}
