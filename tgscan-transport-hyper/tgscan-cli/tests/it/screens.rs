//! The screens, word for word. To accept a change: `UPDATE_SNAPSHOTS=yes cargo test --package tgscan-cli screens`.

use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tgscan_mock::types::{Search, SearchAnswer, SearchGroup, SearchUser};
use tgscan_mock::{Expect, Fault, FaultKind, Mock};

use crate::support::{Bench, Ran};

/// Compares a screen with its file.
fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/screens").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(text, expected, "{name} is not as in {}", path.display());
}

fn screen(command: &str, ran: &Ran) -> String {
    let mut text = format!("$ tgscan {command}\n{}", ran.out);
    for line in ran.err.lines() {
        writeln!(text, "(2) {line}").unwrap();
    }
    if ran.code != Some(0) {
        writeln!(text, "exit code {}", ran.code.unwrap()).unwrap();
    }
    text
}

#[test]
fn answers_for_people() {
    let bench = Bench::new(1000);
    let mut text = String::new();
    for command in
        ["balance", "check alice_1", "search alice_1", "search alice_1 --csv", "similar group_a group_b"]
    {
        text += &screen(command, &bench.run(&command.split(' ').collect::<Vec<_>>()));
        text.push('\n');
    }
    check("answers", &text);
}

#[test]
fn batch_from_plan_to_bill() {
    let bench = Bench::new(1000);
    bench.write("list.txt", "@alice_1\nbob_1\nALICE_1\n+7 999 1234567\n\ncarol_1\n");
    let mut text = String::new();
    let mut run = |command: &str| {
        let ran = bench.run_stored(&command.split(' ').collect::<Vec<_>>());
        text += &screen(command, &ran);
        text.push('\n');
    };
    run("batch list.txt --out out.jsonl --dry-run");
    bench.mock.script::<Search>([None, Some(Fault::new(FaultKind::Reset).charged())]);
    run("batch list.txt --out out.jsonl --jobs 1");
    run("batch list.txt --out out.jsonl --jobs 1");
    run("store info");
    run("store reconcile --late-charge 0s");
    run("batch list.txt --out out.jsonl --jobs 1");
    // The port differs from run to run.
    check("batch", &text.replace(bench.server.address().to_string().as_str(), "ADDRESS"));
}

#[test]
fn help() {
    let bench = Bench::new(1);
    let mut text = String::new();
    for command in ["-h", "--help", "batch -h", "store -h", "--version"] {
        text += &screen(command, &bench.run(&command.split(' ').collect::<Vec<_>>()));
        text.push('\n');
    }
    check("help", &text);
}

fn names_of_all_kinds() -> SearchAnswer {
    let group = |id, title: &str, username: &str| {
        SearchGroup::new(id, title).with_username(username).with_date_updated("2026-01-02")
    };
    let mut answer = SearchAnswer::default();
    answer.user = Some(SearchUser::new(77).with_username("alice_1"));
    "نور".clone_into(&mut answer.user.as_mut().unwrap().first_name);
    answer.groups = vec![
        group(-1_001_234_567, "أخبار المدينة", "night_rust_chat5866"),
        group(-1_001_234_568, "東京の写真を毎日共有するグループ、初心者歓迎", "tokyo_photos"),
        group(-1_001_234_569, "👩‍👩‍👧 families ❤️ of the town, and their friends and neighbours", "families"),
        group(-7, "e\u{301}\u{301}\u{301} \u{1b}[2J \u{202e}txt.exe", "marks"),
    ];
    (answer.meta.num_groups, answer.meta.known_num_groups, answer.meta.op_cost) = (4, 9, 2);
    answer
}

#[test]
fn names_of_all_kinds_keep_their_columns_at_any_width() {
    let bench = Bench::new(1000);
    bench.expect(Expect::<Search>::any().then_answer(names_of_all_kinds()).repeated());
    let mut text = String::new();
    for columns in ["60", "80", "120"] {
        let ran = Ran::of(
            bench.command(&["search", "alice_1", "--quiet"]).env("COLUMNS", columns).output().unwrap(),
        );
        text += &screen(&format!("search alice_1 --quiet # {columns} columns"), &ran);
        text.push('\n');
    }
    check("names", &text);
}

#[test]
fn paid_answer_is_shown_whole_at_a_width_of_no_terminal() {
    let bench = Bench::new(1000);
    bench.expect(Expect::<Search>::any().then_answer(names_of_all_kinds()).repeated());
    let search = |columns: &str| {
        let mut command = bench.command(&["search", "alice_1", "--quiet"]);
        Ran::of(command.env("COLUMNS", columns).output().unwrap()).out
    };
    let whole = search("1000");
    assert!(whole.contains("https://t.me/"), "{whole}");
    for columns in ["", "0", "18446744073709551615"] {
        assert_eq!(search(columns).lines().count(), whole.lines().count(), "{columns}");
    }
    assert_eq!(search("0"), search(""));
}

