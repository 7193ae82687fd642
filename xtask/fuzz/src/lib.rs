//! The fuzz targets. Each panics when something that must always hold does not. How to run them is in `README.md`.
//!
//! The checks of the core are shared with its property tests, which draw their inputs from strategies.
#![forbid(unsafe_code)]

#[path = "../../../tgscan-core/tests/it/checks/mod.rs"]
mod checks;
mod request;
pub mod seeds;
mod support;

use std::cell::RefCell;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use tgscan_core::types::{
    ApiMethod,
    registry::{MethodVisitor, visit_all},
};
use tgscan_mock::{Mock, outcome::Class};

use support::{Message, bounded, documented_request, live};

pub use request::request;

/// Any bytes as a body: the fast decoder accepts and refuses exactly what plain `serde_json` does, with equal values.
pub fn decode(input: &[u8]) {
    visit_all(&mut checks::decode::Alike(input));
}

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
    visit_all(&mut checks::response::Sane(&response));
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

/// Any text as a username, an id, a query, a key and a base URL: what is accepted reads back as the same value, and the
/// mock, which is as strict as the documentation, answers the request that is built from it.
pub fn values(input: &[u8]) {
    thread_local! {
        static MOCK: RefCell<Mock> = RefCell::default();
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    checks::values::key(text);
    checks::values::base_url(text);
    MOCK.with_borrow(|mock| {
        checks::values::query(text, &mut |mut request| {
            mock.reset();
            request.headers_mut().insert("api-key", HeaderValue::from_static(Mock::LIVE_KEY));
            let outcome = mock.respond(&request);
            assert_eq!(outcome.class, Class::Reply, "{text}: {outcome:?}");
        });
    });
}
