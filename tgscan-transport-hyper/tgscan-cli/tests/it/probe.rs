//! `tgscan probe`: forms of a service's answers, found with a test key, and a mock that answers like it.

use tgscan_mock::types::{Search, UserCheck};
use tgscan_mock::{ErrorStatus, Fault, FaultKind, Manner, Mock, MockBuilder};

use crate::support::{Bench, Ran};

const PROBE: [&str; 5] = ["probe", "--test-key", "--yes", "--pause", "0s"];

/// Probes a mock. Returns the file.
fn probed(mock: MockBuilder) -> String {
    let bench = Bench::with(mock.build().unwrap());
    let ran = Ran::of(bench.command(&PROBE).env("TGSCAN_API_KEY", Mock::TEST_KEY).output().unwrap());
    assert_eq!((ran.code, &*ran.out), (Some(0), ""), "{ran:?}");
    assert_eq!(bench.mock.requests().len(), 20);
    assert_eq!(bench.spent(), 0, "probing is free");
    std::fs::read_to_string(bench.path("probe.toml")).unwrap()
}

/// Each value of a file in a line with its probe.
fn lines(file: &str) -> Vec<String> {
    let table: toml::Table = toml::from_str(file).unwrap();
    let mut lines = Vec::new();
    for probe in table["probes"].as_array().unwrap() {
        let probe = probe.as_table().unwrap();
        let name = probe["name"].as_str().unwrap();
        for (key, value) in probe {
            match value {
                toml::Value::Table(fields) => {
                    lines.extend(fields.iter().map(|(path, kinds)| format!("{name}: {path} = {kinds}")));
                }
                value => lines.push(format!("{name}: {key} = {value}")),
            }
        }
    }
    lines
}

/// The lines that only the second file has.
fn changes(before: &str, after: &str) -> Vec<String> {
    let before = lines(before);
    lines(after).into_iter().filter(|line| !before.contains(line)).collect()
}

/// The types of fields by their paths.
fn fields(types: &[(&str, &str)]) -> toml::Value {
    types.iter().map(|(path, kinds)| ((*path).to_owned(), (*kinds).into())).collect::<toml::Table>().into()
}

fn like(file: &str) -> MockBuilder {
    let manner: Manner = toml::from_str(file).unwrap();
    Mock::builder().seed(11).like(manner)
}

#[test]
fn live_key_is_refused_before_anything_is_sent() {
    let bench = Bench::new(100);
    let url = bench.server.url();
    let live = bench.run(&["probe", "--yes"]);
    assert!(live.code == Some(2) && live.err.contains("A live key is never used"), "{live:?}");
    bench.write("key", Mock::LIVE_KEY);
    bench.write(
        "config.toml",
        format!("key_file = {:?}\nbase_url = {url:?}\n", bench.path("key").display().to_string()),
    );
    let mut configured = bench.without_key(&PROBE);
    let ran = Ran::of(configured.env("TGSCAN_CONFIG", bench.path("config.toml")).output().unwrap());
    assert!(ran.code == Some(2) && ran.err.contains("as a live one"), "{ran:?}");
    let mut unconfirmed = bench.command(&["probe", "--test-key"]);
    let ran = Ran::of(unconfirmed.env("TGSCAN_API_KEY", Mock::TEST_KEY).output().unwrap());
    assert!(ran.code == Some(2) && ran.err.contains("--yes sends them; nothing was sent"), "{ran:?}");
    assert!(ran.err.contains("20 requests go to") && ran.err.contains("/tgscan/v1/test/search"), "{ran:?}");
    assert_eq!(bench.mock.requests().len(), 0);
    // A live key that is called a test key ends the probe with its first request, which is to a test method.
    let ran = bench.run(&PROBE);
    assert!(ran.code == Some(3) && ran.err.contains("it may be a live key"), "{ran:?}");
    assert!(bench.mock.requests().len() == 1 && bench.spent() == 0 && !bench.path("probe.toml").exists());
}

#[test]
fn settings_of_a_mock_are_found() {
    let mock = || Mock::builder().seed(11);
    let usual = probed(mock());
    let always_ok = changes(&usual, &probed(mock().error_status(ErrorStatus::AlwaysOk)));
    for name in ["wrong_key", "missing_key", "missing_query", "get", "unknown_path", "live_check"] {
        assert!(always_ok.contains(&format!("{name}: status = 200")), "{always_ok:?}");
    }
    let numbers = changes(&usual, &probed(mock().like_service()));
    assert!(numbers.iter().any(|line| line.ends_with("result.id_history[].id = \"integer\"")), "{numbers:?}");
    let strict = changes(&usual, &probed(mock().strict()));
    assert!(strict.contains(&"text_content_type: status = 415".to_owned()), "{strict:?}");
    assert!(usual.lines().any(|line| line == "\"result.id_history[].id\" = \"digits\""), "{usual}");
}

