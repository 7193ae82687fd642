//! One request and its response over ureq.

use std::io::{self, Read};

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::{TransportError, transport::TransportErrorKind as Kind};
use ureq::{Agent, Error, SendBody};

/// A body, and whether ureq has read it, which it does once the connection stands. Without a body nothing tells.
struct Noted<'a>(&'a [u8], bool);

impl Read for Noted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = true;
        self.0.read(buffer)
    }
}

/// Sends a request over ureq, and reads its response up to `most` bytes.
///
/// # Errors
/// If no complete response came back, with what is known about delivery.
pub fn send(agent: &Agent, most: usize, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
    let (head, body) = request.into_parts();
    let mut body = Noted(&body, body.is_empty());
    let (head, mut incoming) = match agent.run(Request::from_parts(head, SendBody::from_reader(&mut body))) {
        Ok(response) => response.into_parts(),
        Err(error) if body.1 => return Err(failed(error, Kind::Broken, TransportError::new)),
        Err(error) => return Err(failed(error, Kind::Connect, TransportError::never_sent)),
    };
    // One byte more than fits tells a body that is too large. An error leaves in `bytes` what came before it.
    let mut bytes = Vec::new();
    let read = incoming.as_reader().take((most as u64).saturating_add(1)).read_to_end(&mut bytes);
    let (is_too_large, came) = (bytes.len() > most, bytes.len().min(most));
    let response = Response::from_parts(head, Bytes::from(bytes).slice(..came));
    match read.map_err(Error::from) {
        Ok(_) if !is_too_large => Ok(response),
        Ok(_) => Err(TransportError::response_started(response, "too large").with_kind(Kind::BodyTooLarge)),
        Err(error) => Err(failed(error, Kind::Broken, |it| TransportError::response_started(response, it))),
    }
}

fn failed(error: Error, usual: Kind, delivery: impl FnOnce(Error) -> TransportError) -> TransportError {
    let kind = match &error {
        Error::Timeout(_) => Kind::Timeout,
        Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => Kind::Tls,
        _ => usual,
    };
    delivery(error).with_kind(kind)
}
