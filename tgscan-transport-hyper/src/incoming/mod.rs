//! Reads a response's body, within its cap and the deadline, and keeps what came whatever happens.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(not(feature = "gzip"))]
mod identity;
mod kept;

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http::Response;
use hyper::body::{Body, Incoming};
use tgscan_core::{TransportError, TransportErrorKind as Kind};
use tokio::time::timeout_at;

#[cfg(feature = "gzip")]
pub(crate) use self::gzip::Coding;
#[cfg(feature = "gzip")]
use self::gzip::Content;
#[cfg(not(feature = "gzip"))]
pub(crate) use self::identity::Coding;
#[cfg(not(feature = "gzip"))]
use self::identity::Content;
use crate::failure;
use crate::limits::Running;

/// Why a body cannot be kept as it comes.
struct Unfit {
    kind: Kind,
    why: String,
}

impl Unfit {
    fn too_large(what: &str, cap: usize) -> Self {
        Self { kind: Kind::BodyTooLarge, why: format!("the {what} is larger than `body_cap` ({cap} bytes)") }
    }
}

/// `coding` says how the request allowed the body to be coded.
pub(crate) async fn read(
    response: Response<Incoming>,
    coding: Coding,
    running: &Running,
) -> Result<Response<Bytes>, TransportError> {
    let (mut head, mut body) = response.into_parts();
    let mut content = Content::of(&mut head.headers, coding, running.body_cap());
    let (kind, source) = loop {
        let piece = running.piece();
        match timeout_at(piece.at, poll_fn(|context| Pin::new(&mut body).poll_frame(context))).await {
            Ok(Some(Ok(frame))) => {
                // Trailers are no part of the answer.
                if let Ok(data) = frame.into_data()
                    && let Err(unfit) = content.push(data)
                {
                    break (unfit.kind, unfit.why.into());
                }
            }
            Ok(None) => match content.end() {
                Ok(()) => return Ok(Response::from_parts(head, content.into_bytes())),
                Err(unfit) => break (unfit.kind, unfit.why.into()),
            },
            Ok(Some(Err(error))) => break failure::in_body(error),
            Err(_) => break (Kind::Timeout, format!("{piece} within the body").into()),
        }
    };
    let partial = Response::from_parts(head, content.into_bytes());
    Err(TransportError::answer_began(partial, source).with_kind(kind))
}
