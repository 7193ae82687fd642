//! Answers that earlier runs set aside, which the next run writes.

use std::path::Path;

use serde_json::{Value, json};
use tgscan_mock::types::{SearchAnswer, SearchUser};

use crate::support::{Bench, PRICE, STORE, accounts, charged, list};

const ASIDE: &str = "out.jsonl.set-aside.jsonl";

/// A line about an account, set aside by a run against the bench's server. The answer has this first name.
fn line(bench: &Bench, account: &str, first_name: &str) -> Value {
    let url = bench.server.url();
    let mut result = SearchAnswer::default();
    account.clone_into(&mut result.meta.search_query);
    let mut user = SearchUser::new(7);
    first_name.clone_into(&mut user.first_name);
    result.user = Some(user);
    json!({
        "asked": account,
        "method": "search",
        "test": false,
        "service": url.strip_prefix("http://").unwrap(),
        "set_aside_because": "the output cannot be written",
        "credits": PRICE,
        "response": json!({"status": "ok", "result": result}).to_string(),
    })
}

fn lines(lines: &[Value]) -> String {
    lines.iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect()
}

/// The first names in the rows of a file.
fn first_names(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let name = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        row["answer"]["user"]["first_name"].as_str().unwrap_or_default().to_owned()
    };
    text.lines().map(name).collect()
}

#[test]
fn newest_answer_for_each_account_becomes_a_row_in_the_order_of_the_list() {
    let bench = Bench::new(1000);
    bench.write("list", list(3));
    let aside = [("name_2", "c"), ("name_0", "old"), ("name_0", "new")];
    bench.write(ASIDE, lines(&aside.map(|(account, name)| line(&bench, account, name))));
    let ran = bench.run(&["batch", "list", "--out", "out.jsonl"]);
    assert_eq!((ran.code, charged(&ran.err)), (Some(0), PRICE), "{ran:?}");
    assert!(ran.err.contains("2 answers set aside earlier, now in the output"), "{ran:?}");
    assert_eq!(accounts(&bench.path("out.jsonl")), ["name_0", "name_2", "name_1"]);
    assert_eq!(first_names(&bench.path("out.jsonl"))[..2], ["new", "c"]);
}

#[test]
fn answers_of_another_service_method_or_key_are_not_written() {
    let bench = Bench::new(1000);
    bench.write("list", list(4));
    let other = ["service", "method", "test", "set_aside_because"].iter().zip([
        json!("api.tgdev.io"),
        json!("similar"),
        json!(true),
        json!("it cannot be read"),
    ]);
    let other = other.enumerate().map(|(number, (field, value))| {
        let mut line = line(&bench, &format!("name_{number}"), "other");
        line[*field] = value;
        line
    });
    bench.write(ASIDE, lines(&other.collect::<Vec<_>>()));
    let ran = bench.run(&["batch", "list", "--out", "out.jsonl"]);
    assert_eq!((ran.code, charged(&ran.err)), (Some(0), 4 * PRICE), "{ran:?}");
    assert!(!first_names(&bench.path("out.jsonl")).contains(&"other".to_owned()));
}

#[test]
fn fresh_and_refresh_write_no_answers_that_were_set_aside() {
    let bench = Bench::new(1000);
    bench.write("list", list(1));
    bench.write(ASIDE, lines(&[line(&bench, "name_0", "old")]));
    for flag in ["--fresh", "--refresh"] {
        let ran = bench.run(&[&STORE[..], &["batch", "list", "--out", "out.jsonl", flag]].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_ne!(first_names(&bench.path("out.jsonl")), ["old"], "{flag}");
        std::fs::remove_file(bench.path("out.jsonl")).unwrap();
    }
    let plan = bench.run(&["batch", "list", "--out", "out.jsonl", "--dry-run"]);
    assert!(plan.out.contains("0  would be searched"), "{plan:?}");
}

#[test]
fn dry_run_counts_answers_that_were_set_aside() {
    let bench = Bench::new(1000);
    bench.write("list", list(3));
    bench.write(ASIDE, lines(&[line(&bench, "name_1", "b"), line(&bench, "name_9", "not in the list")]));
    let plan = bench.run(&["batch", "list", "--out", "out.jsonl", "--dry-run"]);
    assert!(plan.out.contains("1  more were set aside earlier, and would be written"), "{plan:?}");
    assert!(plan.out.contains("2  would be searched"), "{plan:?}");
    assert!(!bench.path("out.jsonl").exists());
    let ran = bench.run(&["batch", "list", "--out", "out.jsonl"]);
    assert_eq!(charged(&ran.err), 2 * PRICE, "{ran:?}");
}

#[test]
fn unreadable_file_of_answers_ends_the_run_before_anything_is_paid() {
    let bench = Bench::new(1000);
    bench.write("list", list(1));
    // A link to itself, because root can read every file.
    std::os::unix::fs::symlink(ASIDE, bench.path(ASIDE)).unwrap();
    for flags in [&[][..], &["--dry-run"]] {
        let ran = bench.run(&[&["batch", "list", "--out", "out.jsonl"], flags].concat());
        assert!(ran.code == Some(1) && ran.err.contains(ASIDE), "{ran:?}");
        assert!(ran.err.contains("its answers would be paid for again"), "{ran:?}");
    }
    assert_eq!(bench.spent(), 0);
}

#[test]
fn csv_rows_of_a_repeated_account_are_written_from_its_answer() {
    let bench = Bench::new(1000);
    bench.write("list.csv", "case,who\n1,alice_1\n2,ALICE_1\n");
    bench.write("out.csv.set-aside.jsonl", lines(&[line(&bench, "alice_1", "Alice")]));
    let ran = bench.run(&[
        "batch",
        "list.csv",
        "--column",
        "who",
        "--fields",
        "first_name,credits",
        "--out",
        "out.csv",
    ]);
    assert_eq!((ran.code, bench.spent()), (Some(0), 0), "{ran:?}");
    let rows = std::fs::read_to_string(bench.path("out.csv")).unwrap();
    let expected = "case,who,account,first_name,credits,rows,row\n1,alice_1,alice_1,Alice,0,2,1\n2,ALICE_1,ALICE_1,Alice,,2,2\n";
    assert_eq!(rows, expected);
}
