//! The service's own protocol, local keys, and the gateway's own outcomes.

use crate::support::{PRICE, World};

const PATHS: [(&str, &str); 7] = [
    ("/tgscan/v1/search", "query=some_username"),
    ("/tgscan/v1/balance", ""),
    ("/tgscan/v1/chat/similar", "query=some_username1,some_username2"),
    ("/tgscan/v1/user/check", "query=some_username1"),
    ("/tgscan/v1/test/search", "query=some_username"),
    ("/tgscan/v1/test/chat/similar", "query=some_username1,some_username2"),
    ("/tgscan/v1/test/user/check", "query=some_username1"),
];

#[test]
fn the_seven_urls_answer_as_the_service_does() {
    let world = World::new(100);
    let (live, test) = (world.key("live", &[]), world.key("test", &["--test"]));
    let gateway = world.start();
    for (path, form) in PATHS {
        let is_test = path.contains("/test/");
        let response = gateway.post(path, if is_test { &test } else { &live }, form);
        assert_eq!(response.status, 200, "{path}: {response:?}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.json()["status"], "ok", "{path}");
        let sent = world.mock.requests().pop().unwrap();
        assert_eq!(sent.path, path);
        let other = gateway.post(path, if is_test { &live } else { &test }, form);
        if path != "/tgscan/v1/balance" {
            assert_eq!((other.status, &*other.code()), (403, "wrong_kind_of_key"), "{path}");
        }
    }
}

#[test]
fn answers_say_what_they_cost_and_whether_they_are_stored() {
    let world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    let new = gateway.search(&key, "some_username");
    assert_eq!(new.header("x-tgscan-credits"), Some(&*PRICE.to_string()));
    assert_eq!(new.header("x-tgscan-storage"), Some("stored"));
    let call = new.header("x-tgscan-call").unwrap().to_owned();
    // Another spelling of the same question.
    let stored = gateway.search(&key, "Some_Username");
    assert_eq!(stored.body, new.body);
    assert_eq!(stored.header("x-tgscan-credits"), Some("0"));
    assert!(stored.header("x-tgscan-storage").unwrap().starts_with("cached; age="));
    assert_eq!(stored.header("x-tgscan-call"), Some(&*call));
    assert_eq!(world.mock.account().credits, 98);
    let free = gateway.post("/tgscan/v1/user/check", &key, "query=some_username");
    assert_eq!((free.header("x-tgscan-credits"), free.header("x-tgscan-storage")), (Some("0"), None));
}

#[test]
fn requests_are_read_as_clients_in_the_field_send_them() {
    let world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    let send = |head: &str, form: &str| {
        let length = format!("Content-Length: {}\r\n", form.len());
        let head = format!("POST /tgscan/v1/search HTTP/1.1\r\nHost: a\r\nApi-Key: {key}\r\n{head}{length}");
        gateway.send(&format!("{head}Connection: close\r\n\r\n{form}"))
    };
    // What `fetch` does with a text, and no type at all.
    let typed = send("Content-Type: text/plain;charset=UTF-8\r\n", "query=one_name");
    assert_eq!(typed.status, 200, "{typed:?}");
    assert_eq!(send("", "query=one_name").body, typed.body);
    // A POST without a body, as curl sends it with `-XPOST` alone.
    let balance =
        format!("POST /tgscan/v1/balance HTTP/1.1\r\nHost: a\r\nApi-Key: {key}\r\nConnection: close\r\n\r\n");
    assert_eq!(gateway.send(&balance).json()["result"]["num_credits"], 98);
}

#[test]
fn wrong_requests_get_envelopes_with_codes() {
    let world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    let coded = |response: &crate::support::Response| (response.status, response.code());
    for (form, message) in [
        ("", "the required argument `query` is missing"),
        ("query=", "empty"),
        ("query=a", "at least 4 characters"),
        ("other=some_username", "`query` is missing"),
        ("query=%ff%fe", ""),
        ("query=some_name&query=other_name", "an argument is given more than once"),
    ] {
        let response = gateway.post("/tgscan/v1/search", &key, form);
        assert_eq!(coded(&response), (400, "bad_query".to_owned()), "{form}");
        assert!(response.json()["result"]["message"].as_str().unwrap().contains(message), "{response:?}");
    }
    let unknown = gateway.post("/tgscan/v1/unknown", &key, "");
    assert_eq!(coded(&unknown), (404, "unknown_path".to_owned()));
    let get = gateway.get("/tgscan/v1/balance");
    assert_eq!(coded(&get), (405, "http_method".to_owned()));
    assert_eq!(get.header("allow"), Some("POST"));
    assert_eq!(world.mock.requests().len(), 0);
}
