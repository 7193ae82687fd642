//! Tests of `Api::parse` with each kind of response, for each method of the registry.

use std::time::Duration;

use http::Response;
use serde_json::{Value, json};
use tgscan_core::types::{
    ApiMethod,
    registry::{MethodVisitor, visit_all},
};
use tgscan_core::types::{Envelope, SimilarGroups, SimilarGroupsAnswer};
use tgscan_core::{Api, Credits, Error, ErrorKind, KeyKind, Reply, TransportError, call::Step};

use crate::json::{both_orders, parent, path, places, removed, replaced};
use crate::support::{at, documented_answer, documented_request, live, response, test, with_header};

/// Runs a generic check for each method of the registry, with its documented answer.
macro_rules! for_each_method {
    (|$method:ident: $m:ident, $answer:ident| $check:block) => {{
        struct Check(usize);
        impl MethodVisitor for Check {
            fn visit<$m: ApiMethod>(&mut self) {
                let $method: $m = documented_request();
                let $answer: Value = serde_json::from_str(&documented_answer::<$m>()).unwrap();
                $check
                self.0 += 1;
            }
        }
        let mut check = Check(0);
        visit_all(&mut check);
        assert_eq!(check.0, tgscan_core::types::registry::infos().len());
    }};
}

/// The data that a reply or an error keeps.
struct Seen {
    body: Vec<u8>,
    credits: Credits,
    reparsed: Option<Value>,
}

fn seen<A>(parsed: &Result<Reply<A>, Error>) -> Seen {
    match parsed {
        Ok(reply) => {
            Seen { body: reply.raw().to_vec(), credits: reply.credits, reparsed: reply.reparse().ok() }
        }
        Err(error) => Seen {
            body: error.response().expect("the error keeps the response").body().to_vec(),
            credits: error.credits(),
            reparsed: error.reparse().ok(),
        },
    }
}

/// Returns the cost of a call by the documented field alone.
fn cost<M: ApiMethod>(api: &Api, body: &Value) -> Credits {
    if api.key_kind() == KeyKind::Test && M::TEST_PATH.is_some() {
        return Credits::NotCharged;
    }
    match body.pointer("/result/meta/op_cost").and_then(Value::as_u64) {
        Some(0) => Credits::NotCharged,
        Some(credits) => Credits::Charged(credits),
        None if M::CAN_COST => Credits::Uncertain,
        None => Credits::NotCharged,
    }
}

#[test]
fn documented_answers_succeed_and_cost_their_op_cost() {
    for_each_method!(|method: M, answer| {
        for body in both_orders(&answer).into_iter().chain([documented_answer::<M>()]) {
            for status in [200, 201, 400, 500, 503] {
                for api in [live(), test()] {
                    let reply = api.parse(&method, response(status, body.clone())).expect(M::NAME);
                    assert_eq!(reply.credits, cost::<M>(&api, &answer), "{}", M::NAME);
                    assert_eq!(reply.raw(), &body);
                    assert_eq!(reply.response().status(), status);
                    assert_eq!(serde_json::to_value(&reply.answer).unwrap(), answer["result"]);
                    assert_eq!(reply.reparse::<Value>().unwrap(), answer);
                }
            }
        }
    });
}

#[test]
fn error_envelope_is_an_api_error_with_any_status() {
    for_each_method!(|method: M, answer| {
        let envelope = json!({"status": "error", "result": {"message": "no such thing", "code": 7}});
        for (status, paid) in [
            (200, Credits::Uncertain),
            (400, Credits::NotCharged),
            (401, Credits::NotCharged),
            (429, Credits::NotCharged),
            (500, Credits::Uncertain),
        ] {
            for (api, body) in [live(), test()].iter().zip(both_orders(&envelope)) {
                let error = api.parse(&method, response(status, body.clone())).unwrap_err();
                assert!(error.is_api() && !error.is_decode(), "{error}");
                assert_eq!(error.message(), Some("no such thing"));
                let expected = if api.can_cost::<M>() { paid } else { Credits::NotCharged };
                assert_eq!(error.credits(), expected, "{} under {status}", M::NAME);
                assert_eq!(error.response().unwrap().body(), &body);
                assert_eq!((error.method(), error.attempts()), (M::NAME, 1));
            }
        }
        let charged = answer["result"]
            .pointer("/meta/op_cost")
            .map(|_| r#"{"status":"error","result":{"message":"timed out","meta":{"op_cost":2}}}"#);
        if let Some(body) = charged {
            let error = live().parse(&method, response(500, body)).unwrap_err();
            assert_eq!(error.credits(), Credits::Charged(2), "an error with a stated cost");
        }
    });
}

#[test]
fn other_bodies_are_unexpected_responses_and_kept() {
    const PAGE: &str = "<html><body><h1>502 Bad Gateway</h1></body></html>";
    for_each_method!(|method: M, answer| {
        let bare = answer["result"].to_string();
        for body in [PAGE, "", "null", "[]", "{}", "\u{feff}{}", "7", &bare] {
            for (status, paid) in [(200, Credits::Uncertain), (503, Credits::Uncertain)] {
                let html = with_header(response(status, body.to_owned()), "content-type", "text/html");
                let error = live().parse(&method, html).unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::UnexpectedResponse(_)), "{body}: {error}");
                assert!(error.to_string().contains("text/html"), "{error}");
                assert_eq!(error.response().unwrap().body(), body);
                let expected = if M::CAN_COST { paid } else { Credits::NotCharged };
                assert_eq!(error.credits(), expected, "{} {body} under {status}", M::NAME);
            }
        }
    });
}

