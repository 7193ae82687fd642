//! The inspector: its page, and the control paths that it follows.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use tgscan_mock::types::{Search, SearchAnswer, UserQuery};
use tgscan_mock::{Expect, FaultKind, Manner, Mock, MockServer, ServerOptions};

use crate::support::{control, post, send};

fn started(mock: &Mock) -> MockServer {
    MockServer::start(mock, &ServerOptions::new()).unwrap()
}

fn search(server: &MockServer, query: &str) -> (String, Bytes) {
    send(server.address(), &post("/search", Mock::LIVE_KEY, format!("query={query}")))
}

fn read(server: SocketAddr, path: &str) -> Value {
    let (status, json) = control(server, "GET", path, "");
    assert_eq!(status, 200, "{path}: {json}");
    json
}

/// Reads changes until the requests that came also ended, which is shortly after the client has their answers.
fn settled(server: &MockServer, cursor: &str) -> Value {
    loop {
        let changes = read(server.address(), &format!("changes?after={cursor}"));
        let mut requests = changes["requests"].as_array().unwrap().iter();
        if requests.all(|request| request["took_ms"].is_number()) {
            return changes;
        }
    }
}

fn numbers(changes: &Value) -> Vec<u64> {
    changes["requests"].as_array().unwrap().iter().map(|each| each["number"].as_u64().unwrap()).collect()
}

#[test]
fn page_and_each_file_it_names_allow_only_own_resources() {
    let mock = Mock::new();
    let server = started(&mock);
    let mut names = vec![String::new()];
    let mut index = 0;
    while let Some(name) = names.get(index).cloned() {
        index += 1;
        let request = Request::get(format!("http://mock/_mock/{name}")).body(Bytes::new()).unwrap();
        let (head, text) = crate::support::exchange(server.address(), &request);
        assert!(head.starts_with("HTTP/1.1 200"), "{name}: {head}");
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(header), "{name}: {head}");
        }
        let text = String::from_utf8(text.to_vec()).unwrap();
        // Inline parts, which the policy forbids, and functions that make markup or code of a text.
        for refused in
            ["<style", "style=", " onclick=", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval("]
        {
            assert!(!text.contains(refused), "{name} contains {refused}");
        }
        let files = text.split('"').filter_map(|part| {
            let file = part.strip_prefix("./").or_else(|| part.strip_prefix("inspector/"))?;
            Some(format!("inspector/{file}"))
        });
        for file in files {
            if !names.contains(&file) {
                names.push(file);
            }
        }
    }
    assert!(names.len() > 5, "{names:?}");
    assert_eq!(control(server.address(), "POST", "", "").0, 405);
    let request = Request::get("http://mock/_mock").body(Bytes::new()).unwrap();
    let (head, _) = crate::support::exchange(server.address(), &request);
    assert!(head.starts_with("HTTP/1.1 308") && head.contains("location: /_mock/"), "{head}");
    assert_eq!(mock.requests(), []);
}

#[test]
fn changes_after_a_cursor_are_the_requests_that_came_or_ended() {
    let mock = Mock::new();
    let server = started(&mock);
    let empty = read(server.address(), "changes");
    assert_eq!((numbers(&empty), &empty["oldest"]), (vec![], &json!(1)));
    search(&server, "alice");
    let first = settled(&server, empty["cursor"].as_str().unwrap());
    assert_eq!(numbers(&first), [1]);
    let request = &first["requests"][0];
    let shown = ["method", "form", "key", "status", "charged", "is_test"].map(|name| request[name].clone());
    assert_eq!(json!(shown), json!(["search", "query=alice", "live", 200, 1, false]));
    assert_eq!(request["headers"], json!({}), "only the request itself has them");
    search(&server, "carol");
    let cursor = first["cursor"].as_str().unwrap();
    assert_eq!(numbers(&settled(&server, cursor)), [2]);
    // The cursor of an earlier server, or none that is valid.
    for other in ["", "?after=1.2.0", "?after=a", &format!("?after={cursor}0000000")] {
        assert_eq!(numbers(&read(server.address(), &format!("changes{other}"))), [1, 2], "{other}");
    }
}

#[test]
fn changes_are_returned_as_soon_as_there_are_some() {
    let mock = Mock::new();
    let server = started(&mock);
    let empty = read(server.address(), "changes");
    let path = format!("changes?after={}", empty["cursor"].as_str().unwrap());
    // Without a request, the wait ends without changes.
    assert_eq!(numbers(&read(server.address(), &path)), [0; 0]);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| read(server.address(), &path));
        search(&server, "alice");
        assert_eq!(numbers(&waiting.join().unwrap()), [1]);
    });
    assert_eq!(server.requests_in_flight(), 0);
}

