//! The real transport of the [TgScan API](https://tgdev.io/tgscan/api) SDK: hyper and rustls on tokio.
//!
//! ```no_run
//! use tgscan_core::{ApiKey, types::UserQuery};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // The live service, with all defaults: HTTPS, 30 s per call, retries that never pay twice.
//!     let client = tgscan_transport_hyper::client(ApiKey::live(std::env::var("TGSCAN_API_KEY")?)?)?;
//!
//!     let reply = client.search("some_username".parse::<UserQuery>()?).await?;
//!     println!("{} groups, {}", reply.answer.groups.len(), reply.credits);
//!     Ok(())
//! }
//! ```
//!
//! With settings of your own, another base URL, or a credit cap:
//!
//! ```
//! use std::time::Duration;
//! use tgscan_core::{Api, ApiKey, Ledger};
//! use tgscan_transport_hyper::HyperTransport;
//!
//! let api = Api::with_base_url("https://gateway.example/tgscan", ApiKey::live("0123456789abcdef")?)?
//!     .with_ledger(Ledger::new().with_cap(100));
//! let client = HyperTransport::builder().total_timeout(Duration::from_secs(10)).build()?.client(api);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it never does
//!
//! - **Send a request twice.** hyper-util's own replay is off; whether to send again is decided by
//!   [`tgscan_core::decide`] alone, which knows what a call can cost.
//! - **Guess about delivery.** "Never sent" is claimed only if no connection took the request's body, and from that
//!   moment none can. In doubt it says "perhaps sent".
//! - **Lose what was received.** A response that breaks off, stalls or grows too large keeps its status, headers and
//!   every byte so far.
//! - **Follow a redirect**, or send plain `http` to another host, unless [`HyperTransportBuilder::allow_plain_http`]
//!   says so. The API key goes to the host of the base URL and to no other.
//! - **Trust the process default of rustls.** It names its crypto provider (ring, or another that you choose), so it
//!   neither needs one installed nor panics if another crate links a second one.
//! - **Go around a proxy.** A request for which a proxy was set goes through it or fails as never sent.
//! - **Show the key, the query, a body or a proxy's credentials** in `Debug`, in errors or in logs.
//!
//! # Defaults
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`connect_timeout`](HyperTransportBuilder::connect_timeout) | 10 s | DNS, TCP and TLS together; a failure here is never sent, so failing early costs nothing |
//! | [`total_timeout`](HyperTransportBuilder::total_timeout) | 30 s | from the call to the last byte of the body; hand-written clients of this service use 10 s to 30 s |
//! | [`first_byte_timeout`](HyperTransportBuilder::first_byte_timeout) | none | the total timeout bounds it |
//! | [`body_idle_timeout`](HyperTransportBuilder::body_idle_timeout) | none | the total timeout bounds it; an answer that has begun has been paid for |
//! | [`body_cap`](HyperTransportBuilder::body_cap) | 64 MiB | far above any documented answer, far below what hurts a process |
//! | [`idle_timeout`](HyperTransportBuilder::idle_timeout) | 50 s | below the 60 s to 75 s after which common servers and gateways close idle connections |
//! | [`max_idle_per_host`](HyperTransportBuilder::max_idle_per_host) | 32 | with HTTP/2 one suffices; bounds the sockets that a burst over HTTP/1.1 leaves behind |
//! | [`tcp_keepalive`](HyperTransportBuilder::tcp_keepalive) | 15 s | keeps routers' entries alive, and finds out about a peer that vanished |
//! | [`tcp_nodelay`](HyperTransportBuilder::tcp_nodelay) | yes | a request is one small write that should not wait |
//! | [`user_agent`](HyperTransportBuilder::user_agent) | `tgscan-rust/` and the version | |
//! | [`http1_only`](HyperTransportBuilder::http1_only) | no | TLS negotiates HTTP/2 or HTTP/1.1; plain `http` is HTTP/1.1 |
//! | root certificates | Mozilla's | the same everywhere, also in container images that have none; more can be added with [`extra_roots_pem`](HyperTransportBuilder::extra_roots_pem), or trusted alone with [`only_extra_roots`](HyperTransportBuilder::only_extra_roots) |
//! | [`crypto_provider`](HyperTransportBuilder::crypto_provider) | ring | builds with nothing but a C compiler |
//! | gzip (feature `gzip`) | no | answers are small; a feature that another crate turns on should not change what is sent |
//! | proxy (feature `proxy`) | none | the way that requests take is the program's decision; `proxy_from_environment` takes that of the environment |
//! | [`allow_plain_http`](HyperTransportBuilder::allow_plain_http) | no | anyone on the way could read the API key |
//!
//! The times of an attempt and the cap of its body can be changed for one call: see [`CallLimits`].
//!
//! # Design questions
//!
//! **Why gzip, and neither brotli nor zstd?** Of a typical answer of 100 groups, 10,264 bytes, gzip leaves 2,661 at its usual
//! level, brotli 2,405 at the level of common servers (5), and zstd 2,755 at its own (3). So brotli would save another 2% of
//! the answer, and zstd nothing. A decoder of brotli in Rust adds three crates and 190 KB to a program, against 60 KB for
//! gzip; one of zstd adds 130 KB in Rust, or a C library. An answer that a server codes so all the same is handed over as it
//! came, with its `content-encoding`.
//!
//! # Runtime
//!
//! Calls must be made inside a tokio runtime of either kind with I/O and time enabled; outside of one they fail with a
//! "refused" error. A transport can be built anywhere. Connections belong to the runtime in which they were made, so
//! a transport that outlives a runtime connects again in the next one.
//!
//! # Watching
//!
//! An [`Observer`](tgscan_core::Observer) on the client is told of each call: method, duration, attempts, credits, error.
//! With the feature `tracing` each attempt is a span with OpenTelemetry's names for HTTP clients, without the URL's path.
//!
//! # Features
//!
//! | feature | default | does |
//! |---|---|---|
//! | `http2` | on | offers HTTP/2 to `https` servers beside HTTP/1.1 |
//! | `ring` | on | ring as the crypto provider of TLS |
//! | `aws-lc-rs` | off | aws-lc-rs as the crypto provider, where `ring` is off; with both on, ring is used unless you name the other |
//! | `proxy` | off | `proxy` and `proxy_from_environment` of the builder: HTTP `CONNECT` and SOCKS5 |
//! | `gzip` | off | `gzip` of the builder: compressed answers |
//! | `tracing` | off | a span for each attempt, and `traced` for one around a call, with OpenTelemetry's names; method and attempt are named for clients of `HyperTransport::client` |
//! | `platform-verifier` | off | `HyperTransportBuilder::platform_verifier`: the operating system decides whom to trust |
//!
//! Without `ring` and `aws-lc-rs` the builder needs a provider or a `rustls::ClientConfig` of yours. Apart from `http2`
//! and the spans of `tracing`, a feature that another crate turns on changes nothing: what it adds must be called.

mod build_error;
mod builder;
mod connect;
#[cfg(not(feature = "proxy"))]
mod direct;
mod failure;
mod incoming;
mod limits;
mod outgoing;
#[cfg(feature = "proxy")]
mod proxy;
mod timer;
mod tls;
#[cfg(feature = "tracing")]
mod traced;
mod transport;
#[cfg(not(feature = "tracing"))]
mod untraced;

pub use build_error::BuildError;
pub use builder::HyperTransportBuilder;
pub use limits::CallLimits;
/// The rustls of this transport, for [`HyperTransportBuilder::tls_config`] and
/// [`HyperTransportBuilder::crypto_provider`].
pub use rustls;
pub use timer::TokioTimer;
#[cfg(feature = "tracing")]
pub use traced::traced;
pub use transport::HyperTransport;

/// A client of the live service, with all defaults.
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