#[test]
fn body_that_is_not_utf8_is_parsed_and_kept() {
    let body: &[u8] =
        b"{\"status\":\"ok\",\"result\":{\"groups\":[{\"title\":\"caf\xe9\",\"num_users\":1}],\"meta\":{\"op_cost\":3}}}";
    let similar: SimilarGroups = documented_request();
    let reply = live().parse(&similar, response(200, body)).unwrap();
    assert_eq!((reply.answer.groups[0].title.as_str(), reply.credits), ("caf?", Credits::Charged(3)));
    assert_eq!(reply.raw(), body);
    let broken: &[u8] = b"{\"status\":\"ok\",\"result\":{\"title\":\"\xff\",\"meta\":{\"op_cost\":3}}";
    let error = live().parse(&similar, response(200, broken)).unwrap_err();
    assert!(error.is_decode(), "{error}");
    assert_eq!((error.credits(), &error.response().unwrap().body()[..]), (Credits::Charged(3), broken));
}

/// Returns unambiguous bodies that `serde_json` rejects.
fn repairable_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let plain = r#"{"status":"ok","result":{"meta":{"search_query":["alice"],"op_cost":3},"groups":[{"username":"a","title":"TITLE","num_users":1}]}}"#;
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(plain).unwrap()).unwrap();
    let deep = format!(r#","x":{}{}}}"#, "[".repeat(300), "]".repeat(300));
    let deep = format!("{}{deep}", pretty.trim_end().strip_suffix('}').unwrap());
    let marked = |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let with_title = |text: &str, title: &str| text.replace("TITLE", title).into_bytes();
    vec![
        ("a byte order mark", marked(plain)),
        ("a byte order mark and indentation", marked(&pretty)),
        ("a lone surrogate", with_title(plain, r"cut \ud83d")),
        ("a lone surrogate and indentation", with_title(&pretty, r"cut \ud83d")),
        ("a raw tab", with_title(plain, "a\tb")),
        ("a cost as text", plain.replace(r#""op_cost":3"#, r#""op_cost":"3""#).into_bytes()),
        ("a query as a number", plain.replace(r#"["alice"]"#, "[136817688]").into_bytes()),
        ("deep nesting and a lone surrogate", with_title(&deep, r"cut \ud83d")),
        ("deep nesting", deep.into_bytes()),
    ]
}

#[test]
fn repairable_answers_are_parsed_even_if_the_connection_breaks_after_them() {
    let similar: SimilarGroups = documented_request();
    for (what, body) in repairable_bodies() {
        let reply = live().parse(&similar, response(200, body.clone())).expect(what);
        assert_eq!((reply.credits, reply.answer.groups.len()), (Credits::Charged(3), 1), "{what}");
        assert_eq!(&reply.raw()[..], body, "{what}");
        let again: Envelope<SimilarGroupsAnswer> = reply.reparse().expect(what);
        assert_eq!(again, Envelope::Ok(reply.answer), "{what}");

        let api = live();
        let similar: SimilarGroups = documented_request();
        let Step::Send(_, sent) = Step::begin(&api, similar, at(Duration::ZERO)) else {
            panic!("nothing to send")
        };
        let broken = TransportError::response_started(response(200, body), "the connection broke");
        let Step::Done(Ok(reply)) = sent.received(Err(broken), at(Duration::ZERO)) else {
            panic!("lost: {what}")
        };
        assert_eq!((reply.credits, api.ledger().book().totals().charged), (Credits::Charged(3), 3), "{what}");
    }
}

#[test]
fn complete_error_envelope_is_a_refusal_even_if_the_connection_breaks_after_it() {
    let credits = |status, body: &str| {
        let api = live();
        let similar: SimilarGroups = documented_request();
        let Step::Send(_, sent) = Step::begin(&api, similar, at(Duration::ZERO)) else {
            panic!("nothing to send")
        };
        let broken =
            TransportError::response_started(response(status, body.to_owned()), "the connection broke");
        let Step::Done(Err(error)) = sent.received(Err(broken), at(Duration::ZERO)) else { panic!("{body}") };
        assert_eq!(error.response().unwrap().body(), body);
        (error.is_api(), error.credits())
    };
    let refused = r#"{"status":"error","result":{"message":"not enough credits"}}"#;
    assert_eq!(credits(200, refused), (true, Credits::NotCharged));
    assert_eq!(credits(200, &format!("\u{feff}{refused}\n")), (true, Credits::NotCharged));
    assert_eq!(credits(200, &refused[..refused.len() - 1]), (false, Credits::Uncertain), "incomplete");
    assert_eq!(credits(400, &refused.replace("not enough credits", "no")), (true, Credits::NotCharged));
    assert_eq!(
        credits(400, r#"{"status":"error","message":"no"}"#),
        (false, Credits::Uncertain),
        "a gateway"
    );
}

/// Returns whether a value is accepted at a place of the documented answer; an independent definition of the leniency.
///
/// `with` is `None` for a missing field. Texts, lists, a user and the id of a group may be missing or null; all other fields
/// are required.
fn is_tolerated(place: &str, documented: &Value, with: Option<&Value>) -> bool {
    let is_item = parent(place).1.parse::<usize>().is_ok();
    // Ids may be negative, as those of chats are, and so may a balance; counts and costs may not.
    let is_signed = place.ends_with("id") || place.ends_with("/num_credits");
    match (documented, with) {
        (_, None) if is_item => true,
        _ if place == "/result/id_history/0/id" => with.is_some_and(Value::is_i64),
        // A query that is an id may be echoed as a number, and several queries as the sent text.
        (_, Some(Value::Number(number))) if place.starts_with("/result/meta/search_query") => number.is_i64(),
        (Value::Array(_), Some(Value::String(_))) => place == "/result/meta/search_query",
        (Value::String(_) | Value::Null, None | Some(Value::Null | Value::String(_)))
        | (Value::Array(_), None | Some(Value::Null | Value::Array(_)))
        | (Value::Bool(_), Some(Value::Bool(_))) => true,
        (Value::Number(_), Some(with)) => {
            if with.is_null() {
                place == "/result/groups/0/id"
            } else if is_signed {
                with.is_i64()
            } else {
                with.is_u64()
            }
        }
        // A group may have no id.
        (Value::Number(_), None) => place == "/result/groups/0/id",
        // No user is known.
        (Value::Object(_), None | Some(Value::Null)) => place == "/result/user",
        // Such an entry has only texts and a group's id, which may be missing.
        (Value::Object(entry), Some(Value::Object(_))) => {
            place == "/result/username_history/0"
                || (place == "/result/groups/0" && !entry.contains_key("num_users"))
        }
        _ => false,
    }
}

#[test]
fn each_missing_null_or_mistyped_field_is_parsed_or_reported() {
    #[derive(Default)]
    struct Changed(usize, usize);
    impl MethodVisitor for Changed {
        fn visit<M: ApiMethod>(&mut self) {
            let answer = serde_json::from_str(&documented_answer::<M>()).unwrap();
            let (read, named) = mutate::<M>(&documented_request(), &answer);
            (self.0, self.1) = (self.0 + read, self.1 + named);
        }
    }
    let mut all = Changed::default();
    visit_all(&mut all);
    assert!(all.0 > 300 && all.1 > 1000, "too few: {} parsed, {} reported", all.0, all.1);
}

fn mutate<M: ApiMethod>(method: &M, answer: &Value) -> (usize, usize) {
    let (mut read, mut named) = (0, 0);
    let wrong =
        [json!(null), json!(true), json!(7), json!(-1), json!(1.5), json!("text"), json!({}), json!([])];
    for place in places(answer).iter().filter(|place| place.starts_with("/result")) {
        let documented = answer.pointer(place).unwrap();
        for with in wrong.iter().map(Some).chain([None]) {
            let changed = with.map_or_else(|| removed(answer, place), |with| replaced(answer, place, with));
            let tolerated = is_tolerated(place, documented, with);
            for (api, body) in both_orders(&changed).iter().flat_map(|body| [(live(), body), (test(), body)])
            {
                let what = format!("{}: {place} as {with:?} in {body}", M::NAME);
                let parsed = api.parse(method, response(200, body.clone()));
                let seen = seen(&parsed);
                assert_eq!(seen.body, body.as_bytes(), "{what}");
                assert_eq!(seen.reparsed.as_ref(), Some(&changed), "{what}");
                assert_eq!(seen.credits, cost::<M>(&api, &changed), "{what}");
                match parsed {
                    Ok(_) => {
                        assert!(tolerated, "parsed {what}");
                        read += 1;
                    }
                    Err(error) => {
                        assert!(!tolerated, "{error} for {what}");
                        assert_names(&error, place, with.is_none(), &what);
                        named += 1;
                    }
                }
            }
        }
    }
    (read, named)
}

/// Asserts that the error reports the field's path, or that of the object with the missing field.
fn assert_names(error: &Error, place: &str, is_missing: bool, what: &str) {
    let ErrorKind::Decode(decode) = error.kind() else { panic!("{error} for {what}") };
    if is_missing {
        let (outer, name) = parent(place);
        assert_eq!(decode.problem().path(), path(outer), "{what}");
        assert!(error.to_string().contains(&format!("missing field `{name}`")), "{error} for {what}");
    } else {
        assert_eq!(decode.problem().path(), path(place), "{what}");
        assert!(error.to_string().contains(&path(place)), "{error} for {what}");
    }
}

#[test]
fn envelope_with_invalid_status_is_an_unexpected_response() {
    for_each_method!(|method: M, answer| {
        for with in [json!(null), json!(1), json!("OK"), json!(""), json!(["ok"]), json!(true)] {
            let changed = replaced(&answer, "/status", &with);
            for body in both_orders(&changed) {
                let parsed = live().parse(&method, response(200, body.clone()));
                assert_eq!(seen(&parsed).credits, cost::<M>(&live(), &changed), "{body}");
                let error = parsed.unwrap_err();
                let ErrorKind::UnexpectedResponse(kept) = error.kind() else { panic!("{error} for {body}") };
                assert_eq!(kept.problem().path(), "status", "{body}");
                assert_eq!(error.reparse::<Value>().unwrap(), changed);
            }
        }
        let without = removed(&answer, "/status");
        let error = live().parse(&method, response(200, without.to_string())).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::UnexpectedResponse(_))
                && error.to_string().contains("missing field `status`"),
            "{error}"
        );
    });
}

#[test]
fn cost_is_parsed_from_undecodable_answers() {
    for_each_method!(|method: M, _answer| {
        for body in [
            r#"{"status":"ok","result":{"groups":[{}],"meta":{"op_cost":9}}}"#,
            r#"{"result":{"user":7,"groups":{},"meta":{"x":[{}],"op_cost":9}},"status":"ok"}"#,
            r#"{"status":"ok","result":{"meta":{"op_cost":9},"user":"#,
            r#"{"status":"ok","result":{"meta":{"op_cost":9}}} trailing"#,
        ] {
            let charged = live().parse(&method, response(200, body)).unwrap_err();
            assert!(charged.is_decode(), "{charged}");
            assert_eq!(charged.credits(), Credits::Charged(9), "{} {body}", M::NAME);
            let free = test().parse(&method, response(200, body)).unwrap_err();
            if M::TEST_PATH.is_some() {
                assert_eq!(free.credits(), Credits::NotCharged, "{} {body}", M::NAME);
            }
        }
    });
}

#[test]
fn error_keeps_status_headers_and_version() {
    let whole = || {
        let mut whole: Response<bytes::Bytes> = response(200, "{}");
        *whole.version_mut() = http::Version::HTTP_2;
        with_header(whole, "x-request-id", "42")
    };
    let error = live().parse(&tgscan_core::types::Balance {}, whole()).unwrap_err();
    let kept = error.response().unwrap();
    assert_eq!((kept.version(), kept.headers()), (http::Version::HTTP_2, whole().headers()));
}