#[test]
fn file_has_no_key_no_query_and_no_value() {
    let file = probed(Mock::builder().seed(11));
    for value in [Mock::TEST_KEY, "00000000", "some_username", "777000", "127.0.0.1", "2026", "2025"] {
        assert!(!file.contains(value), "{value}: {file}");
    }
    assert!(file.starts_with("# Written by `tgscan probe`"), "{file}");
}

#[test]
fn planted_differences_are_found_and_reproduced() {
    let usual = probed(Mock::builder().seed(11));
    let mut expected = Vec::new();
    let mut table: toml::Table = toml::from_str(&usual).unwrap();
    for probe in table["probes"].as_array_mut().unwrap() {
        let probe = probe.as_table_mut().unwrap();
        let name = probe["name"].as_str().unwrap().to_owned();
        let mut set = |key: &str, value: toml::Value| {
            expected.push(format!("{name}: {key} = {value}"));
            probe.insert(key.to_owned(), value);
        };
        match &*name {
            "wrong_key" => {
                set("status", 200.into());
                set("message", "Token is wrong".into());
            }
            "missing_key" => {
                set("status", 403.into());
                set("body", "html".into());
                set("content_type", "text/html".into());
                probe.remove("message");
                probe.remove("fields");
            }
            "missing_query" => set("message", "query required".into()),
            "invalid_query" => {
                set("status", 422.into());
                set("content_type", "application/json; charset=utf-N".into());
            }
            "unknown_path" => {
                set("body", "text".into());
                set("content_type", "text/plain".into());
                probe.remove("message");
                probe.remove("fields");
            }
            "extra_argument" => set("message", "extra is unknown".into()),
            "get" => {
                set("body", "json".into());
                probe.insert("fields".to_owned(), fields(&[("message", "text"), ("status", "text")]));
            }
            "live_check" => set("status", 401.into()),
            "text_content_type" => {
                set("status", 415.into());
                set("body", "error_text".into());
                probe.insert("message".to_owned(), "forms only".into());
                probe.insert("fields".to_owned(), fields(&[("result", "text"), ("status", "text")]));
            }
            "search" | "search_again" | "search_by_id" => {
                let headers: Vec<toml::Value> =
                    ["content-length", "content-type", "server", "x-request-id"].map(Into::into).to_vec();
                set("headers", headers.into());
                let fields = probe["fields"].as_table_mut().unwrap();
                for (path, kinds) in [
                    ("result.groups[].date_updated", "date 99.99.9999 99:99"),
                    ("result.id_history[].id", "integer"),
                    ("result.message", "null"),
                    ("result.meta.num_credits", "integer"),
                    ("request_id", "text"),
                ] {
                    let is_new = !path.contains("[]") || fields.contains_key(path);
                    if is_new {
                        fields.insert(path.to_owned(), kinds.into());
                        expected.push(format!("{name}: {path} = {kinds:?}"));
                    }
                }
                fields.remove("result.user.last_name");
            }
            "balance" => {
                set("status", 403.into());
                set("body", "error".into());
                set("message", "no balance for test keys".into());
                probe.insert(
                    "fields".to_owned(),
                    fields(&[("result", "object"), ("result.message", "text"), ("status", "text")]),
                );
            }
            _ => {}
        }
    }
    let found = probed(like(&table.to_string()));
    let seen = changes(&usual, &found);
    let missed: Vec<_> = expected.iter().filter(|line| !seen.contains(line)).collect();
    assert!(missed.is_empty() && expected.len() > 20, "{missed:#?} of {seen:#?}");
    assert!(!lines(&found).iter().any(|line| line.starts_with("search: result.user.last_name")));
    // A mock like the file answers as the file states, down to the last line.
    let again = probed(like(&found));
    assert_eq!(lines(&found), lines(&again));
    let same = probed(like(&usual));
    assert_eq!(lines(&usual), lines(&same), "the mock is like itself");
}

#[test]
fn limit_is_recorded_and_respected() {
    let bench = Bench::with(Mock::builder().seed(11).build().unwrap());
    bench.mock.script::<Search>([Fault::new(FaultKind::TooManyRequests { retry_after: Some(0) })]);
    let ran = Ran::of(bench.command(&PROBE).env("TGSCAN_API_KEY", Mock::TEST_KEY).output().unwrap());
    assert!(ran.code == Some(0) && ran.err.contains("rate limited: continuing in 0s"), "{ran:?}");
    let file = std::fs::read_to_string(bench.path("probe.toml")).unwrap();
    assert!(file.contains("retry_after = \"seconds\"") && !file.contains("status = 429"), "{file}");
    bench.mock.script::<UserCheck>([Fault::new(FaultKind::Reset)]);
    let ran = Ran::of(bench.command(&PROBE).env("TGSCAN_API_KEY", Mock::TEST_KEY).output().unwrap());
    assert!(ran.code == Some(5) && ran.err.contains("nothing was written"), "{ran:?}");
    bench.mock.script::<Search>([Fault::new(FaultKind::Reset)]);
    let ran = Ran::of(bench.command(&PROBE).env("TGSCAN_API_KEY", Mock::TEST_KEY).output().unwrap());
    assert!(ran.code == Some(0) && ran.err.contains("search: no response"), "{ran:?}");
}
