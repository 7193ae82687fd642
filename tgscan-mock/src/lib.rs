#![cfg_attr(docsrs, feature(doc_cfg))]
// rustdoc cannot find the README's picture. The first definition of its name is used: an empty one.
#![doc = "[inspector]: data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="]
#![doc = include_str!("../README.md")]
//!
//! # Faults
//!
//! [`Mock::script`] makes the next requests fail with any [`FaultKind`], charged or not, so that you can test cases
//! such as "charged, then the connection dropped". The feature `conformance` has a suite that runs all of them against
//! your own transport.
//!
//! # Use in your tests
//!
//! `Client` is the same type with every transport, so swapping the mock in takes one line and no `cfg`. The `examples`
//! folder shows each case with its tests: a struct that owns a `Client`, a service with shared state, a property test,
//! handling faults, and blocking code.
//!
//! # Expectations
//!
//! [`Mock::expect`] sets which calls a test expects, how often, in which order, and the response to each: a given
//! answer, a fault, or random data. [`Mock::verify`], or dropping the original handle, reports missing and unexpected
//! calls.
//!
//! # Time
//!
//! [`Mock::timer`] is a clock that does not wait: latencies, backoffs and deadlines take no real time. A store uses it
//! through its [`wall_clock`](VirtualTimer::wall_clock), so that a test decides when stored answers expire.
//!
//! # Assumptions
//!
//! The service's documentation leaves some points open. The docs of the mock mark each choice as an assumption, such as
//! the HTTP status of error envelopes ([`ErrorStatus`]), the price of calls ([`MockBuilder::cost`]), the response to an
//! unknown account ([`UnknownAccounts`]), and that the balance method also accepts a test key. Do not rely on them;
//! change the settings to test the alternatives.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod data;
mod engine;
#[cfg(feature = "openapi")]
mod openapi;
/// The outcome of a request, for code that sends it over its own wire: a server, a simulation.
pub mod outcome {
    pub use crate::engine::{Class, End, Outcome, Wire};
}
#[cfg(any(feature = "openapi", feature = "server"))]
mod schema;
#[cfg(feature = "server")]
mod server;
mod timer;
mod transport;

pub use engine::{
    Account, ErrorStatus, Expect, Fault, FaultKind, InvalidMock, KeyKind, Manner, Mock, MockBuilder,
    RecordedRequest, Repeat, UnknownAccounts, UnmetExpectations,
};
#[doc(hidden)]
pub use engine::{MethodCost, ScriptStep};
#[cfg(feature = "openapi")]
pub use openapi::openapi;
#[cfg(feature = "server")]
pub use server::{MockServer, ServerOptions};
/// The core of the SDK, whose `Transport` this crate implements.
pub use tgscan_core as core;
/// The types that most tests need, so that they need no other dependency.
pub use tgscan_core::{Client, Credits, Error, ErrorKind, Refusal, Reply, types};
pub use timer::VirtualTimer;
