//! Whatever comes back and whatever is put in: no panic, nothing lost, credits that make sense.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::de::IgnoredAny;
use serde_json::Value;
use tgscan_core::types::{ApiMethod, MethodVisitor, visit_all};
use tgscan_core::{Api, Credits, Error, KeyKind, Reply, Step, TransportError};

use crate::generate::body;
use crate::support::{documented_answer, documented_request, live, response, runs, test};

/// What is left of an attempt: its body, its credits, and whether another one would follow.
struct End {
    body: Bytes,
    credits: Credits,
    again: bool,
}

fn of_reply<A>(reply: &Reply<A>) -> End {
    drop((format!("{reply:?}"), reply.reparse::<Value>()));
    End { body: reply.raw().clone(), credits: reply.credits, again: false }
}

fn of_error(error: &Error, again: bool) -> End {
    drop((format!("{error:?} {error}"), error.reparse::<Value>()));
    let body = error.response().expect("what came is kept").body().clone();
    End { body, credits: error.credits(), again }
}

fn attempt<M: ApiMethod>(api: &Api, outcome: crate::support::Outcome) -> End {
    let method: M = documented_request();
    let Step::Send(_, sent) = Step::begin(api, method, Duration::ZERO) else { panic!("not sent") };
    match sent.received(outcome, Duration::ZERO) {
        Step::Done(Ok(reply)) => of_reply(&reply),
        Step::Done(Err(error)) => of_error(&error, false),
        Step::Wait(wait) => of_error(wait.error(), true),
        other => panic!("{other:?}"),
    }
}

/// Checks one response, complete and broken off, for every method and both kinds of key.
struct Sane<'a>(&'a Response<Bytes>);

impl MethodVisitor for Sane<'_> {
    fn visit<M: ApiMethod>(&mut self) {
        for make in [live, test] {
            for is_whole in [true, false] {
                let (api, kept) = (make(), self.0.clone());
                let outcome =
                    if is_whole { Ok(kept) } else { Err(TransportError::answer_began(kept, "broke")) };
                let end = attempt::<M>(&api, outcome);
                let what =
                    format!("{} {:?} {is_whole} {:?} {:?}", M::NAME, api.key_kind(), self.0, end.credits);
                assert_eq!(&end.body, self.0.body(), "{what}");
                assert_credits::<M>(&api, &end, &what);
            }
        }
    }
}

fn assert_credits<M: ApiMethod>(api: &Api, end: &End, what: &str) {
    let is_test = api.key_kind() == KeyKind::Test && M::TEST_PATH.is_some();
    match end.credits {
        Credits::Charged(credits) => {
            assert!(!is_test && credits > 0 && !end.again, "{what}");
            let text = String::from_utf8_lossy(&end.body);
            assert!(text.contains("cost") && text.contains(&credits.to_string()), "{what}");
        }
        Credits::Uncertain => assert!(M::CAN_COST && !is_test && !end.again, "{what}"),
        Credits::NotCharged => {}
    }
    let now = api.ledger().snapshot();
    let paid = u64::from(M::CAN_COST && !is_test);
    assert_eq!((now.in_flight, now.in_flight_calls, now.charged), (0, 0, end.credits.charged()), "{what}");
    assert_eq!(now.uncertain_calls, u64::from(end.credits == Credits::Uncertain), "{what}");
    if paid == 1 {
        assert_eq!(now.charged_calls + now.uncertain_calls + now.not_charged_calls, 1, "{what}");
    }
}

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
    fn any_response_is_kept_and_its_credits_make_sense(response in any_response()) {
        visit_all(&mut Sane(&response));
    }
}

/// `open` many times over, and closed again if `close` is given.
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
    // Serde reads a status also as an object of its one variant.
    bodies.push(format!(r#"{{"status":{}}}"#, nested("{\"ok\":", "}")));
    // Threads of servers have small stacks, and this one is a debug build.
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
    struct Strewn(String);
    impl MethodVisitor for Strewn {
        fn visit<M: ApiMethod>(&mut self) {
            let plain = documented_answer::<M>();
            let strewn = plain.replace("{\n", &format!("{{\"unknown\":{},\n", self.0));
            assert!(strewn.len() > plain.len() + self.0.len());
            let read = |body| live().parse::<M>(&documented_request(), response(200, body)).expect(M::NAME);
            let (plain, strewn) = (read(plain), read(strewn));
            assert_eq!(strewn.credits, plain.credits);
            let values = [plain, strewn].map(|reply| serde_json::to_value(&reply.answer).unwrap());
            assert_eq!(values[0], values[1], "{}", M::NAME);
        }
    }
    let mut many = String::from("{");
    for number in 0..20_000 {
        write!(many, "\"{number}\":[{number},\"x\"],").unwrap();
    }
    many += "\"last\":null}";
    for unknown in [nested("[", "]"), nested("{\"a\":", "}"), format!("\"{}\"", "é".repeat(500_000)), many] {
        visit_all(&mut Strewn(unknown));
    }
}
