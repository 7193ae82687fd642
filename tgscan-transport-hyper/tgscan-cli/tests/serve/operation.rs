//! Health, metrics, logs, budgets that end, shutdown.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use tgscan_mock::Expect;
use tgscan_mock::types::Search;

use crate::support::{Gateway, World};

#[test]
fn health_and_readiness_need_no_key() {
    let world = World::new(100);
    let gateway = world.start();
    assert_eq!((gateway.get("/healthz").status, &*gateway.get("/healthz").body), (200, "ok\n"));
    let mut monitor = gateway.connect();
    monitor.write_all(b"HEAD /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut head = String::new();
    monitor.read_to_string(&mut head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!((gateway.get("/readyz").status, &*gateway.get("/readyz").body), (200, "ready\n"));
}

#[test]
fn openapi_document_names_the_urls_and_the_codes() {
    let world = World::new(100);
    let gateway = world.start();
    let document = gateway.get("/openapi.json").json();
    assert!(document["paths"]["/tgscan/v1/test/chat/similar"]["post"]["responses"]["409"].is_object());
    let printed = world.run(&["openapi"]);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&printed.stdout).unwrap(), document);
}

/// The value of a metric with all these parts in its line.
pub(crate) fn metric(gateway: &Gateway, parts: &[&str]) -> Option<f64> {
    let text = gateway.get("/metrics").body;
    let line =
        text.lines().find(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
    line.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[test]
fn metrics_count_calls_credits_and_budgets_and_name_no_query() {
    let world = World::new(100);
    let key = world.key("crawler", &["--total", "10"]);
    let gateway = world.start();
    gateway.search(&key, "private_name");
    gateway.search(&key, "private_name");
    gateway.search("wrong", "private_name");
    let value = |parts: &[&str]| metric(&gateway, parts);
    let mine = "name=\"crawler\"";
    assert_eq!(value(&["tgscan_calls_total", mine, "method=\"search\"", "outcome=\"ok\""]), Some(1.0));
    assert_eq!(value(&["tgscan_calls_total", mine, "method=\"search\"", "outcome=\"cached\""]), Some(1.0));
    assert_eq!(value(&["tgscan_credits_charged_total", mine]), Some(2.0));
    assert_eq!(value(&["tgscan_budget_left_credits", mine, "period=\"total\""]), Some(8.0));
    assert_eq!(value(&["tgscan_cap_left_credits"]), Some(998.0));
    assert_eq!(value(&["tgscan_account_credits", "state=\"charged\""]), Some(2.0));
    assert_eq!(value(&["tgscan_account_credits", "state=\"uncertain\""]), Some(0.0));
    assert_eq!(value(&["tgscan_requests_total", "code=\"ok\""]), Some(2.0));
    assert_eq!(value(&["tgscan_requests_total", "code=\"invalid_key\""]), Some(1.0));
    assert_eq!(value(&["tgscan_call_duration_seconds_count", "outcome=\"cached\""]), Some(1.0));
    assert_eq!(value(&["tgscan_store_up"]), Some(1.0));
    let text = gateway.get("/metrics").body;
    assert!(!text.contains("private_name") && !text.contains(&key));
}

#[test]
fn page_whose_name_resolves_to_this_machine_reads_no_metrics() {
    let world = World::new(100);
    let gateway = world.start();
    let scrape = |host: &str| {
        gateway.send(&format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    };
    for host in ["localhost:8470", "localhost.:8470", "127.0.0.1", "[::1]:8470"] {
        assert_eq!(scrape(host).status, 200, "{host}");
    }
    for host in
        ["attacker.example:8470", "127.0.0.1.attacker.example", "localhost.attacker.example", "", "a b"]
    {
        let refused = scrape(host);
        assert_eq!(refused.status, 403, "{host}");
        assert!(refused.body.contains("remote_metrics") && !refused.body.contains("tgscan_"), "{refused:?}");
    }
}

#[test]
fn access_log_has_no_query_no_answer_and_no_key() {
    let world = World::new(100);
    let key = world.key("crawler", &[]);
    let gateway = world.start();
    gateway.search(&key, "private_name");
    let line = gateway.wait_for("request");
    assert_eq!((&line["name"], &line["method"]), (&"crawler".into(), &"search".into()));
    assert_eq!((&line["status"], &line["code"], &line["credits"]), (&200.into(), &"ok".into(), &2.into()));
    assert_eq!((&line["storage"], &line["call"]), (&"stored".into(), &1.into()));
    assert!(line["ms"].is_number() && line["time"].is_string());
    gateway.post("/private_name?private_name", &key, "private_name");
    let line = gateway.wait_for("request");
    assert_eq!((&line["status"], &line["code"]), (&404.into(), &"unknown_path".into()));
    gateway.post("/tgscan/v1/search?private_name", &key, "query=private_name&private_name");
    gateway.wait_for("request");
    gateway.search("private_name", "private_name");
    gateway.wait_for("request");
    let all = gateway.written.lock().unwrap().clone();
    for secret in ["private_name", &key, tgscan_mock::Mock::LIVE_KEY] {
        assert!(!all.contains(secret), "{all}");
    }
}

#[test]
fn a_budget_warns_at_80_percent_and_when_it_is_used_up() {
    let world = World::new(100);
    let key = world.key("crawler", &["--per-day", "20"]);
    let gateway = world.start();
    for number in 1..=8 {
        assert_eq!(gateway.search(&key, &format!("name_{number}")).status, 200);
    }
    let warning = gateway.wait_for("budget_warning");
    assert_eq!((&warning["budget"], &warning["period"]), (&"crawler".into(), &"day".into()));
    assert_eq!((&warning["used"], &warning["limit"]), (&16.into(), &20.into()));
    assert_eq!(warning["level"], "nearly");
    for number in 9..=10 {
        assert_eq!(gateway.search(&key, &format!("name_{number}")).status, 200);
    }
    let warning = gateway.wait_for("budget_warning");
    assert_eq!((&warning["level"], &warning["used"]), (&"exhausted".into(), &20.into()));
    assert_eq!(gateway.search(&key, "name_11").status, 402);
    let warnings =
        metric(&gateway, &["tgscan_budget_warnings_total", "budget=\"crawler\"", "level=\"nearly\""]);
    assert_eq!(warnings, Some(1.0));
    assert_eq!(metric(&gateway, &["tgscan_budget_left_credits", "crawler"]), Some(0.0));
}

#[test]
fn sigterm_drains() {
    let world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    world.mock.expect(Expect::<Search>::any().after(Duration::from_millis(500)).at_least(1));
    let form = "query=some_name";
    let request = format!(
        "POST /tgscan/v1/search HTTP/1.1\r\nHost: a\r\nApi-Key: {key}\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let mut caller = gateway.connect();
    caller.write_all(request.as_bytes()).unwrap();
    // A second caller leaves, and its call still ends.
    let mut leaver = gateway.connect();
    leaver.write_all(request.replace("some_name", "next_name").as_bytes()).unwrap();
    while world.server.requests_in_flight() < 2 {
        std::thread::yield_now();
    }
    drop(leaver);
    let address = gateway.address;
    gateway.signal("-TERM");
    let mut answer = String::new();
    caller.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let stopped = gateway.wait_for("stopped");
    assert_eq!((&stopped["calls_left"], &stopped["unwritten"]), (&0.into(), &0.into()));
    assert_eq!(gateway.ended(), (Some(0), String::new()));
    std::net::TcpStream::connect(address).unwrap_err();
    // Both answers are in the store.
    let again = world.start();
    for name in ["some_name", "next_name"] {
        assert!(again.search(&key, name).header("x-tgscan-storage").unwrap().starts_with("cached"));
    }
    assert_eq!(world.mock.account().charged_calls, 2);
}

#[test]
fn a_second_signal_ends_the_wait() {
    let world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    world.mock.expect(Expect::<Search>::any().after(Duration::from_secs(20)).at_least(1));
    let mut caller = gateway.connect();
    write!(caller, "POST /tgscan/v1/search HTTP/1.1\r\nHost: a\r\nApi-Key: {key}\r\nContent-Length: 15\r\n\r\nquery=some_name").unwrap();
    while world.server.requests_in_flight() < 1 {
        std::thread::yield_now();
    }
    gateway.signal("-TERM");
    while std::net::TcpStream::connect(gateway.address).is_ok() {
        std::thread::yield_now();
    }
    gateway.signal("-TERM");
    assert_eq!(gateway.ended().0, Some(143));
    // The call in flight is uncertain, and is not sent again.
    let again = world.start();
    let refused = again.search(&key, "some_name");
    assert_eq!((refused.status, &*refused.code()), (409, "uncertain"));
}

#[test]
fn shutdown_waits_no_longer_than_its_limit() {
    let world = World::new(100);
    world.configure("", "[limits]\ndrain = \"4s\"");
    let key = world.key("a", &[]);
    let gateway = world.start();
    world.mock.expect(Expect::<Search>::any().after(Duration::from_mins(1)).at_least(1));
    let mut caller = gateway.connect();
    write!(caller, "POST /tgscan/v1/search HTTP/1.1\r\nHost: a\r\nApi-Key: {key}\r\nContent-Length: 15\r\n\r\nquery=some_name").unwrap();
    while world.server.requests_in_flight() < 1 {
        std::thread::yield_now();
    }
    let began = Instant::now();
    gateway.signal("-TERM");
    assert_eq!(gateway.wait_for("stopped")["calls_left"], 1);
    let took = began.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(7)).contains(&took), "{took:?}");
    assert_eq!(gateway.ended().0, Some(6));
}

#[test]
fn uncertain_calls_are_settled_by_the_balance_if_the_configuration_says_so() {
    let world = World::new(100);
    world
        .mock
        .script::<Search>([None, Some(tgscan_mock::Fault::new(tgscan_mock::FaultKind::Reset).charged())]);
    let key = world.key("a", &[]);
    let gateway = world.start();
    gateway.search(&key, "name_1");
    assert_eq!(gateway.search(&key, "name_2").status, 504);
    assert_eq!(metric(&gateway, &["tgscan_account_credits", "uncertain"]), Some(2.0));
    assert_eq!(metric(&gateway, &["tgscan_uncertain_calls_total"]), Some(1.0));
    drop(gateway);
    world.configure("", "reconcile_every = \"50ms\"");
    let key = world.key("a", &[]);
    let gateway = world.start();
    // The first balance is remembered; the uncertain call is older than it.
    let compared = gateway.wait_for("reconciled");
    assert_eq!(compared["outcome"], "Baseline", "{compared}");
    assert_eq!(gateway.search(&key, "name_1").status, 200);
}
