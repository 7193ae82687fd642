//! Callers that are wrong, to show that each promise can be broken and is watched.

use bytes::Bytes;
use http::Response;
use tgscan_mock::core::TransportError;

/// How callers drive their calls: right, or wrong in a way that must be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    Right,
    /// Makes a call again after a timeout.
    RetriesTimeouts,
    /// Its transport says "never sent" of every failure.
    ClaimsNeverSent,
    /// Its transport loses the end of each body.
    CutsBodies,
    /// Lifts the cap for each call.
    IgnoresCap,
    /// Never drops a call that it gave up.
    Leaks,
    /// Makes some calls past the ledger.
    SpendsElsewhere,
    /// Reads a gateway's 5xx as a refusal.
    TrustsGateways,
    /// Compares with a balance that calls or other comparisons have overtaken.
    BelievesOldBalances,
}

impl Driver {
    /// What its transport makes of what came back.
    pub(super) fn distort(
        self,
        result: Result<Response<Bytes>, TransportError>,
    ) -> Result<Response<Bytes>, TransportError> {
        match (self, result) {
            (Self::ClaimsNeverSent, Err(error)) => {
                Err(TransportError::never_sent("a guess").with_kind(error.kind()))
            }
            (Self::CutsBodies, Ok(response)) => {
                Ok(response.map(|body| body.slice(..body.len().saturating_sub(1))))
            }
            (Self::TrustsGateways, Ok(mut response)) if response.status().is_server_error() => {
                *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
                Ok(response)
            }
            (_, result) => result,
        }
    }
}
