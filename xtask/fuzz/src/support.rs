//! Shared helpers of the targets: parsing inputs, measuring memory, the documented requests, and two accounts.

use std::alloc::System;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tgscan_core::call::Now;
use tgscan_core::types::ApiMethod;
use tgscan_core::{Api, ApiKey, TransportError};

/// The result of a transport.
pub(crate) type Outcome = Result<Response<Bytes>, TransportError>;

/// Returns the documented request of a method. Reads each file once.
pub(crate) fn documented_request<M: ApiMethod>() -> M {
    thread_local! {
        static FORMS: RefCell<HashMap<&'static str, String>> = RefCell::default();
    }
    FORMS.with_borrow_mut(|forms| {
        let form = forms.entry(M::NAME).or_insert_with(|| {
            let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tgscan-types/fixtures");
            let path = format!("{fixtures}/{}/live.http", M::NAME);
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            let (_, form) = text.split_once("\r\n\r\n").expect("a head and a body");
            form.to_owned()
        });
        serde_html_form::from_str(form).expect(M::NAME)
    })
}

/// Returns a time without a date.
pub(crate) fn at(time: Duration) -> Now {
    Now::new(time, None)
}

pub(crate) fn live() -> Api {
    Api::new(ApiKey::live("live-key").expect("a key"))
}

pub(crate) fn test() -> Api {
    Api::new(ApiKey::test("test-key").expect("a key"))
}

/// An input in the form of HTTP: a first line, headers, an empty line, a body. Any bytes are valid.
pub(crate) struct Message<'a> {
    pub(crate) first: &'a str,
    pub(crate) headers: HeaderMap,
    pub(crate) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Parses the input. Without an empty line, all of it is the body. Invalid headers are dropped.
    pub(crate) fn read(input: &'a [u8]) -> Self {
        let end = input.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = end.map_or((&[][..], input), |end| (&input[..end], &input[end + 2..]));
        let mut lines = head.split(|byte| *byte == b'\n');
        let first = std::str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
        let header = |line: &[u8]| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(header) {
            headers.append(name, value);
        }
        Self { first, headers, body }
    }
}

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Checks that `work` allocates at most `base + per_byte * length` bytes in total.
///
/// Freed bytes count too, so this also limits the work.
pub(crate) fn bounded(length: usize, base: usize, per_byte: usize, work: impl FnOnce()) {
    let region = Region::new(ALLOCATOR);
    work();
    let allocated = region.change().bytes_allocated;
    let most = base + per_byte * length;
    assert!(
        allocated <= most,
        "{allocated} bytes allocated for an input of {length} bytes; the limit is {most}"
    );
}
