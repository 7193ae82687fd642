//! The output of a batch: complete, whole, safe, and for its owner alone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tgscan_mock::Expect;
use tgscan_mock::types::{Search, SearchAnswer, SearchGroup, SearchUser, UsernameEntry};

use crate::support::{Bench, PRICE, Ran, accounts, canned, charged, list};

/// Rows of a CSV file by the names of its columns.
fn csv(path: &Path) -> Vec<std::collections::HashMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect()
}

fn answer() -> SearchAnswer {
    let mut answer = SearchAnswer::default();
    answer.user = Some(SearchUser::new(77).with_username("alice_1"));
    answer.username_history = vec![UsernameEntry::new("old_alice", "2020-01-01")];
    answer.groups = vec![
        SearchGroup::new(-1001, "Rust").with_username("rust_lang").with_date_updated("2026-01-02"),
        SearchGroup::new(-1002, "=cmd()").with_date_updated("2026-01-01"),
    ];
    (answer.meta.num_groups, answer.meta.known_num_groups, answer.meta.op_cost) = (2, 2, PRICE);
    answer
}

#[test]
fn csv_has_a_row_for_each_group_with_ids_dates_and_histories() {
    let bench = Bench::new(1000);
    bench.expect(Expect::<Search>::any().then_answer(answer()).then_default().repeated());
    bench.write("list.csv", "note;account\nfirst;@Alice_1\nsecond;bob_1\n");
    let ran = bench.run(&["batch", "list.csv", "--column", "account", "--out", "out.csv", "--jobs", "1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let rows = csv(&bench.path("out.csv"));
    let alice: Vec<_> = rows.iter().filter(|row| row["account"] == "'@Alice_1").collect();
    assert_eq!(alice.len(), 2, "{rows:?}");
    for (column, first, second) in [
        ("note", "first", "first"),
        ("user_id", "77", "77"),
        ("username_history", "old_alice (2020-01-01)", "old_alice (2020-01-01)"),
        ("group_id", "-1001", "-1002"),
        ("group_title", "Rust", "'=cmd()"),
        ("group_username", "rust_lang", ""),
        ("group_link", "https://t.me/rust_lang", ""),
        ("group_date", "2026-01-02", "2026-01-01"),
        ("credits", "2", ""),
        ("row", "1", "2"),
    ] {
        assert_eq!((&*alice[0][column], &*alice[1][column]), (first, second), "{column}");
    }
    assert!(rows.iter().any(|row| row["account"] == "bob_1" && row["note"] == "second"));
    // A second run finds both.
    let again = bench.run(&["batch", "list.csv", "--column", "account", "--out", "out.csv"]);
    assert_eq!((again.code, charged(&again.err)), (Some(0), 0), "{again:?}");
}

#[test]
fn repeated_accounts_are_paid_once_and_each_row_keeps_its_columns() {
    let bench = Bench::new(1000);
    bench.expect(Expect::<Search>::any().then_answer(answer()).repeated());
    bench
        .write("list.csv", "case,account,also\n1,@alice_1,t.me/alice_1\n2,bob_1,\n3,https://t.me/Alice_1,\n");
    let batch =
        ["batch", "list.csv", "--column", "account", "--column", "also", "--jobs", "1", "--out", "out.csv"];
    let ran = bench.run_stored(&batch);
    assert!(ran.code == Some(0) && ran.err.contains("2  repeated in the list"), "{ran:?}");
    let whole = std::fs::read_to_string(bench.path("out.csv")).unwrap();
    let rows = csv(&bench.path("out.csv"));
    let shown: Vec<_> = ["case", "account", "group_id", "credits", "rows", "row"]
        .iter()
        .fold(vec![String::new(); rows.len()], |texts, name| {
            texts.iter().zip(&rows).map(|(text, row)| format!("{text}{} ", row[*name])).collect()
        });
    assert_eq!(
        shown,
        [
            "1 '@alice_1 -1001 2 4 1 ",
            "1 '@alice_1 -1002  4 2 ",
            "3 https://t.me/Alice_1 -1001  4 3 ",
            "3 https://t.me/Alice_1 -1002  4 4 ",
            "2 bob_1 -1001 2 2 1 ",
            "2 bob_1 -1002  2 2 ",
        ]
    );
    // Cut between the rows of a repeated account, it is written again.
    let rows = whole.lines().count();
    for cut in 1..rows {
        let kept: String = whole.split_inclusive('\n').take(cut).collect();
        bench.write("out.csv", kept);
        assert_eq!(bench.run_stored(&batch).code, Some(0));
        assert_eq!(csv(&bench.path("out.csv")).len(), rows - 1, "{cut}");
    }
    assert_eq!(bench.spent(), 2 * PRICE);
    // Without columns, a line is an account.
    let lines = bench.run_stored(&["batch", "list.csv", "--column", "account", "--out", "out.jsonl"]);
    assert_eq!((lines.code, accounts(&bench.path("out.jsonl")).len()), (Some(0), 2), "{lines:?}");
}

#[test]
fn fields_select_columns_and_other_columns_are_refused_later() {
    let bench = Bench::new(1000);
    bench.write("list", list(2));
    let some = ["batch", "list", "--out", "out.csv", "--fields", "group_id,group_title"];
    assert_eq!(bench.run(&some).code, Some(0));
    let text = std::fs::read_to_string(bench.path("out.csv")).unwrap();
    assert!(text.starts_with("account,group_id,group_title,rows,row\n"), "{text}");
    let all = bench.run(&["batch", "list", "--out", "out.csv"]);
    assert!(all.code == Some(2) && all.err.contains("its columns are not those"), "{all:?}");
    assert_eq!(std::fs::read_to_string(bench.path("out.csv")).unwrap(), text, "left unchanged");
    assert_eq!(bench.spent(), 2 * PRICE);
}

#[test]
fn rows_cut_anywhere_are_written_again_and_none_is_lost_or_doubled() {
    let bench = Bench::new(1_000_000);
    bench.write("list", list(4));
    for name in ["out.csv", "out.jsonl"] {
        let batch = ["batch", "list", "--out", name, "--jobs", "1"];
        assert_eq!(bench.run_stored(&batch).code, Some(0));
        let whole = std::fs::read(bench.path(name)).unwrap();
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let least = if name == "out.csv" { first } else { 0 };
        let step = (whole.len() / 16).max(1);
        for end in (least..whole.len()).step_by(step).chain([whole.len() - 1]) {
            bench.write(name, &whole[..end]);
            let ran = bench.run_stored(&batch);
            assert_eq!(ran.code, Some(0), "{end}: {ran:?}");
            let rows = std::fs::read(bench.path(name)).unwrap();
            // Stored answers say so; all else is the same.
            let plain = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().count();
            assert_eq!(plain(&rows), plain(&whole), "{name} cut at {end}");
        }
    }
    assert_eq!(bench.spent(), 4 * PRICE);
}

#[test]
fn complete_last_row_without_a_newline_is_kept() {
    let bench = Bench::new(1000);
    bench.write("list", list(2));
    for name in ["out.csv", "out.jsonl", "out.ndjson"] {
        let batch = ["batch", "list", "--out", name];
        bench.run(&batch);
        let whole = std::fs::read_to_string(bench.path(name)).unwrap();
        bench.write(name, whole.trim_end());
        let again = bench.run(&batch);
        assert_eq!((again.code, charged(&again.err)), (Some(0), 0), "{again:?}");
        assert_eq!(std::fs::read_to_string(bench.path(name)).unwrap(), whole);
    }
}

#[test]
fn rows_that_a_spreadsheet_sorted_or_filtered_are_kept_and_their_accounts_are_not_paid_again() {
    let bench = Bench::new(1000);
    bench.write("list", list(3));
    let batch = ["batch", "list", "--out", "out.csv"];
    assert_eq!(bench.run(&batch).code, Some(0));
    let whole = std::fs::read_to_string(bench.path("out.csv")).unwrap();
    let (head, rows) = whole.split_once('\n').unwrap();
    let mut sorted: Vec<&str> = rows.lines().collect();
    // By the group's title, so that the rows of the accounts are mixed.
    sorted.sort_by_key(|row| row.split(',').nth(9));
    let filtered: Vec<&str> = rows.lines().filter(|row| !row.ends_with(",2")).collect();
    for rows in [sorted, filtered] {
        let text = format!("{head}\n{}\n", rows.join("\n"));
        for text_now in [&*text, text.trim_end()] {
            bench.write("out.csv", text_now);
            let again = bench.run(&batch);
            assert_eq!((again.code, charged(&again.err)), (Some(0), 0), "{again:?}");
            assert_eq!(std::fs::read_to_string(bench.path("out.csv")).unwrap(), text);
        }
    }
    assert_eq!(bench.spent(), 3 * PRICE);
}

#[test]
fn file_of_another_program_is_never_changed() {
    let bench = Bench::new(1000);
    bench.write("list", list(1));
    for (name, content) in [
        ("a.csv", "a,b\n1,2\n"),
        ("b.csv", "account"),
        ("c.csv", "account,found\nx,1"),
        ("a.jsonl", "{}\n"),
        ("b.jsonl", "{\"account\""),
        ("c.jsonl", "precious notes"),
        ("d.jsonl", "{\"account\":\"alice_1\"}\nprecious notes\n"),
        // Complete, so no row of this program that was cut off.
        ("e.jsonl", "{\"account\":\"alice@example.com\",\"amount\":5}"),
    ] {
        bench.write(name, content);
        let ran = bench.run(&["batch", "list", "--out", name]);
        assert_eq!(ran.code, Some(2), "{name}: {ran:?}");
        assert!(ran.err.contains("left unchanged"), "{ran:?}");
        assert_eq!(std::fs::read_to_string(bench.path(name)).unwrap(), content, "{name}");
    }
    let other = bench.run(&["batch", "list", "--out", "list.txt"]);
    assert!(other.code == Some(2) && other.err.contains("must end in .jsonl, .ndjson or .csv"), "{other:?}");
    assert_eq!(bench.spent(), 0);
}

#[test]
fn one_run_at_a_time_writes_an_output() {
    let bench = Bench::new(1000);
    bench.write("list", list(1));
    let file = std::fs::File::create(bench.path("out.jsonl")).unwrap();
    fs4::FileExt::try_lock(&file).unwrap();
    let ran = bench.run(&["batch", "list", "--out", "out.jsonl"]);
    assert!(ran.code == Some(2) && ran.err.contains("another run writes to this file"), "{ran:?}");
    assert_eq!(bench.spent(), 0);
    // Closing would not suffice: a process that another test is starting may have the file open too.
    fs4::FileExt::unlock(&file).unwrap();
    assert_eq!(bench.run(&["batch", "list", "--out", "out.jsonl"]).code, Some(0));
}

#[test]
fn indented_answers_and_byte_order_marks_become_rows() {
    let bench = Bench::new(1000);
    bench.write("list", list(2));
    let body =
        serde_json::to_string_pretty(&serde_json::json!({"status": "ok", "result": answer()})).unwrap();
    for body in [format!("\u{feff}{body}"), body] {
        let url = canned(body);
        let run = |arguments: &[&str]| {
            Ran::of(bench.elsewhere(&[&["--base-url", &url], arguments].concat()).output().unwrap())
        };
        let single = run(&["search", "name_1", "--json"]);
        assert_eq!(single.code, Some(0), "{single:?}");
        assert_eq!(serde_json::from_str::<SearchAnswer>(&single.out).unwrap(), answer());
        let ran = run(&["batch", "list", "--out", "out.jsonl"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(accounts(&bench.path("out.jsonl")).len(), 2, "{ran:?}");
        std::fs::remove_file(bench.path("out.jsonl")).unwrap();
    }
}

#[test]
fn spreadsheets_run_no_cell_unless_asked() {
    let bench = Bench::new(1000);
    bench.expect(Expect::<Search>::any().then_answer(answer()).repeated());
    bench.write("list", "alice_1\n");
    let safe = bench.run(&["batch", "list", "--csv", "--excel"]);
    assert!(safe.out.starts_with("\u{feff}account,") && safe.out.contains("'=cmd()"), "{safe:?}");
    let raw = bench.run(&["batch", "list", "--csv", "--raw-cells"]);
    assert!(raw.out.starts_with("account,") && raw.out.contains(",=cmd(),"), "{raw:?}");
    let refused = bench.run(&["batch", "list", "--raw-cells"]);
    assert!(refused.code == Some(2) && refused.err.contains("--raw-cells needs CSV"), "{refused:?}");
}

#[test]
fn files_with_personal_data_are_for_their_owner_alone() {
    let bench = Bench::new(1000);
    bench.write("list", list(1));
    bench.run_stored(&["batch", "list", "--out", "out.jsonl"]);
    for name in ["out.jsonl", "store"] {
        let mode = std::fs::metadata(bench.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let key = bench.write("key", tgscan_mock::Mock::LIVE_KEY);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = bench.run(&["--key-file", "key", "balance"]);
    assert!(ran.code == Some(0) && ran.err.contains("other users can read the key file key"), "{ran:?}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(bench.run(&["--key-file", "key", "balance"]).err, "");
}

#[test]
fn file_is_whole_after_a_full_disk_and_the_next_run_continues_it() {
    let bench = Bench::new(1000);
    bench.write("list", list(60));
    for name in ["out.csv", "out.jsonl"] {
        let before = bench.spent();
        // A line that was cut off.
        bench.write(&format!("{name}.set-aside.jsonl"), "{\"asked\":\"name_0\",\"meth");
        // A limit on the size of files fails as a full disk does.
        let command = bench.command(&["batch", "list", "--out", name, "--jobs", "1"]);
        let words: Vec<String> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let mut shell = std::process::Command::new("bash");
        shell.args(["-c", &format!("ulimit -f 40; exec {}", words.join(" "))]);
        shell.env("TGSCAN_API_KEY", tgscan_mock::Mock::LIVE_KEY).env("HOME", bench.path(""));
        let full =
            Ran::of(shell.current_dir(bench.path("")).stdin(std::process::Stdio::null()).output().unwrap());
        assert_eq!(full.code, Some(1), "{full:?}");
        assert!(full.err.contains("cannot be written"), "{full:?}");
        let text = std::fs::read_to_string(bench.path(name)).unwrap();
        assert!(text.ends_with('\n') && text.len() > 4096 && text.len() <= 40 * 1024, "{}", text.len());
        let rest = bench.run(&["batch", "list", "--out", name]);
        assert_eq!(rest.code, Some(0), "{rest:?}");
        assert!(rest.err.contains("set aside earlier, now in the output"), "{rest:?}");
        assert_eq!(bench.spent() - before, 60 * PRICE, "answers set aside are not paid for again");
        let whole = std::fs::read_to_string(bench.path(name)).unwrap();
        assert!(whole.starts_with(&text), "rows that were written stay");
        let mut written = if name == "out.csv" {
            csv(&bench.path(name)).iter().map(|row| row["account"].clone()).collect()
        } else {
            accounts(&bench.path(name))
        };
        written.dedup();
        written.sort();
        let mut listed: Vec<_> = list(60).lines().map(str::to_owned).collect();
        listed.sort();
        assert_eq!(written, listed, "{whole}");
        let again = bench.run(&["batch", "list", "--out", name]);
        assert_eq!((again.code, charged(&again.err)), (Some(0), 0), "{again:?}");
    }
}

#[test]
fn output_of_another_method_or_kind_of_key_is_refused_and_unchanged() {
    let bench = Bench::new(1000);
    bench.write("list", list(2));
    let refused = |arguments: &[&str], name: &str, why: &str| {
        let before = std::fs::read(bench.path(name)).unwrap();
        for flags in [&[][..], &["--dry-run"]] {
            let ran = bench.run(&[arguments, &["--out", name], flags].concat());
            assert!(ran.code == Some(2) && ran.err.contains(why), "{ran:?}");
        }
        assert_eq!(std::fs::read(bench.path(name)).unwrap(), before, "left unchanged");
    };
    let check = bench.run(&["batch", "list", "--method", "check", "--out", "check.jsonl"]);
    assert_eq!(check.code, Some(0), "{check:?}");
    refused(&["batch", "list"], "check.jsonl", "line 1 is of a run with --method check");
    bench.write("older.jsonl", "{\"account\":\"name_0\",\"found\":true,\"answer\":{}}\n");
    refused(&["batch", "list"], "older.jsonl", "add \"method\":\"search\" to each line");
    // All methods have this column.
    let fields = |method| ["batch", "list", "--fields", "found", "--method", method];
    let columns = "its columns are not those that this run would write";
    let check = bench.run(&[&fields("check")[..], &["--out", "check.csv"]].concat());
    assert_eq!(check.code, Some(0), "{check:?}");
    let rows = std::fs::read_to_string(bench.path("check.csv")).unwrap();
    assert!(rows.starts_with("account,found,method,rows,row\nname_0,true,check,1,1\n"), "{rows}");
    let again = bench.run(&[&fields("check")[..], &["--out", "check.csv"]].concat());
    assert!(again.err.contains("2  in the output already"), "{again:?}");
    refused(&fields("search"), "check.csv", columns);
    refused(&fields("similar"), "check.csv", "line 2 is of a run with --method check");
    bench.write("search.csv", "account,found,rows,row\nname_0,true,1,1\n");
    refused(&fields("check"), "search.csv", columns);
    for (name, why) in [("test.jsonl", "line 1 is of a run with a test key"), ("test.csv", columns)] {
        for is_second in [false, true] {
            let mut test = bench.command(&["--test-key", "batch", "list", "--out", name]);
            let test = Ran::of(test.env("TGSCAN_API_KEY", tgscan_mock::Mock::TEST_KEY).output().unwrap());
            assert_eq!(test.code, Some(0), "{test:?}");
            assert_eq!(test.err.contains("2  in the output already"), is_second, "{test:?}");
        }
        refused(&["batch", "list"], name, why);
    }
    assert_eq!(bench.spent(), 0);
}
