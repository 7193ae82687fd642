//! The control paths, used as by a test in another language.

use serde_json::{Value, json};
use tgscan_mock::{Mock, MockServer, ServerOptions};

use crate::support::{answer, control, post, send};

fn started(mock: &Mock) -> MockServer {
    MockServer::start(mock, &ServerOptions::new()).unwrap()
}

fn search(key: &str) -> http::Request<bytes::Bytes> {
    let mut request = post("/search", key, "query=some_username");
    request.headers_mut().insert("content-length", 19.into());
    request
}

#[test]
fn state_can_be_read_and_the_balance_set() {
    let mock = Mock::builder().seed(7).credits(10).build().unwrap();
    let server = started(&mock);
    send(server.address(), &search(Mock::LIVE_KEY));
    let (status, state) = control(server.address(), "GET", "state", "");
    let expected = json!({"seed": 7, "credits": 9, "spent": 1, "granted": 10, "charged_calls": 1, "requests": 1,
        "latency_ms": 0, "repeat": "same", "dropped_requests": 0, "faults_left": 0, "answers_unexpected": false,
        "num_live_keys": 1, "num_test_keys": 1, "num_revoked_keys": 0, "costs": state["costs"].clone()});
    assert_eq!(state["costs"], json!({"search": {}, "similar_groups": {}}));
    assert_eq!((status, state), (200, expected));
    let (_, state) = control(server.address(), "PUT", "state", r#"{"credits": 0}"#);
    assert_eq!((state["credits"].as_i64(), state["granted"].as_i64()), (Some(0), Some(1)));
    assert!(send(server.address(), &search(Mock::LIVE_KEY)).0.contains("402"));
}

#[test]
fn requests_can_be_read_without_keys() {
    let mock = Mock::new();
    let server = started(&mock);
    for key in [Mock::LIVE_KEY, "a-wrong-key"] {
        send(server.address(), &search(key));
    }
    let (_, mut requests) = control(server.address(), "GET", "requests", "");
    let received = requests[0]["received_ms"].take().as_u64().unwrap();
    assert!(received > 1_700_000_000_000, "{received}");
    requests[0]["took_ms"].take();
    let expected = json!({"method": "search", "path": "/tgscan/v1/search", "form": "query=some_username",
        "number": 1, "http_method": "POST", "is_test": false, "body": null, "took_ms": null, "key": "live", "status": 200, "charged": 1, "fault": null, "refusal": null, "url_query": null, "received_ms": null,
        "headers": {"connection": ["close"], "content-length": ["19"], "host": ["mock"],
            "content-type": ["application/x-www-form-urlencoded"]}});
    assert_eq!(requests[0], expected);
    assert_eq!(requests[1]["refusal"], "unknown API key");
    assert_eq!((&requests[1]["key"], &requests[1]["status"]), (&Value::Null, &json!(401)));
    assert!(!requests.to_string().contains("-key\""), "{requests}");
    assert_eq!(requests.as_array().unwrap().len(), 2, "control paths are not recorded");
}

#[test]
fn faults_can_be_scripted_and_removed() {
    let mock = Mock::new();
    let server = started(&mock);
    let steps = r#"[{"kind": "answer"}, {"kind": "html_page", "status": 502, "charged": true},
        {"kind": "gateway_json", "status": 503, "charged": true, "message": "no healthy upstream"},
        {"kind": "reset", "method": "balance"}]"#;
    assert_eq!(control(server.address(), "POST", "faults", steps), (200, json!({"faults_left": 4})));
    for status in ["200 OK", "502 Bad Gateway", "503 Service Unavailable", "200 OK"] {
        assert_eq!(send(server.address(), &search(Mock::LIVE_KEY)).0, format!("HTTP/1.1 {status}"));
    }
    assert_eq!(mock.account().spent, 4);
    let (_, requests) = control(server.address(), "GET", "requests", "");
    assert_eq!(requests[1]["fault"], json!({"kind": "html_page", "status": 502, "charged": true}));
    assert_eq!(control(server.address(), "GET", "faults", "").1, json!({"faults_left": 1}));
    assert_eq!(control(server.address(), "DELETE", "faults", "").1, json!({"faults_left": 0}));
}

