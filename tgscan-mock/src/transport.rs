//! The mock as an in-process transport.

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::transport::{SendBy, TransportErrorKind as Kind};
use tgscan_core::{Timer, Transport, TransportError, async_trait};

use crate::engine::{End, Mock, Wire};

/// Reports faults as a correct transport would, after the mock's latency in virtual time.
#[async_trait]
impl Transport for Mock {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        SendBy::check(&request)?;
        let outcome = self.respond(&request);
        if let Some(latency) = outcome.latency {
            self.timer().sleep(latency).await;
        }
        outcome.wire.into_result(self.max_body_size())
    }
}

impl Wire {
    /// Returns the result of a correct transport that accepts bodies of up to `max_body_size` bytes. Does not wait: a
    /// stall becomes an elapsed time limit.
    ///
    /// # Errors
    /// If the response is incomplete or larger than `max_body_size`.
    #[doc(hidden)]
    pub fn into_result(self, max_body_size: usize) -> Result<Response<Bytes>, TransportError> {
        match self {
            Self::Whole(response) | Self::Slow(response) => capped(response, max_body_size),
            Self::Partial(response, at, end) => {
                // A body above the cap is refused before its end arrives.
                let prefix = capped(response.map(|body| body.slice(..at.min(body.len()))), max_body_size)?;
                Err(TransportError::response_started(prefix, MOCKED).with_kind(kind(end)))
            }
            Self::Nothing(end) => Err(TransportError::new(MOCKED).with_kind(kind(end))),
            Self::Refused => Err(TransportError::never_sent(MOCKED).with_kind(Kind::Connect)),
        }
    }
}

const MOCKED: &str = "a fault of the mock";

fn kind(end: End) -> Kind {
    match end {
        End::Reset | End::Close => Kind::Broken,
        End::Stall | End::Trickle => Kind::Timeout,
    }
}

fn capped(response: Response<Bytes>, cap: usize) -> Result<Response<Bytes>, TransportError> {
    if response.body().len() <= cap {
        return Ok(response);
    }
    let prefix = response.map(|body| body.slice(..cap));
    let error =
        TransportError::response_started(prefix, format!("the body is larger than the cap of {cap} bytes"));
    Err(error.with_kind(Kind::BodyTooLarge))
}
