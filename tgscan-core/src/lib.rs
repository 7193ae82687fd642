#![doc = include_str!("../README.md")]
//!
//! # Where to read on
//!
//! - [`Client`] makes calls; [`Step`] is the same for blocking code, in ten lines and without a runtime.
//! - [`Transport`] is what carries them: one method, and the rules for writing your own.
//! - [`decide`] is the whole rule of sending again, and [what happens to my credits](_credits) has every case in a table.
//! - [`Ledger`] adds up what calls cost, and its cap refuses a call before it is sent.
//! - [Design](_design) answers why things are as they are.

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
mod refusal;
mod reply;
mod retry;
mod success;
mod timer;
mod transport;

// A page of documentation and nothing else, as a module so that rustdoc shows it and runs its example.
#[doc = include_str!("credits.md")]
pub mod _credits {}

// Another page.
#[doc = include_str!("design.md")]
pub mod _design {}

pub use api::Api;
pub use api_key::{ApiKey, InvalidApiKey, KeyKind};
/// Makes `impl Transport` and `impl Timer` possible; from the `async-trait` crate.
pub use async_trait::async_trait;
pub use base_url::{InvalidBaseUrl, is_loopback_host};
pub use call::{Sent, Step, Wait};
pub use client::Client;
pub use credits::Credits;
pub use error::{ApiError, DecodeError, Error, ErrorKind, NotEnvelope, ReadError};
pub use ledger::{CapReached, Ledger, LedgerSnapshot, Reconcile, ReconcileOutcome, Reconciliation, Reserve};
pub use observe::{Attempt, CallEnd, Observer};
pub use refusal::{Classifier, Refusal};
pub use reply::Reply;
pub use retry::{Decision, Failure, RetryPolicy, Situation, StatusRule, decide};
/// The schemas: request and answer types, validated values, the envelope.
pub use tgscan_types as types;
pub use timer::Timer;
#[cfg(feature = "tower")]
pub use transport::ServiceTransport;
pub use transport::{Delivery, FnTransport, Transport, TransportError, TransportErrorKind, transport_fn};
