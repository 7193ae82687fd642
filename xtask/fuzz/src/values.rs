//! Any text as each validated value.

use std::cell::RefCell;

use http::HeaderValue;
use tgscan_mock::{Mock, outcome::Class};

use crate::checks::values;

/// Any text as a username, an id, a query, a key and a base URL: what is accepted reads back as the same value, and the
/// mock, which is as strict as the documentation, answers the request that is built from it.
pub fn values(input: &[u8]) {
    thread_local! {
        static MOCK: RefCell<Mock> = RefCell::default();
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    values::key(text);
    values::base_url(text);
    MOCK.with_borrow(|mock| {
        values::query(text, &mut |mut request| {
            mock.reset();
            request.headers_mut().insert("api-key", HeaderValue::from_static(Mock::LIVE_KEY));
            let outcome = mock.respond(&request);
            assert_eq!(outcome.class, Class::Reply, "{text}: {outcome:?}");
        });
    });
}
