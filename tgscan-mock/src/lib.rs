//! A mock of the [TgScan API](https://tgdev.io/tgscan/api) that knows the service.
//!
//! Test your code without paying: swap the transport of a `Client` for a [`Mock`]. It checks requests as strictly as
//! the documentation reads, keeps an account with credits, and answers with random data of the documented shape.
//!
//! ```
//! use tgscan_mock::Mock;
//! use tgscan_mock::core::{Client, Error};
//! use tgscan_mock::types::UserQuery;
//!
//! // Your code.
//! async fn group_titles(client: &Client, who: UserQuery) -> Result<Vec<String>, Error> {
//!     Ok(client.search(who).await?.answer.groups.into_iter().map(|group| group.title).collect())
//! }
//!
//! # futures_executor::block_on(async {
//! // Its test. The same seed gives the same answers.
//! let mock = Mock::builder().seed(7).credits(1).build()?;
//! let client = mock.client();
//! let titles = group_titles(&client, "some_username".parse()?).await?;
//! assert!(titles.iter().all(|title| !title.is_empty()));
//!
//! // The credit is spent now, so the next call is refused, as the service would.
//! let error = group_titles(&client, "some_username".parse()?).await.unwrap_err();
//! assert!(error.is_api());
//! assert_eq!(mock.account().spent, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Three faces
//!
//! One engine answers in all of them: same seed, same requests, same bytes.
//!
//! | face | for | feature |
//! |---|---|---|
//! | [`Mock`] as a `Transport` | tests in Rust, in process | none |
//! | `MockServer` on loopback, HTTP or HTTPS | transports, blocking clients, other processes | `server`, `tls`, `http2`, `gzip` |
//! | the binary `tgscan-mock` | callers in any language | `cli` |
//!
//! `tgscan-mock serve` takes flags and a TOML file, of which `examples/mock.toml` shows every setting; with `--tls` it
//! has an authority of its own, and with `--san api.tgdev.io` a certificate for the live host name too, so that an
//! unmodified client can be pointed at it. `tgscan-mock sample search some_username --seed 7` prints one answer. Tests
//! in other languages read and steer it through the control paths of `MockServer`.
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
//! a pinned answer, a fault, random data as usual, or from a strategy of the test's own. [`Mock::verify`], or dropping the mock, says what did not come.
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
#[cfg(feature = "server")]
mod server;
mod timer;
mod transport;

#[cfg(feature = "server")]
pub use engine::ScriptStep;
pub use engine::{
    Account, Class, End, ErrorStatus, Expect, Fault, FaultKind, InvalidMock, KeyUsed, Mock, MockBuilder,
    Outcome, RecordedRequest, Repeat, Unmet, Wire, visit_all,
};
#[cfg(feature = "openapi")]
pub use openapi::openapi;
#[cfg(feature = "server")]
pub use server::{MockServer, ServerOptions};
/// The core of the SDK, whose `Transport` this crate implements.
pub use tgscan_core as core;
/// The schemas: request and answer types.
pub use tgscan_core::types;
pub use timer::VirtualTimer;
