//! Sans-IO core of the [TgScan API](https://tgdev.io/tgscan/api) SDK.
//!
//! This crate has no I/O, no clock, no randomness and no runtime. It turns an API method into an
//! `http::Request<Bytes>` and an `http::Response<Bytes>` into a typed reply, and decides everything in between as
//! pure logic: whether to send again, what a call cost, whether a cap allows it.
//!
//! ```
//! use bytes::Bytes;
//! use tgscan_core::{Api, ApiKey, Client, Credits, Ledger, transport_fn};
//!
//! # futures_executor::block_on(async {
//! // Any transport will do: `tgscan-transport-hyper`, the mock of `tgscan-mock`, or a closure.
//! let transport = transport_fn(|request: http::Request<Bytes>| async move {
//!     assert_eq!(request.uri().path(), "/tgscan/v1/chat/similar");
//!     let body = br#"{"status":"ok","result":{"meta":{"search_query":["a"],"op_cost":3},"groups":[]}}"#;
//!     Ok(http::Response::new(Bytes::from_static(body)))
//! });
//!
//! // The kind of the key decides whether methods or their test methods are called. The cap is in credits.
//! let api = Api::new(ApiKey::live("0123456789abcdef")?).with_ledger(Ledger::new().with_cap(100));
//! let client = Client::new(api, transport);
//!
//! let reply = client.similar_groups("some_group".parse::<tgscan_core::types::GroupQuery>()?).await?;
//! assert_eq!(reply.credits, Credits::Charged(3));
//! assert_eq!(client.ledger().snapshot().charged, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Promises
//!
//! - **No credit is spent twice.** A request that can cost credits is sent again only if the earlier attempt certainly
//!   was not processed. See [`decide`], and [what happens to my credits](_credits) for every case in a table.
//! - **No paid answer is lost.** A [`Reply`] keeps its raw body; every [`Error`] keeps status, headers and all bytes
//!   that were received, with the JSON path and byte offset where reading failed.
//! - **No secret or query is printed.** `Debug` and `Display` of every type here leave them out.
//! - **Nothing panics**, whatever the bytes that come back.
//!
//! # Questions
//!
//! **Why is [`Client`] not generic over its transport?** So that one type fits in everybody's structs, and the real
//! transport can be swapped for a mock at run time. The boxed future costs a fraction of a percent of a call.
//!
//! **Why is a paid call not retried after a timeout?** Because it may have been processed, and the documentation
//! offers no idempotency key with which the service could recognise the second request. The error says "perhaps sent"
//! and the ledger counts it as uncertain until [`Client::reconcile`] compares it with the balance.
//!
//! **Why is an error envelope of a paid method "uncertain"?** Whether a failed call is charged is not documented.
//!
//! **Why does [`Transport`] return whole bodies?** Reading needs the whole answer anyway, and a body that is one value
//! cannot be lost half-way.

mod api;
mod api_key;
mod base_url;
mod call;
mod client;
mod credits;
mod error;
mod ledger;
mod observe;
mod probe;
mod redact;
mod reply;
mod retry;
mod success;
mod timer;
mod transport;

// A page of documentation and nothing else, as a module so that rustdoc shows it and runs its example.
#[doc = include_str!("credits.md")]
pub mod _credits {}

pub use api::Api;
pub use api_key::{ApiKey, InvalidApiKey, KeyKind};
/// Makes `impl Transport` and `impl Timer` possible; from the `async-trait` crate.
pub use async_trait::async_trait;
pub use base_url::{InvalidBaseUrl, is_loopback_host};
pub use call::{Sent, Step, Wait};
pub use client::Client;
pub use credits::Credits;
pub use error::{ApiError, DecodeError, Error, ErrorKind, NotEnvelope, ReadError};
pub use ledger::{CapReached, Ledger, LedgerSnapshot, Reconciliation, Verdict};
pub use observe::{Attempt, CallEnd, Observer};
pub use reply::Reply;
pub use retry::{Decision, Failure, RetryPolicy, Situation, decide};
/// The schemas: request and answer types, validated values, the envelope.
pub use tgscan_types as types;
pub use timer::Timer;
#[cfg(feature = "tower")]
pub use transport::ServiceTransport;
pub use transport::{Delivery, FnTransport, Transport, TransportError, TransportErrorKind, transport_fn};