#[test]
fn account_without_groups_is_said_in_a_sentence() {
    let bench = Bench::new(1000);
    let mut answer = SearchAnswer::default();
    answer.user = Some(SearchUser::new(77).with_username("alice_1"));
    answer.meta.op_cost = 1;
    bench.expect(Expect::<Search>::any().then_answer(answer).repeated());
    let ran = bench.run(&["search", "alice_1"]);
    assert!(ran.out.ends_with("TgScan knows @alice_1, but no groups\n"), "{ran:?}");
    assert!(ran.err.contains("1 credit charged"), "{ran:?}");
}

#[test]
fn every_format_is_harmless_on_a_terminal() {
    let bench = Bench::new(1000);
    let mut answer = names_of_all_kinds();
    answer.groups[3].title = "\u{9b}2J\u{202e}\u{e0041}\u{7f}".to_owned();
    bench.expect(Expect::<Search>::any().then_answer(answer).repeated());
    bench.write("list", "alice_1\n");
    for arguments in [
        &["search", "alice_1"][..],
        &["search", "alice_1", "--json"],
        &["search", "alice_1", "--raw"],
        &["search", "alice_1", "--csv"],
        &["batch", "list"],
        &["batch", "list", "--csv"],
    ] {
        let shown = Ran::on_terminal(&bench, 80, &[arguments, &["--quiet", "--color", "never"]].concat());
        assert!(shown.contains("families"), "{shown}");
        let is_steering = |c: char| c.is_control() && !"\r\n".contains(c) || "\u{202e}\u{e0041}".contains(c);
        assert!(!shown.contains(is_steering), "{arguments:?}: {shown:?}");
    }
}

#[test]
fn progress_fits_the_terminal_and_waiting_is_visible() {
    let bench = Bench::new(1000);
    bench.write("list", crate::support::list(30));
    bench.mock.script::<Search>([Fault::new(FaultKind::TooManyRequests { retry_after: Some(2) })]);
    for columns in [40, 80] {
        bench.mock.script::<Search>([Fault::new(FaultKind::TooManyRequests { retry_after: Some(1) })]);
        let shown = Ran::on_terminal(
            &bench,
            columns,
            &["batch", "list", "--out", &format!("{columns}.jsonl"), "--jobs", "1"],
        );
        assert!(shown.contains("rate limited"), "{shown:?}");
        // The text between two returns is one line.
        let drawn = shown.split(['\r', '\n']).map(strip).filter(|line| line.contains("/30  "));
        for drawn in drawn {
            assert!(drawn.chars().count() <= usize::from(columns), "{columns}: {drawn:?}");
        }
    }
    let slow = Mock::builder().seed(11).latency(std::time::Duration::from_millis(1800)).build().unwrap();
    let shown = Ran::on_terminal(&Bench::with(slow), 80, &["search", "alice_1"]);
    assert!(shown.contains("waiting for the answer: 1 s"), "{shown:?}");
}

#[test]
fn progress_follows_a_resized_terminal() {
    let bench = Bench::with(Mock::builder().seed(11).latency(Duration::from_millis(30)).build().unwrap());
    bench.write("list", crate::support::list(120));
    let batch = ["batch", "list", "--out", "out.jsonl", "--jobs", "1"];
    let mut child = crate::support::on_terminal(&bench, 100, &batch).stdout(Stdio::piped()).spawn().unwrap();
    let mut screen = BufReader::new(child.stdout.take().unwrap());
    // The text between two returns is one line.
    let mut next_width = || loop {
        let mut drawn = Vec::new();
        assert!(
            screen.read_until(b'\r', &mut drawn).unwrap() > 0,
            "the batch ended before the line was drawn"
        );
        let drawn = strip(&String::from_utf8(drawn).unwrap());
        if let Some(start) = drawn.find("/120  ") {
            break drawn[start..].trim_end().chars().count() + drawn[..start].trim_start().chars().count();
        }
    };
    let is_narrow = |width: usize| width <= 30;
    let is_wide = |width: usize| width > 60;
    while !is_wide(next_width()) {}
    for (columns, fits) in [("30", &is_narrow as &dyn Fn(usize) -> bool), ("90", &is_wide)] {
        let tty = std::fs::read_to_string(bench.path("tty")).unwrap();
        let resized = Command::new("stty").args(["-F", tty.trim(), "cols", columns]).status().unwrap();
        assert!(resized.success());
        while !fits(next_width()) {}
        for _ in 0..5 {
            let width = next_width();
            assert!(fits(width), "{columns} columns: {width}");
        }
    }
    std::io::copy(&mut screen, &mut std::io::sink()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(crate::support::accounts(&bench.path("out.jsonl")).len(), 120);
}

/// A text without the sequences that move the cursor and colour it.
fn strip(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += part
            .trim_start_matches(|c: char| c.is_ascii_digit() || ";?".contains(c))
            .get(1..)
            .unwrap_or_default();
    }
    plain
}

