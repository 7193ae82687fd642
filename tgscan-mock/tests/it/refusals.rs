//! Invalid requests get an error envelope with the reason.

use bytes::Bytes;
use http::{Request, StatusCode};
use tgscan_mock::{ErrorStatus, Mock};

use crate::support::{answer, message, post};

fn bad_requests() -> Vec<(Request<Bytes>, u16, &'static str)> {
    const LIVE: &str = Mock::LIVE_KEY;
    let mut get = post("/search", LIVE, "");
    *get.method_mut() = http::Method::GET;
    let mut no_key = post("/search", LIVE, "query=alice");
    no_key.headers_mut().remove("api-key");
    let mut two_keys = post("/search", LIVE, "query=alice");
    two_keys.headers_mut().append("api-key", LIVE.parse().unwrap());
    let mut json = post("/search", LIVE, r#"{"query":"a"}"#);
    json.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let mut untyped = post("/search", LIVE, "query=alice");
    untyped.headers_mut().remove("content-type");
    let not_utf8 = post("/search", LIVE, "").map(|_| Bytes::from_static(b"query=\xff"));
    vec![
        (
            post("/nothing", LIVE, "query=alice"),
            404,
            "unknown path; those of the methods are /tgscan/v1/search",
        ),
        (post("/search/", LIVE, "query=alice"), 404, "unknown path"),
        (get, 405, "the HTTP method is GET; send POST"),
        (no_key, 401, "missing API key: send it in an `Api-Key` header"),
        (two_keys, 401, "more than one `Api-Key` header; send one"),
        (post("/search", "wrong", "query=alice"), 401, "unknown API key"),
        (post("/search", "old", "query=alice"), 401, "removed when a newer one was generated"),
        (post("/test/search", "old", "query=alice"), 401, "removed when a newer one was generated"),
        (post("/test/search", LIVE, "query=alice"), 403, "use a test API key"),
        (post("/search", Mock::TEST_KEY, "query=alice"), 403, "use a live API key"),
        (json, 415, "the body's content type is `application/json`"),
        (untyped, 415, "the body has no content type"),
        (not_utf8, 400, "not UTF-8"),
        (post("/search", LIVE, ""), 400, "the required argument `query` is missing"),
        (post("/search", LIVE, "query="), 400, "the query is empty"),
        (post("/search", LIVE, "query=@name"), 400, "character 1 of the username is an `@`"),
        (post("/search", LIVE, "query=alice%20b"), 400, "is a space"),
        (post("/search", LIVE, "query=0"), 400, "the user id is 0"),
        (
            post("/search", LIVE, "query=alice&query=bobby"),
            400,
            "too many values for the argument `query`: send it once",
        ),
        (
            post("/search", LIVE, "query=alice&limit=5"),
            400,
            "one argument too many: `limit`; this method takes `query`",
        ),
        (
            post("/balance", LIVE, "query=alice"),
            400,
            "one argument too many: `query`; this method takes none",
        ),
        (
            post("/chat/similar", LIVE, "query=aaaa,bbbb,cccc,dddd,eeee,ffff,gggg,hhhh,iiii,jjjj,kkkk"),
            400,
            "there are 11 usernames",
        ),
        (post("/chat/similar", LIVE, "query=77"), 400, "digits only"),
    ]
}

#[test]
fn each_invalid_request_is_refused_with_its_reason_and_is_free() {
    let mock = Mock::builder().revoked_key("old").strict().build().unwrap();
    for (request, status, says) in bad_requests() {
        let response = answer(&mock, &request);
        assert_eq!(response.status().as_u16(), status, "{says}");
        assert!(message(&response).contains(says), "{says}: {}", message(&response));
        assert_eq!(response.headers().contains_key("allow"), status == 405);
        assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
    }
    assert_eq!(mock.account().spent, 0);
}

#[test]
fn all_errors_can_come_under_200() {
    let mock = Mock::builder().error_status(ErrorStatus::AlwaysOk).strict().build().unwrap();
    for (request, _, says) in bad_requests() {
        let response = answer(&mock, &request);
        assert_eq!(response.status(), StatusCode::OK, "{says}");
        assert!(!message(&response).is_empty());
    }
}

#[test]
fn refuses_call_that_costs_more_than_the_balance() {
    use tgscan_mock::types::Search;
    let mock = Mock::builder().credits(4).cost::<Search>(5).build().unwrap();
    let response = answer(&mock, &post("/search", Mock::LIVE_KEY, "query=alice"));
    assert_eq!(response.status(), 402);
    assert_eq!(message(&response), "not enough credits: the balance is 4, and this call costs 5");
    assert_eq!(mock.account().credits, 4);
}

#[test]
fn given_key_replaces_the_default_key_of_its_kind() {
    let status = |mock: &Mock, key: &str| answer(mock, &post("/balance", key, "")).status().as_u16();
    let mock = Mock::builder().live_key("own").build().unwrap();
    let keys = ["own", Mock::LIVE_KEY, Mock::TEST_KEY];
    assert_eq!(keys.map(|key| status(&mock, key)), [200, 401, 200]);
    // A default key that is given with another kind has that kind.
    let mock = Mock::builder().revoked_key(Mock::LIVE_KEY).build().unwrap();
    assert_eq!([Mock::LIVE_KEY, Mock::TEST_KEY].map(|key| status(&mock, key)), [401, 200]);
}

#[test]
fn invalid_settings_are_refused() {
    for (builder, says) in [
        (Mock::builder().credits(-1), "the credits are -1; use 0 or more"),
        (Mock::builder().live_key(""), "the API key is empty"),
        (Mock::builder().test_key("a b"), "a space"),
        (Mock::builder().live_key("a").test_key("a"), "API key number 2 is given twice"),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
