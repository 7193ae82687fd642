//! Broken drivers, to show that each promise can be broken and is checked.

use bytes::Bytes;
use http::Response;
use tgscan_mock::core::TransportError;

/// How calls are driven: correctly, or with a bug that must be detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    Correct,
    /// Repeats a call after a timeout.
    RetriesTimeouts,
    /// The transport reports every failure as never sent.
    ClaimsNeverSent,
    /// The transport loses the end of each body.
    CutsBodies,
    /// Sets no cap.
    IgnoresCap,
    /// Leaks calls that are given up.
    LeaksCalls,
    /// Makes some calls with another ledger.
    BypassesLedger,
    /// Treats a gateway's 5xx as a refusal.
    TrustsGateways,
    /// Compares with an outdated balance.
    UsesOldBalances,
}

impl Driver {
    /// Returns the result as changed by the driver's transport.
    pub(super) fn corrupt(
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
