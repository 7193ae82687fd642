#![doc = include_str!("../README.md")]
//!
//! # Faults
//!
//! [`Mock::script`] lets the next requests fail in any of the ways of [`FaultKind`], charged or not, so that you can
//! test what your code does when "charged, then the line dropped". The feature `conformance` has a suite that runs all
//! of them against a transport of your own.
//!
//! # Swapping it in
//!
//! `Client` is one type whatever carries it, so it is one line, and your code needs no `cfg`. The `examples` folder has
//! each case with its tests: a struct that owns a `Client`, a service with shared state, a property test, your own
//! handling of faults, and blocking code.
//!
//! # Expectations
//!
//! [`Mock::expect`] says which calls a test wants to see, how often and in which order, and what each of them gets:
//! a pinned answer, a fault, or random data as usual. [`Mock::verify`], or dropping the handle that was built, reports the
//! calls that did not come and those that were not expected.
//!
//! # Time
//!
//! [`Mock::timer`] is a clock that does not wait: latencies, backoffs and deadlines pass in no time. A store joins it by
//! its [`wall_clock`](VirtualTimer::wall_clock), so that stored answers expire when a test says so.
//!
//! # What it assumes
//!
//! Where the documentation is silent, the mock does what its docs call an assumption: the HTTP status of error
//! envelopes ([`ErrorStatus`]), the price of calls ([`MockBuilder::cost`]), and that balance takes a test key too.
//! Nobody should rely on them; the settings are there so that you can test both.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod data;
mod engine;
#[cfg(feature = "openapi")]
mod openapi;
/// What a request gets back from the engine, for those who carry it over a wire of their own: a server, a simulation.
pub mod outcome {
    pub use crate::engine::{Class, End, Outcome, Wire};
}
#[cfg(feature = "server")]
mod server;
mod timer;
mod transport;

pub use engine::{
    Account, ErrorStatus, Expect, Fault, FaultKind, InvalidMock, KeyUsed, Mock, MockBuilder, RecordedRequest,
    Repeat, UnknownAccounts, UnmetExpectations,
};
#[cfg(feature = "server")]
pub use engine::{MethodCost, ScriptStep};
#[cfg(feature = "openapi")]
pub use openapi::openapi;
#[cfg(feature = "server")]
pub use server::{MockServer, ServerOptions};
/// The core of the SDK, whose `Transport` this crate implements.
pub use tgscan_core as core;
/// What most tests need of the core, so that they need no other dependency.
pub use tgscan_core::{Client, Credits, Error, ErrorKind, Refusal, Reply, types};
pub use timer::VirtualTimer;