#[test]
fn numbers_continue_after_a_reset() {
    let mock = Mock::new();
    let server = started(&mock);
    search(&server, "alice");
    control(server.address(), "POST", "reset", "");
    let changes = read(server.address(), "changes");
    assert_eq!((numbers(&changes), &changes["oldest"]), (vec![], &json!(2)));
    search(&server, "alice");
    assert_eq!(numbers(&settled(&server, changes["cursor"].as_str().unwrap())), [2]);
    assert_eq!(control(server.address(), "GET", "request?number=1", "").0, 404);
}

#[test]
fn a_request_is_returned_with_its_answer() {
    let mock = Mock::new();
    let server = started(&mock);
    let (_, body) = search(&server, "alice");
    let request = read(server.address(), "request?number=1");
    assert_eq!(request["http_method"], "POST");
    assert_eq!(request["headers"]["host"], json!(["mock"]));
    let answer = &request["answer"];
    assert_eq!(answer["body"].as_str().unwrap().as_bytes(), body);
    assert_eq!((&answer["status"], &answer["end"]), (&json!(200), &Value::Null));
    assert_eq!(answer["headers"]["content-type"], json!(["application/json"]));

    let steps =
        r#"[{"kind": "cut_body", "at": 20}, {"kind": "reset"}, {"kind": "oversized", "bytes": 100000}]"#;
    control(server.address(), "POST", "faults", steps);
    for query in ["a_cut_one", "a_reset_one"] {
        crate::support::exchange(
            server.address(),
            &post("/search", Mock::LIVE_KEY, format!("query={query}")),
        );
    }
    search(&server, "a_large_one");
    let cut = read(server.address(), "request?number=2");
    assert_eq!((&cut["answer"]["cut_at"], &cut["answer"]["end"]), (&json!(20), &json!("close")));
    let reset = read(server.address(), "request?number=3");
    assert_eq!((&reset["answer"]["status"], &reset["answer"]["end"]), (&Value::Null, &json!("reset")));
    let large = read(server.address(), "request?number=4");
    assert_eq!(large["answer"]["kept_bytes"], 64 * 1024);
    assert!(large["answer"]["bytes"].as_u64().unwrap() >= 100_000);

    // In process, answers are not kept.
    mock.respond(&post("/search", Mock::LIVE_KEY, "query=carol"));
    let in_process = read(server.address(), "request?number=5");
    assert!(in_process["answer"].is_null() && in_process["took_ms"].is_null(), "{in_process}");
    for (path, status, says) in [
        ("request", 400, "pass the `number`"),
        ("request?number=a", 400, "must be a number"),
        ("request?number=6", 404, "not recorded"),
    ] {
        let (got, json) = control(server.address(), "GET", path, "");
        assert!(got == status && json["error"].as_str().unwrap().contains(says), "{path}: {json}");
    }
}

#[test]
fn an_unreadable_body_is_shown_without_keys() {
    let mock = Mock::builder().live_key("a-secret").build().unwrap();
    let server = started(&mock);
    let body = "query=no+name&api_key=a-secret";
    send(server.address(), &post("/search", "a-secret", body));
    let request = read(server.address(), "request?number=1");
    assert_eq!(request["body"], "query=no+name&api_key=(an API key)");
    assert!(!request.to_string().contains("a-secret"), "{request}");
}

#[test]
fn texts_of_a_list_are_cut() {
    let mock = Mock::new();
    let server = started(&mock);
    send(
        server.address(),
        &post(&format!("/{}", "é".repeat(1000).replace('é', "%C3%A9")), "a", "x".repeat(60_000)),
    );
    let changes = read(server.address(), "changes");
    for name in ["path", "body"] {
        let text = changes["requests"][0][name].as_str().unwrap();
        assert!(text.ends_with('…') && text.chars().count() == 301, "{name}: {text}");
    }
    assert_eq!(read(server.address(), "request?number=1")["body"].as_str().unwrap().len(), 60_000);
}

#[test]
fn script_and_expectations_are_listed() {
    let mock = Mock::new();
    let server = started(&mock);
    let expected =
        r#"[{"method": "search", "query": "alice", "times": 2, "name": "twice"}, {"method": "balance"}]"#;
    control(server.address(), "POST", "expectations", expected);
    search(&server, "carol");
    search(&server, "alice");
    let steps = r#"[{"kind": "reset", "method": "search"}, {"kind": "answer"}, {"kind": "close", "method": "search"}]"#;
    control(server.address(), "POST", "faults", steps);
    let changes = read(server.address(), "changes");
    let kinds: Vec<_> = changes["script"].as_array().unwrap().iter().map(|step| &step["kind"]).collect();
    assert_eq!(
        (json!(kinds), &changes["state"]["faults_left"]),
        (json!(["reset", "answer", "close"]), &json!(3))
    );
    let twice = json!({"call": "twice: `search` with `query=alice`", "expected": "2 times", "calls": 1, "refused": 0,
        "is_met": false});
    assert_eq!(changes["expectations"][0], twice);
    assert_eq!(changes["num_expectations"], 2);
    assert!(changes["unexpected"][0].as_str().unwrap().contains("query=carol"), "{changes}");
    mock.clear_script();
}