#[test]
fn plan_says_what_searches_cost_so_far_and_where_the_limit_stops() {
    let bench = Bench::new(1000);
    bench.write("list", crate::support::list(10));
    bench.run_stored(&["search", "other_1"]);
    let ran = bench.run_stored(&["--max-credits", "7", "batch", "list", "--out", "out.csv", "--dry-run"]);
    assert!(!bench.path("out.csv").exists(), "a plan writes nothing");
    for line in [
        "       10  would be searched",
        "       20  credits at the average cost so far",
        "       20  credits at the highest cost so far (2)",
        "        3  searches or more fit --max-credits 7 at the highest cost so far",
        "      998  credits are left",
    ] {
        assert!(ran.out.contains(line), "{line}: {ran:?}");
    }
}

#[test]
fn verbose_prints_requests_and_no_secrets() {
    let bench = Bench::new(1000);
    let ran = bench.run(&["--verbose", "search", "alice_1"]);
    assert!(ran.err.contains("/tgscan/v1/search: HTTP/1.1 200,"), "{ran:?}");
    assert!(!ran.err.contains("alice_1") && !ran.err.contains(Mock::LIVE_KEY), "{ran:?}");
    bench.mock.script::<Search>([Fault::new(FaultKind::Stall)]);
    let late = bench.run(&["--timeout", "300ms", "search", "alice_1"]);
    assert!(late.code == Some(6) && late.err.contains("the time limit (--timeout)"), "{late:?}");
}

#[test]
fn man_pages_exist_for_each_command() {
    let bench = Bench::new(1);
    assert_eq!(bench.run(&["man", "--dir", "man"]).code, Some(0));
    for name in ["", "-search", "-batch", "-store-reconcile", "-diff", "-overlap", "-report"] {
        let name = format!("tgscan{name}.1");
        assert!(std::fs::read_to_string(bench.path("man").join(&name)).unwrap().contains(".TH"), "{name}");
    }
    assert!(bench.run(&["man"]).out.contains("tgscan"));
}

#[test]
fn store_rows_are_json_or_csv_for_programs() {
    let bench = Bench::new(1000);
    bench.mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    bench.run_stored(&["search", "136817688"]);
    bench.run_stored(&["search", "bob_1"]);
    for (command, name) in [("bill", "credits"), ("uncertain", "question"), ("info", "value")] {
        let json = bench.run_stored(&["store", command, "--json"]).out;
        let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(rows[0].get(name).is_some(), "{rows}");
        let csv = bench.run_stored(&["store", command, "--csv"]).out;
        assert!(csv.lines().next().unwrap().split(',').any(|column| column == name), "{csv}");
        assert_eq!(csv.lines().count(), rows.as_array().unwrap().len() + 1);
    }
    let uncertain = bench.run_stored(&["store", "uncertain", "--json"]).out;
    let rows: serde_json::Value = serde_json::from_str(&uncertain).unwrap();
    assert_eq!((&rows[0]["charged"], &rows[0]["state"]), (&serde_json::Value::Null, &"unknown".into()));
    let uncertain = bench.run_stored(&["store", "uncertain", "--csv"]).out;
    assert!(uncertain.ends_with("search,136817688,,unknown\n"), "{uncertain}");
    let reconcile = ["store", "reconcile", "--late-charge", "0s"];
    let json = bench.run_stored(&[&reconcile[..], &["--json"]].concat()).out;
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    let call = serde_json::json!({"call": 1, "method": "search", "question": "136817688", "cost": 2, "state": "exact"});
    assert_eq!(rows, serde_json::json!([call]));
    assert_eq!(
        bench.run_stored(&[&reconcile[..], &["--csv"]].concat()).out,
        "call,method,question,cost,state\n"
    );
    let json = bench.run_stored(&["store", "check", "--json"]).out;
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(rows[0]["rows"].as_u64() > Some(0), "{rows}");
    assert!(bench.run_stored(&["store", "check", "--csv"]).out.starts_with("rows\n"));

    let numeric = ["--account", "007"];
    bench.run_stored(&[&numeric[..], &["search", "alice_1"]].concat());
    for (command, label) in [("info", "/0/value"), ("bill", "/0/account")] {
        let json = bench.run_stored(&[&numeric[..], &["store", command, "--json"]].concat()).out;
        let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(rows.pointer(label).unwrap(), "007", "{rows}");
    }
}

#[test]
fn pager_shows_tables_on_a_terminal_and_nowhere_else() {
    let bench = Bench::new(1000);
    let paged = "tr a-z A-Z";
    let mut command = bench.command(&["search", "alice_1"]);
    assert!(Ran::of(command.env("PAGER", paged).output().unwrap()).out.contains("https://t.me/"));
    let shown = Ran::on_terminal_with(&bench, 80, &["search", "alice_1"], &[("PAGER", paged)]);
    assert!(shown.contains("HTTPS://T.ME/") && shown.contains("2 credits charged"), "{shown}");
}
