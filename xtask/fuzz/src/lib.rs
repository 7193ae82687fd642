//! The fuzz targets. Each panics when a property is violated. `README.md` has the commands.
//!
//! The checks of the core are shared with its property tests, which generate their inputs with strategies.
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

/// Decodes any bytes as a body: the fast decoder and plain `serde_json` accept the same bodies, with equal values.
pub fn decode(input: &[u8]) {
    visit_all(&mut checks::decode::Alike(input));
}

/// Parses any bytes as a response to each method, with a live and a test key, whole and truncated: no panic, the body stays
/// reachable, the credits are valid, and memory is bounded by the length.
///
/// The first line is the status. Without a head, the input is the body of a 200.
pub fn response(input: &[u8]) {
    let message = Message::read(input);
    let status = message.first.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = Response::new(Bytes::copy_from_slice(message.body));
    *response.status_mut() = status.unwrap_or_default();
    *response.headers_mut() = message.headers;
    visit_all(&mut Lean { response: &response, length: input.len() });
    visit_all(&mut checks::response::Sane(&response));
}

/// Checks that parsing the response for every method allocates a bounded number of bytes.
struct Lean<'a> {
    response: &'a Response<Bytes>,
    length: usize,
}

impl MethodVisitor for Lean<'_> {
    fn visit<M: ApiMethod>(&mut self) {
        let (api, method) = (live(), documented_request::<M>());
        let kept = self.response.clone();
        // A group takes at least 8 bytes of JSON and 80 in memory, and an invalid answer is read up to twice more, to locate
        // the error.
        bounded(self.length, 8 * 1024, 32, || drop(api.parse(&method, kept)));
    }
}

/// Parses any text as a username, an id, a query, a key and a base URL: accepted values round-trip, and the mock, which is as
/// strict as the documentation, answers requests with them.
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
