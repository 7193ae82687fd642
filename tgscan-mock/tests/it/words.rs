//! The messages of refusals: each matches its group by words that any service would use, and no other group.

use http::{HeaderName, HeaderValue};
use tgscan_mock::types::{Balance, Search, UserCheck};
use tgscan_mock::{Expect, FaultKind, Mock, MockServer, Refusal, ServerOptions, UnknownAccounts};

use crate::support::{answer, message, post, send};

/// Returns whether the text contains these words, whole and in any case.
fn has(text: &str, words: &str, splits: fn(char) -> bool) -> bool {
    let split = |text: &str| -> Vec<String> {
        let text = text.to_lowercase();
        text.split(splits).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let (text, words) = (split(text), split(words));
    text.windows(words.len()).any(|part| part == words)
}

/// Returns the groups that a text matches. A client recognises a refusal if its text matches one group.
///
/// Assumption: a service names the refused part, and uses one of these words.
fn groups(text: &str, splits: fn(char) -> bool) -> Vec<Refusal> {
    let any = |words: &[&str]| words.iter().any(|words| has(text, words, splits));
    let key = any(&["api key", "api-key", "apikey", "token"])
        && any(&["invalid", "wrong", "unknown", "missing", "required", "expired", "revoked", "not found"]);
    let credits = any(&["credit", "credits", "balance", "funds"])
        && any(&["not enough", "insufficient", "no", "zero", "empty", "exhausted", "run out"]);
    let query = any(&["query", "username", "argument"])
        && (any(&["invalid", "wrong", "missing", "required", "empty", "too long"])
            || any(&["too many"]) && !any(&["requests"]));
    let unavailable = any(&["maintenance", "overloaded", "temporarily unavailable", "try again later"]);
    [
        (key, Refusal::InvalidKey),
        (credits, Refusal::NoCredits),
        (any(&["too many requests", "rate limit", "slow down"]), Refusal::TooManyRequests),
        (query, Refusal::BadQuery),
        (unavailable, Refusal::Unavailable),
    ]
    .into_iter()
    .filter_map(|(fits, refusal)| fits.then_some(refusal))
    .collect()
}

/// Checks that a text matches only this group, or none, for both definitions of a word.
fn fits(text: &str, group: Option<Refusal>) {
    let ends: [fn(char) -> bool; 2] = [|c| !c.is_alphanumeric(), |c| !(c.is_alphanumeric() || c == '_')];
    for splits in ends {
        assert_eq!(groups(text, splits), group.into_iter().collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn texts_fit_the_groups_of_the_rule() {
    fits("Invalid API-key", Some(Refusal::InvalidKey));
    fits("There are no credits left.", Some(Refusal::NoCredits));
    fits("the queryset is empty", None);
    fits("too many requests for this query", Some(Refusal::TooManyRequests));
}

fn refused(mock: &Mock, path: &str, key: &str, body: &'static str) -> String {
    message(&answer(mock, &post(path, key, body)))
}

#[test]
fn refusals_for_the_key_fit_their_group() {
    let mock = Mock::builder().revoked_key("old").build().unwrap();
    for (path, key) in [
        ("/search", "wrong"),
        ("/search", "old"),
        ("/balance", "old"),
        ("/test/search", Mock::LIVE_KEY),
        ("/search", Mock::TEST_KEY),
    ] {
        fits(&refused(&mock, path, key, "query=alice"), Some(Refusal::InvalidKey));
    }
    let mut request = post("/search", Mock::LIVE_KEY, "query=alice");
    request.headers_mut().append("api-key", HeaderValue::from_static(Mock::LIVE_KEY));
    fits(&message(&answer(&mock, &request)), Some(Refusal::InvalidKey));
    request.headers_mut().remove("api-key");
    fits(&message(&answer(&mock, &request)), Some(Refusal::InvalidKey));
}

#[test]
fn refusals_for_the_credits_fit_their_group() {
    for credits in [0, 4] {
        let mock = Mock::builder().credits(credits).cost::<Search>(5).build().unwrap();
        fits(&refused(&mock, "/search", Mock::LIVE_KEY, "query=alice"), Some(Refusal::NoCredits));
    }
    let mock = Mock::new();
    mock.set_credits(-7);
    fits(&refused(&mock, "/user/check", Mock::LIVE_KEY, "query=alice"), Some(Refusal::NoCredits));
}

#[test]
fn refusals_for_the_query_fit_their_group() {
    let mock = Mock::new();
    for body in [
        "",
        "query",
        "query=",
        "query=%40",
        "query=abc",
        "query=a_username_of_more_than_32_characters",
        "query=alice%20b",
        "query=alice%00",
        "query=%D0%B0%D0%BB%D0%B8%D1%81%D0%B0",
        "query=%ff",
        "query=0",
        "query=007",
        "query=-1",
        "query=99999999999999999999",
        "query=1alice",
        "query=_alice",
        "query=alice_",
        "query=al__ice",
        "query=%2B49+170+1234567",
        "query=https%3A%2F%2Ft.me%2F",
        "query=https%3A%2F%2Ft.me%2F123456",
        "query=https%3A%2F%2Fexample.com%2Falice",
        "query=https%3A%2F%2Ft.me%2F%2Bhash",
        "query=alice&query=bobby",
        "query=alice&limit=5",
        // Arguments whose names are words of other groups.
        "query=alice&token=5",
        "query=alice&api-key=5",
        "query=alice&api_key=5",
        "query=alice&credits=5",
        "query=alice&balance=5",
        "token=1&token=2",
    ] {
        fits(&refused(&mock, "/search", Mock::LIVE_KEY, body), Some(Refusal::BadQuery));
    }
    for body in [
        "query=77",
        "query=,",
        "query=alice,",
        "query=alice,b",
        "query=a,b,c,d,e,f,g,h,i,j,k",
        "query=%2B4917",
    ] {
        fits(&refused(&mock, "/chat/similar", Mock::LIVE_KEY, body), Some(Refusal::BadQuery));
    }
    for body in ["query=alice", "balance=0", "token=5", "credits=1"] {
        fits(&refused(&mock, "/balance", Mock::LIVE_KEY, body), Some(Refusal::BadQuery));
    }
}

#[test]
fn texts_of_faults_fit_the_group_of_their_status() {
    let text = |kind: FaultKind| {
        let mock = Mock::new();
        mock.script_any([kind]);
        refused(&mock, "/search", Mock::LIVE_KEY, "query=alice")
    };
    fits(&text(FaultKind::TooManyRequests { retry_after: Some(2) }), Some(Refusal::TooManyRequests));
    fits(&text(FaultKind::Unavailable { retry_after: None }), Some(Refusal::Unavailable));
    for (code, group) in [
        (200, None),
        (400, Some(Refusal::BadQuery)),
        (401, Some(Refusal::InvalidKey)),
        (402, Some(Refusal::NoCredits)),
        (403, Some(Refusal::InvalidKey)),
        (404, None),
        (422, Some(Refusal::BadQuery)),
        (429, Some(Refusal::TooManyRequests)),
        (500, None),
        (503, Some(Refusal::Unavailable)),
    ] {
        let text = text(FaultKind::ErrorEnvelope { status: code });
        assert!(text.contains(&code.to_string()), "{text}");
        fits(&text, group);
    }
}

#[test]
fn other_refusals_fit_no_group() {
    let mock = Mock::builder().strict().unknown_accounts(100, UnknownAccounts::Error).build().unwrap();
    let changed = |name: HeaderName, value: Option<&str>| {
        let mut request = post("/search", Mock::LIVE_KEY, "query=alice");
        match value {
            Some(value) => _ = request.headers_mut().insert(name, value.parse().unwrap()),
            None => _ = request.headers_mut().remove(name),
        }
        message(&answer(&mock, &request))
    };
    fits(&refused(&mock, "/nothing", Mock::LIVE_KEY, "query=alice"), None);
    fits(&refused(&mock, "/search", Mock::LIVE_KEY, "query=alice"), None);
    fits(&changed(http::header::CONTENT_TYPE, None), None);
    fits(&changed(http::header::CONTENT_TYPE, Some("application/json")), None);
    let mut get = post("/search", Mock::LIVE_KEY, "query=alice");
    *get.method_mut() = http::Method::GET;
    fits(&message(&answer(&mock, &get)), None);

    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    let large = send(server.address(), &post("/search", Mock::LIVE_KEY, vec![b'a'; 70_000])).1;
    fits(&message(&http::Response::new(large)), None);
}

/// A client must not take an unexpected request for a temporary refusal.
#[test]
fn refusals_of_unexpected_requests_fit_no_group() {
    let mock = Mock::new();
    for field in ["/result/groups/999/title", "/result/groups/999/id"] {
        mock.script::<Search>([FaultKind::FieldMissing { field: field.into() }]);
        fits(&refused(&mock, "/search", Mock::LIVE_KEY, "query=alice"), None);
        mock.clear_script();
    }
    mock.script_any([FaultKind::FieldMissing { field: "/result/meta/search_query".into() }]);
    fits(&refused(&mock, "/balance", Mock::LIVE_KEY, ""), None);
    mock.clear_script();
    mock.script_any([FaultKind::FieldMistyped { field: "/result/num_credits".into() }]);
    fits(&refused(&mock, "/search", Mock::LIVE_KEY, "query=alice"), None);
    mock.clear_script();

    mock.expect(Expect::<Balance>::any().then_default().in_order());
    mock.expect(Expect::<UserCheck>::any().never());
    mock.expect(Expect::<Search>::any().at_most(1).in_order());
    for (path, key, body) in [
        ("/nothing", Mock::LIVE_KEY, ""),
        ("/chat/similar", Mock::LIVE_KEY, "query=balance"),
        ("/search", Mock::LIVE_KEY, "query=credits"),
        ("/search", Mock::LIVE_KEY, "query=token"),
        ("/search", Mock::LIVE_KEY, ""),
        ("/test/search", Mock::TEST_KEY, "query=alice"),
        ("/user/check", Mock::LIVE_KEY, "query=alice"),
    ] {
        fits(&refused(&mock, path, key, body), None);
    }
    assert_eq!(answer(&mock, &post("/balance", Mock::LIVE_KEY, "")).status(), 200);
    fits(&refused(&mock, "/balance", Mock::LIVE_KEY, ""), None);
    assert_eq!(answer(&mock, &post("/test/search", Mock::TEST_KEY, "query=alice")).status(), 200);
    fits(&refused(&mock, "/balance", Mock::LIVE_KEY, ""), None);
    mock.verify().unwrap_err();
}
