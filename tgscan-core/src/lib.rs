#![doc = include_str!("../README.md")]
//!
//! # Where to read on
//!
//! - [`Client`] makes calls; [`blocking::call`] is the same for blocking code, without a runtime; [`call::Step`] is what both
//!   are made of.
//! - [`Transport`] carries them: one method, and the rules for writing your own.
//! - [`retry`] has the whole retry rule, and [what happens to my credits](_credits) has every case in a table.
//! - [`Ledger`] adds up what calls cost, and its cap refuses a call before it is sent.
//! - [In a service](_services): callers who leave, tenants, a second provider, keeping answers.
//! - [Design](_design) answers why things are as they are.

mod api;
mod api_key;
mod base_url;
pub mod blocking;
pub mod call;
mod client;
mod credits;
pub mod error;
pub mod ledger;
mod panics;
mod probe;
mod redact;
mod refusal;
mod reply;
pub mod retry;
pub mod store;
mod success;
mod timer;
pub mod transport;

// A page of documentation and nothing else, as a module so that rustdoc shows it and runs its example.
#[doc = include_str!("credits.md")]
pub mod _credits {}

// Another page.
#[doc = include_str!("services.md")]
pub mod _services {}

// And another.
#[doc = include_str!("design.md")]
pub mod _design {}

pub use api::Api;
pub use api_key::{ApiKey, KeyKind};
/// Makes `impl Transport` and `impl Timer` possible; from the `async-trait` crate.
pub use async_trait::async_trait;
/// The crate of request and response bodies, which is part of this API.
pub use bytes;
pub use client::Client;
pub use credits::Credits;
pub use error::{Error, ErrorKind};
/// The crate of requests and responses, which is part of this API.
pub use http;
pub use ledger::{Ledger, Reserve};
pub use refusal::Refusal;
pub use reply::{Reply, Storage};
pub use retry::RetryPolicy;
/// The schemas: request and answer types, validated values, the envelope.
pub use tgscan_types as types;
pub use timer::Timer;
pub use transport::{Transport, TransportError, transport_fn};
