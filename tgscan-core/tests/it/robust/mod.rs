//! Tests any response: no panic, no lost bytes, consistent credits.

mod inputs;
mod truncated;

use std::fmt::Write;

use bytes::Bytes;
use http::{HeaderValue, Response};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::de::IgnoredAny;
use tgscan_core::types::{
    ApiMethod,
    registry::{MethodVisitor, visit_all},
};

use crate::checks::response::{Sane, of_error, of_reply};
use crate::generate::body;
use crate::support::{documented_answer, documented_request, live, response, runs};

fn header() -> impl Strategy<Value = HeaderValue> {
    let useful = select(vec!["0", "7", "99999999999999999999", "Sun, 06 Nov 1994 08:49:37 GMT", "text/html"]);
    let any_bytes =
        vec(any::<u8>(), 0..30).prop_filter_map("not a header", |bytes| HeaderValue::from_bytes(&bytes).ok());
    prop_oneof![useful.prop_map(HeaderValue::from_static), any_bytes]
}

fn any_response() -> impl Strategy<Value = Response<Bytes>> {
    let status = prop_oneof![3 => select(vec![200_u16, 401, 429, 500, 503]), 1 => 100_u16..1000];
    let headers = vec((select(vec!["content-type", "retry-after", "date", "x-any"]), header()), 0..4);
    (status, headers, body()).prop_map(|(status, headers, body)| {
        let mut whole = response(status, body);
        whole
            .headers_mut()
            .extend(headers.into_iter().map(|(name, value)| (http::HeaderName::from_static(name), value)));
        whole
    })
}

proptest! {
    #![proptest_config(runs(1500))]

    #[test]
    fn any_response_is_kept_with_consistent_credits(response in any_response()) {
        visit_all(&mut Sane(&response));
    }
}

/// Repeats `open`, and then `close`.
fn nested(open: &str, close: &str) -> String {
    const LEVELS: usize = 100_000;
    format!("{}null{}", open.repeat(LEVELS), close.repeat(LEVELS))
}

#[test]
fn deep_and_long_bodies_do_not_overflow_the_stack() {
    let lists = nested("[", "]");
    let mut bodies = vec![nested("[", ""), nested("{\"a\":", ""), lists.clone()];
    for key in ["result", "meta", "x"] {
        bodies.push(nested(&format!("{{\"{key}\":"), "}"));
        bodies.push(format!(r#"{{"{key}":{lists}}}"#));
        bodies.push(format!(r#"{{"status":"ok","result":{{"{key}":{lists}}}}}"#));
        bodies.push(format!(r#"{{"result":{{"meta":{{"{key}":{lists}}}}},"status":"ok"}}"#));
        bodies.push(format!(r#"{{"status":"error","result":{{"{key}":{lists}}}}}"#));
    }
    // Serde also parses an enum from an object with one variant.
    bodies.push(format!(r#"{{"status":{}}}"#, nested("{\"ok\":", "}")));
    // Small, like the stacks of server threads.
    let small = std::thread::Builder::new().stack_size(512 * 1024).spawn(move || {
        for body in bodies {
            visit_all(&mut Deep(response(200, body)));
        }
    });
    small.unwrap().join().expect("no overflow");
}

struct Deep(Response<Bytes>);

impl MethodVisitor for Deep {
    fn visit<M: ApiMethod>(&mut self) {
        let method: M = documented_request();
        match live().parse(&method, self.0.clone()) {
            Ok(reply) => drop(of_reply(&reply)),
            Err(error) => drop((of_error(&error, false), error.reparse::<IgnoredAny>())),
        }
    }
}

#[test]
fn unknown_fields_of_any_depth_and_length_are_ignored() {
    struct WithUnknown(String);
    impl MethodVisitor for WithUnknown {
        fn visit<M: ApiMethod>(&mut self) {
            let plain = documented_answer::<M>();
            let extended = plain.replace("{\n", &format!("{{\"unknown\":{},\n", self.0));
            assert!(extended.len() > plain.len() + self.0.len());
            let read = |body| live().parse::<M>(&documented_request(), response(200, body)).expect(M::NAME);
            let (plain, extended) = (read(plain), read(extended));
            assert_eq!(extended.credits, plain.credits);
            let values = [plain, extended].map(|reply| serde_json::to_value(&reply.answer).unwrap());
            assert_eq!(values[0], values[1], "{}", M::NAME);
        }
    }
    let mut many = String::from("{");
    for number in 0..20_000 {
        write!(many, "\"{number}\":[{number},\"x\"],").unwrap();
    }
    many += "\"last\":null}";
    for unknown in [nested("[", "]"), nested("{\"a\":", "}"), format!("\"{}\"", "é".repeat(500_000)), many] {
        visit_all(&mut WithUnknown(unknown));
    }
}
