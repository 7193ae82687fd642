//! Custom transports of the TgScan SDK, each of which passes the conformance suite of `tgscan-mock`.
//!
//! Copy them: each is one small file, and they share little.
//!
//! | transport | over | shares |
//! |---|---|---|
//! | [`ReqwestTransport`] | reqwest, asynchronous, with pooled connections | `body`, `tls` |
//! | [`UreqTransport`] | ureq, blocking, on tokio's blocking threads | `send` of the blocking example |
//! | [`layered`] | any transport, with tower's layers for time and concurrency limits | nothing |
//! | [`one_connection_per_call`] | a closure around hyper, with a new connection for each call | `body`, `tls` |
//!
//! The difficult part of each is to report correctly whether a request may have reached the service, since the core
//! retries a paid request only if it certainly was not processed. See `body.rs`.

mod body;
mod over_closure;
mod over_reqwest;
mod over_tower;
mod over_ureq;
mod tls;

pub use over_closure::one_connection_per_call;
pub use over_reqwest::ReqwestTransport;
pub use over_tower::{HttpService, layered};
pub use over_ureq::UreqTransport;
pub use tgscan_example_blocking::Settings;