#[test]
fn unexpected_requests_can_be_answered() {
    let mock = Mock::new();
    let server = started(&mock);
    let pinned = r#"[{"method": "search", "query": "alice",
        "answer": {"user": {"id": 7}, "meta": {"known_num_groups": 0, "num_groups": 0, "op_cost": 4}}}]"#;
    control(server.address(), "POST", "expectations", pinned);
    assert!(search(&server, "carol").0.contains("400"));
    let (_, state) = control(server.address(), "PUT", "state", r#"{"answers_unexpected": true}"#);
    assert_eq!(state["answers_unexpected"], true);
    assert!(search(&server, "carol").0.contains("200"));
    let (_, body) = search(&server, "alice");
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["result"]["user"]["id"], 7);
    // The expected call came, so another one is answered as any other.
    let (_, body) = search(&server, "alice");
    assert_ne!(serde_json::from_slice::<Value>(&body).unwrap()["result"]["user"]["id"], 7);
    assert_eq!(control(server.address(), "POST", "reset", "").1["answers_unexpected"], false);
}

#[test]
fn reading_changes_does_not_verify_expectations() {
    let mock = Mock::new();
    let server = started(&mock);
    let query: UserQuery = "alice".parse().unwrap();
    mock.expect(Expect::call(&Search { query }));
    assert_eq!(read(server.address(), "changes")["expectations"][0]["is_met"], false);
    drop(server);
    let unmet = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(mock)));
    assert!(unmet.is_err(), "dropping the mock reports the missing call");
}

#[test]
fn answers_are_limited_in_size_and_removed_with_their_requests() {
    let mock = Mock::new();
    let server = started(&mock);
    mock.script_any((0..300).map(|_| FaultKind::Oversized { bytes: 128 * 1024 }));
    for _ in 0..300 {
        search(&server, "alice");
    }
    let kept = mock.requests().len();
    assert!((246..256).contains(&kept), "16 MiB of 64 KiB each, and requests: {kept}");
    assert_eq!(mock.dropped_requests(), 300 - kept as u64);
    let newest = read(server.address(), "request?number=300");
    assert_eq!(newest["answer"]["kept_bytes"], 64 * 1024);
    assert!(newest["answer"]["bytes"].as_u64() > Some(128 * 1024));
    assert_eq!(control(server.address(), "GET", "request?number=1", "").0, 404);
}

#[test]
fn an_answer_that_repeats_a_key_is_shown_without_it() {
    let mock = Mock::builder().live_key("some_key_1").build().unwrap();
    let server = started(&mock);
    send(server.address(), &post("/search", "some_key_1", "query=some_key_1"));
    let request = read(server.address(), "request?number=1");
    assert_eq!((&request["status"], &request["form"]), (&json!(200), &json!("query=(an API key)")));
    let body = request["answer"]["body"].as_str().unwrap();
    assert!(body.contains(r#""search_query":"(an API key)""#) && !body.contains("some_key_1"), "{body}");
    // Percent-encoded, across the end of the part that is kept, and in the name of a header.
    // One of the two shifts leaves at least four bytes of a key before the cut.
    for (number, shift) in [(2, 0), (3, 5)] {
        let name = format!("{} some%5Fkey_1 {}", "x".repeat(shift), "some_key_1 ".repeat(7000));
        let mut answer = SearchAnswer::default();
        answer.user.get_or_insert_default().first_name = name;
        mock.expect(Expect::<Search>::any().then_answer(answer));
        send(server.address(), &post("/search", "some_key_1", "query=alice"));
        let answer = &read(server.address(), &format!("request?number={number}"))["answer"];
        assert_eq!(answer["kept_bytes"], 64 * 1024);
        let body = answer["body"].as_str().unwrap();
        assert!(body.contains(" (an API key) (an API key) ") && !body.contains("some"), "{shift}: {body}");
    }

    let headers = ["X-Some_key_1", "x-mock"];
    let probe = json!({"name": "search", "status": 200, "body": "ok", "headers": headers});
    let manner: Manner = serde_json::from_value(json!({"version": 1, "probes": [probe]})).unwrap();
    let mock = Mock::builder().live_key("Some_key_1").like(manner).build().unwrap();
    let server = started(&mock);
    send(server.address(), &post("/search", "Some_key_1", "query=alice"));
    let headers = &read(server.address(), "request?number=1")["answer"]["headers"];
    assert!(headers["x-mock"].is_array() && !headers.to_string().contains("some"), "{headers}");
}
