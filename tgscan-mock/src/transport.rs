//! The mock as an in-process transport.

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::{Transport, TransportError, TransportErrorKind as Kind, async_trait};

use crate::engine::{End, Mock, Wire};

/// Reports faults as a right transport would, without waiting.
#[async_trait]
impl Transport for Mock {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.respond(&request).wire.into_result(self.body_cap())
    }
}

impl Wire {
    /// What a right transport that takes bodies of up to `body_cap` bytes makes of it, without waiting: a stall is a
    /// time limit that has passed.
    ///
    /// # Errors
    /// If not the whole response comes, or more than `body_cap` allows.
    pub fn into_result(self, body_cap: usize) -> Result<Response<Bytes>, TransportError> {
        match self {
            Self::Whole(response) | Self::Drip(response) => capped(response, body_cap),
            Self::Partial(response, at, end) => {
                // What is larger than the cap is refused before its end is seen.
                let prefix = capped(response.map(|body| body.slice(..at.min(body.len()))), body_cap)?;
                Err(TransportError::answer_began(prefix, MOCKED).with_kind(kind(end)))
            }
            Self::Nothing(end) => Err(TransportError::new(MOCKED).with_kind(kind(end))),
            Self::Refused => Err(TransportError::never_sent(MOCKED).with_kind(Kind::Connect)),
        }
    }
}

const MOCKED: &str = "the mock was told to fail so";

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
        TransportError::answer_began(prefix, format!("the body is larger than the cap of {cap} bytes"));
    Err(error.with_kind(Kind::BodyTooLarge))
}