#[test]
fn a_number_of_calls_can_have_limits() {
    let mock = Mock::new();
    let server = started(&mock);
    for (limits, met) in [
        (r#""at_least": 1"#, vec![1, 2, 3]),
        (r#""at_most": 1"#, vec![0, 1]),
        (r#""at_least": 1, "at_most": 2"#, vec![1, 2]),
    ] {
        let is_met = |calls: &usize| {
            mock.reset();
            let expected = format!(r#"[{{"method": "search", {limits}}}]"#);
            assert_eq!(control(server.address(), "POST", "expectations", &expected).0, 200);
            (0..*calls).for_each(|_| drop(send(server.address(), &search(Mock::LIVE_KEY))));
            mock.verify().is_ok()
        };
        assert_eq!((0..4).filter(is_met).collect::<Vec<usize>>(), met, "{limits}");
    }
}

#[test]
fn answers_can_be_given_and_calls_expected() {
    let mock = Mock::new();
    let server = started(&mock);
    let expected = r#"[{"method": "search", "query": "some_username", "name": "first search", "times": 2,
            "answer": {"user": {"id": 7}, "meta": {"known_num_groups": 0, "num_groups": 0, "op_cost": 4}}},
        {"method": "balance", "fault": {"kind": "error_envelope", "status": 200, "message": "not today"}}]"#;
    let (status, result) = control(server.address(), "POST", "expectations", expected);
    assert_eq!((status, &result["satisfied"]), (200, &json!(false)));
    let report = result["report"].as_str().unwrap();
    let missing = "- first search: `search` with `query=some_username` is expected 2 times, and was called 0 times; there was \
                   no other request\n";
    assert!(report.contains(missing), "{report}");
    for _ in 0..2 {
        let body = send(server.address(), &search(Mock::LIVE_KEY)).1;
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["result"]["user"]["id"], 7);
    }
    let mut balance = post("/balance", Mock::LIVE_KEY, "");
    balance.headers_mut().insert("content-length", 0.into());
    let body = send(server.address(), &balance).1;
    assert!(String::from_utf8_lossy(&body).contains("not today"));
    assert_eq!(control(server.address(), "GET", "expectations", "").1["satisfied"], true);
    assert_eq!(mock.account().spent, 8);
    for (wrong, says) in [
        (r#"[{"method": "serach"}]"#, "use one of search, balance"),
        (r#"[{"method": "search", "query": "a b"}]"#, "the query of `search`"),
        (r#"[{"method": "search", "answer": {"user": 5}}]"#, "the answer of `search`"),
        (r#"[{"method": "search", "latency_ms": 3600001}]"#, "a number from 0 to 3600000"),
        (r#"[{"method": "search", "tiems": 2}]"#, "unknown field `tiems`"),
        (r#"[{"method": "search", "times": 2, "at_most": 3}]"#, "`times` excludes `at_least` and `at_most`"),
        (r#"[{"method": "search", "at_least": 3, "at_most": 2}]"#, "`at_least` is larger than `at_most`"),
    ] {
        let (status, error) = control(server.address(), "POST", "expectations", wrong);
        assert!(status == 400 && error["error"].as_str().unwrap().contains(says), "{error}");
    }
    control(server.address(), "DELETE", "expectations", "");
    assert!(send(server.address(), &search(Mock::LIVE_KEY)).0.ends_with("200 OK"));
    let steps = r#"[{"kind": "close", "times": 3}]"#;
    assert_eq!(control(server.address(), "POST", "faults", steps).1, json!({"faults_left": 3}));
    mock.clear_script();
}

#[test]
fn reset_restores_the_start() {
    let mock = Mock::builder().credits(5).repeat(tgscan_mock::Repeat::Varied).build().unwrap();
    let server = started(&mock);
    let ask = || send(server.address(), &search(Mock::LIVE_KEY)).1;
    let first = [ask(), ask()];
    assert_ne!(first[0], first[1]);
    control(server.address(), "POST", "faults", r#"[{"kind": "reset"}]"#);
    let (status, state) = control(server.address(), "POST", "reset", "");
    assert_eq!((status, &state["credits"], &state["faults_left"]), (200, &json!(5), &json!(0)));
    assert_eq!(state["requests"], 0);
    assert_eq!([ask(), ask()], first);
}

#[test]
fn an_invalid_request_is_explained_and_changes_nothing() {
    let mock = Mock::new();
    let server = started(&mock);
    for (http_method, path, body, status, says) in [
        ("GET", "nothing", "", 404, "the paths are /_mock/state"),
        ("DELETE", "state", "", 405, "send one of GET, PUT"),
        ("GET", "reset", "", 405, "send one of POST"),
        (
            "PUT",
            "state",
            r#"{"costs": {"balance": {"usual": 1}}}"#,
            400,
            "costs.balance: this method is free",
        ),
        ("PUT", "state", r#"{"costs": {"search": {"queries": {"a b": 1}}}}"#, 400, "costs.search.queries: "),
        ("PUT", "state", "[5]", 400, "expected an object"),
        ("PUT", "state", r#"{"costs": {"search": [5]}}"#, 400, "expected an object"),
        ("POST", "expectations", r#"[["search"]]"#, 400, "expected an object"),
        ("PUT", "state", r#"{"credits": 5, "live_keys": ["a", "a"]}"#, 400, "given twice"),
        ("PUT", "state", r#"{"credits": 5, "latency_ms": 3600001}"#, 400, "a number from 0 to 3600000"),
        ("PUT", "state", r#"{"credits": 1, "spent": 0}"#, 400, "unknown field `spent`"),
        ("POST", "faults", "[{]", 400, "line 1"),
        ("POST", "faults", r#"[{"kind": "answer"}, {"kind": "explode"}]"#, 400, "unknown variant `explode`"),
    ] {
        let (got, json) = control(server.address(), http_method, path, body);
        assert_eq!(got, status, "{http_method} {path}");
        assert!(json["error"].as_str().unwrap().contains(says), "{json}");
    }
    assert_eq!((mock.account().credits, mock.script_left()), (1000, 0));
    // The mock in process has no control paths, so the path is unknown.
    let request = post("/../../_mock/state", Mock::LIVE_KEY, "");
    assert_eq!(answer(&mock, &request).status(), 404);
}

#[test]
fn settings_change_until_a_reset() {
    let mock = Mock::builder().seed(7).build().unwrap();
    let server = started(&mock);
    let ask = |key| {
        let (status, body) = send(server.address(), &search(key));
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let before = ask(Mock::LIVE_KEY);
    let change = r#"{"seed": 8, "live_keys": ["another-key"], "latency_ms": 1, "repeat": "varied",
        "revoked_keys": ["mock-live-key"],
        "costs": {"search": {"usual": 3, "queries": {"some_username": 40}}}}"#;
    let (status, state) = control(server.address(), "PUT", "state", change);
    assert_eq!((status, &state["seed"], &state["latency_ms"]), (200, &json!(8), &json!(1)), "{state}");
    assert_eq!(state["repeat"], "varied");
    assert_eq!(state["spent"], 1, "spent credits stay");
    let unchanged = r#"{"costs": {"search": {"usual": null}}}"#;
    assert_eq!(control(server.address(), "PUT", "state", unchanged).1["costs"], state["costs"]);
    let (status, refused) = ask(Mock::LIVE_KEY);
    assert!(status.contains("401") && refused["result"]["message"].as_str().unwrap().contains("revoked"));
    assert_eq!(mock.requests().pop().unwrap().key, Some(tgscan_mock::KeyKind::Revoked));
    assert_eq!(state["num_revoked_keys"], 1);
    let after = ask("another-key");
    assert_ne!(after.1["result"]["user"]["id"], before.1["result"]["user"]["id"]);
    assert_eq!(after.1["result"]["meta"]["op_cost"], 40);
    assert_eq!(mock.account().spent, 41);
    let requested = Mock::builder().seed(8).live_key("another-key").build().unwrap();
    let expected =
        serde_json::from_slice::<Value>(answer(&requested, &search("another-key")).body()).unwrap();
    assert_eq!(after.1["result"]["groups"], expected["result"]["groups"], "the world of the new seed");
    control(server.address(), "POST", "reset", "");
    assert_eq!(ask(Mock::LIVE_KEY), before);
}

#[test]
fn concurrent_changes_are_both_applied() {
    let mock = Mock::new();
    let server = started(&mock);
    let change = |json: Value| control(server.address(), "PUT", "state", &json.to_string());
    for number in 1..50 {
        std::thread::scope(|scope| {
            scope.spawn(|| change(json!({ "seed": number })));
            scope.spawn(|| change(json!({ "latency_ms": number })));
        });
        let state = control(server.address(), "GET", "state", "").1;
        assert_eq!((&state["seed"], &state["latency_ms"]), (&json!(number), &json!(number)));
    }
}

#[test]
fn control_document_has_each_path_with_its_http_methods() {
    let mock = Mock::new();
    let server = started(&mock);
    let (_, document) = control(server.address(), "GET", "control.json", "");
    let paths = document["paths"].as_object().unwrap();
    for (path, operations) in paths {
        let (status, wrong) = control(server.address(), "PATCH", path.strip_prefix("/_mock/").unwrap(), "");
        let mut documented: Vec<String> =
            operations.as_object().unwrap().keys().map(|name| name.to_uppercase()).collect();
        documented.sort_unstable();
        let takes = wrong["error"].as_str().unwrap().strip_prefix("send one of ").unwrap();
        let mut takes: Vec<&str> = takes.split(", ").collect();
        takes.sort_unstable();
        assert_eq!((status, takes), (405, documented.iter().map(String::as_str).collect()), "{path}");
    }
    let (_, unknown) = control(server.address(), "GET", "nothing", "");
    let known = unknown["error"].as_str().unwrap().matches("/_mock/").count();
    assert_eq!(paths.len(), known, "{unknown}");
}

/// Returns whether a value has the shape of a schema: the keywords that the document uses for answers.
fn fits(document: &Value, schema: &Value, value: &Value) -> bool {
    let fits = |schema: &Value, value: &Value| fits(document, schema, value);
    if let Some(reference) = schema["$ref"].as_str() {
        return fits(document.pointer(&reference[1..]).unwrap(), value);
    }
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_type = |known: &Value| known == name || known == "number" && name == "integer";
    let of_type = match &schema["type"] {
        Value::Array(types) => types.iter().any(is_type),
        Value::Null => true,
        known => is_type(known),
    };
    let any = |keyword: &str, fits: &dyn Fn(&Value) -> bool| {
        schema[keyword].as_array().is_none_or(|options| options.iter().any(fits))
    };
    let items = value.as_array().into_iter().flatten().all(|item| fits(&schema["items"], item));
    let required = schema["required"].as_array().into_iter().flatten();
    let fields = value.as_object().into_iter().flatten().all(|(name, field)| {
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Null) => schema["properties"].is_null(),
            (Value::Null, others) => *others != false && (*others == true || fits(others, field)),
            (property, _) => fits(property, field),
        }
    });
    of_type
        && any("anyOf", &|option| fits(option, value))
        && any("enum", &|option| option == value)
        && items
        && fields
        && (!value.is_object()
            || required.into_iter().all(|name| value.get(name.as_str().unwrap()).is_some()))
}

#[test]
fn answers_have_the_shape_of_the_control_document() {
    let mock = Mock::new();
    let server = started(&mock);
    let (_, document) = control(server.address(), "GET", "control.json", "");
    let state = &document["components"]["schemas"]["State"];
    assert_eq!(state["required"].as_array().unwrap().len(), state["properties"].as_object().unwrap().len());
    let mut checked = 0;
    let mut check = |http_method: &str, path: &str, body: &str| {
        let name = path.split('?').next().unwrap();
        let operation = &document["paths"][format!("/_mock/{name}")][http_method.to_lowercase()];
        let (status, answer) = control(server.address(), http_method, path, body);
        let schema = &operation["responses"][status.to_string()]["content"]["application/json"]["schema"];
        assert!(schema.is_object() && fits(&document, schema, &answer), "{http_method} {path}: {answer}");
        checked += 1;
    };
    let change = r#"{"costs": {"search": {"usual": 2, "queries": {"carol": 3}}}}"#;
    check("PUT", "state", change);
    check("PUT", "state", "[]");
    check("POST", "faults", r#"[{"kind": "html_page", "status": 502, "charged": true, "latency_ms": 1}]"#);
    for key in [Mock::LIVE_KEY, Mock::LIVE_KEY, "a-wrong-key"] {
        send(server.address(), &search(key));
    }
    check("POST", "faults", r#"[{"kind": "answer"}, {"kind": "cut_body", "at": 3, "method": "balance"}]"#);
    check("POST", "expectations", r#"[{"method": "search", "times": 2}, {"method": "balance"}]"#);
    send(server.address(), &search(Mock::LIVE_KEY));
    for path in ["state", "requests", "changes", "faults", "expectations", "openapi.json", "control.json"] {
        check("GET", path, "");
    }
    for number in ["1", "2", "3", "99", "none"] {
        check("GET", &format!("request?number={number}"), "");
    }
    check("DELETE", "faults", "");
    check("DELETE", "expectations", "");
    check("POST", "reset", "");
    assert_eq!(checked, 20);
    let wrong = json!({"satisfied": true});
    assert!(!fits(&document, &json!({"$ref": "#/components/schemas/Verdict"}), &wrong));
}

#[test]
fn the_openapi_document_has_the_methods_of_the_registry() {
    let mock = Mock::new();
    let server = started(&mock);
    let (status, document) = control(server.address(), "GET", "openapi.json", "");
    assert_eq!((status, document["openapi"].as_str()), (200, Some("3.1.0")));
    let mut paths: Vec<&str> = tgscan_mock::types::registry::infos()
        .iter()
        .flat_map(|m| [Some(m.path), m.test_path])
        .flatten()
        .collect();
    paths.sort_unstable();
    let documented: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(documented, paths);
}

#[test]
fn the_openapi_document_is_that_of_the_types() {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    assert_eq!(document, tgscan_mock::openapi(), "to write it: cargo xtask docs");
}
