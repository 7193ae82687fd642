//! Any bytes as a response to each method.

use bytes::Bytes;
use http::{Response, StatusCode};
use tgscan_core::types::{
    ApiMethod,
    registry::{MethodVisitor, visit_all},
};

use crate::checks::response::Sane;
use crate::head::Message;
use crate::memory::bounded;
use crate::support::{documented_request, live};

/// A response to each method, with a live and a test key, whole and broken off: no panic, the body stays reachable,
/// the credits make sense, and memory is bounded by the response's length.
///
/// The first line is the status. Without a head all of the input is the body of a 200.
pub fn response(input: &[u8]) {
    let message = Message::read(input);
    let status = message.first.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = Response::new(Bytes::copy_from_slice(message.body));
    *response.status_mut() = status.unwrap_or_default();
    *response.headers_mut() = message.headers;
    visit_all(&mut Lean { response: &response, length: input.len() });
    visit_all(&mut Sane(&response));
}

/// Reads the response as the answer of every method, in memory that is bounded by its length.
struct Lean<'a> {
    response: &'a Response<Bytes>,
    length: usize,
}

impl MethodVisitor for Lean<'_> {
    fn visit<M: ApiMethod>(&mut self) {
        let (api, method) = (live(), documented_request::<M>());
        let kept = self.response.clone();
        // A group takes at least 8 bytes of JSON and 80 in memory, and an answer that does not fit is read up to twice
        // more, to find out where.
        bounded(self.length, 8 * 1024, 32, || drop(api.parse(&method, kept)));
    }
}
