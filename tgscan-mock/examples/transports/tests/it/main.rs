//! Every example transport passes the conformance suite, and refuses a server that it does not trust.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic in a test's helper is a failed test")]

mod conformance;
mod limits;
mod over_curl;
mod over_isahc;
mod trust;
