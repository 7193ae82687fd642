#![cfg_attr(docsrs, feature(doc_cfg))]
// The first definition of a link counts, so these replace those in the README, which are for readers of the repository.
//! [`Transport`]: crate::Transport
//!
#![doc = include_str!("../README.md")]
//!
//! # Overview
//!
//! - [`Client`] makes calls asynchronously, [`blocking::call`] on the current thread without a runtime. Both drive
//!   [`call::Step`].
//! - [`Transport`] sends requests: one method, and the rules for an implementation.
//! - [`RetryPolicy`] limits retries. [Credits](_credits) lists every case in which a request is sent again.
//! - [`account`] records the cost of calls. Its caps and budgets refuse calls before they are sent.
//! - [`store`] makes accounting and answers durable, and shares them between processes.
//! - [Services](_services): disconnects, tenants, a second provider, keeping answers.
//! - [Design](_design): the reasons for the design.

pub mod account;
mod api;
mod api_key;
mod base_url;
pub mod blocking;
pub mod call;
mod client;
mod credits;
pub mod error;
mod pace;
mod panics;
mod probe;
mod redact;
mod refusal;
mod reply;
#[doc(hidden)]
pub mod retry;
pub mod store;
mod success;
mod sync;
mod timer;
pub mod transport;

// Pages of documentation, as modules so that rustdoc shows them and runs their examples.
#[doc = include_str!("credits.md")]
pub mod _credits {}

#[doc = include_str!("services.md")]
pub mod _services {}

#[doc = include_str!("design.md")]
pub mod _design {}

pub use account::book::Book;
pub use account::budget::{Budget, Period, Reserve};
pub use account::compare::{Outcome, Reconciliation};
pub use account::ledger::Ledger;
pub use api::Api;
pub use api_key::{ApiKey, KeyKind};
/// The attribute for `impl Transport` and `impl Timer`, from the `async-trait` crate.
pub use async_trait::async_trait;
/// The `bytes` crate, whose `Bytes` is the type of request and response bodies.
pub use bytes;
pub use client::{Client, Drained};
pub use credits::Credits;
pub use error::call::{Error, ErrorKind};
/// The `http` crate, whose types are part of this API.
pub use http;
pub use refusal::Refusal;
pub use reply::{Reply, Storage};
pub use retry::policy::RetryPolicy;
/// The schemas: request and answer types, validated values, the envelope.
pub use tgscan_types as types;
pub use timer::Timer;
pub use transport::Transport;
pub use transport::adapters::transport_fn;
pub use transport::error::TransportError;
