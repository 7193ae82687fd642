//! `tgscan overlap`: groups that several accounts share, from stored answers and output files.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tgscan_mock::Mock;

use crate::cases::{answer, line, store};
use crate::support::{Bench, PRICE, Ran};

/// Three accounts: all are in group 1, and two are in group 2.
fn three(bench: &Bench) {
    store(bench, &[("alice_1", 11, &[1, 2, 4]), ("bob_1", 12, &[1, 2, 5]), ("carol_1", 13, &[1, 6])]);
}

/// Runs it with the store and without a key.
fn offline(bench: &Bench, arguments: &[&str]) -> Ran {
    let url = bench.server.url();
    Ran::of(
        bench.without_key(&[&["--store", "store", "--base-url", &url], arguments].concat()).output().unwrap(),
    )
}

fn titles(json: &str) -> Vec<(String, u64)> {
    let value: Value = serde_json::from_str(json).unwrap();
    let groups = value["groups"].as_array().unwrap().clone();
    let title = |group: &Value| group["title"].as_str().unwrap().to_owned();
    groups.iter().map(|group| (title(group), group["shared_by"].as_u64().unwrap())).collect()
}

#[test]
fn shared_groups_are_listed_without_a_key_and_without_a_request() {
    let bench = Bench::new(100);
    three(&bench);
    let before = bench.mock.requests().len();
    let ran = offline(&bench, &["overlap", "alice_1", "t.me/bob_1", "carol_1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].starts_with("SHARED BY") && lines.len() == 3, "{ran:?}");
    assert!(
        lines[1].starts_with('3')
            && lines[1].contains("Group 1")
            && lines[1].contains("@alice_1 @bob_1 @carol_1")
    );
    assert!(lines[1].ends_with("https://t.me/group_1"), "{ran:?}");
    assert!(lines[2].starts_with('2') && lines[2].contains("Group 2"), "{ran:?}");
    let json = offline(&bench, &["overlap", "--all", "--json"]).out;
    assert_eq!(titles(&json), [("Group 1".to_owned(), 3), ("Group 2".to_owned(), 2)]);
    let most = offline(&bench, &["overlap", "--all", "--at-least", "3", "--csv"]).out;
    assert_eq!(
        most,
        "shared_by,group_id,group_title,group_username,group_link,accounts\n\
         3,-1000001,Group 1,group_1,https://t.me/group_1,'@alice_1; @bob_1; @carol_1\n"
    );
    assert_eq!((bench.mock.requests().len(), bench.spent()), (before, 3 * PRICE));
}

#[test]
fn accounts_without_an_answer_are_named_with_the_command_that_buys_them() {
    let bench = Bench::new(100);
    three(&bench);
    let ran = offline(&bench, &["overlap", "alice_1", "bob_1", "dave_1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("1 account without a stored answer: @dave_1"), "{ran:?}");
    let bought = |err: &str| {
        let last = err.lines().next_back().unwrap();
        last.strip_prefix("to look them up (costs credits): ").unwrap().to_owned()
    };
    assert!(bought(&ran.err).starts_with("tgscan search dave_1 "), "{ran:?}");
    bench.paste(&format!("next: {}", bought(&ran.err)));
    assert!(
        !offline(&bench, &["overlap", "alice_1", "dave_1"]).err.contains("without"),
        "the command was enough"
    );
    let several = offline(&bench, &["overlap", "alice_1", "bob_1", "erin_1", "frank_1"]);
    assert!(
        bought(&several.err).starts_with("printf '%s\\n' erin_1 frank_1 | tgscan batch -"),
        "{several:?}"
    );
    bench.paste(&format!("next: {}", bought(&several.err)));
    bench.write("list.txt", "alice_1\ngina_1\n+7 999 1234567\n");
    let listed = offline(&bench, &["overlap", "--list", "list.txt", "--json"]);
    assert_eq!(listed.code, Some(1), "one account is not enough: {listed:?}");
    assert!(listed.err.contains("line 3:") && listed.err.contains("comparing needs two"), "{listed:?}");
    let ran = offline(&bench, &["overlap", "--list", "list.txt", "--from", "none.jsonl"]);
    assert!(ran.code == Some(2) && ran.err.contains("--from none.jsonl"), "{ran:?}");
    bench.write("list.txt", "alice_1\nbob_1\n+7 999 1234567\ngina_1\n");
    let listed = offline(&bench, &["overlap", "--list", "list.txt", "--json"]);
    assert_eq!(listed.code, Some(2), "a line was refused: {listed:?}");
    assert!(bought(&listed.err).starts_with("tgscan batch list.txt "), "{listed:?}");
    let value: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(value["missing"], json!(["gina_1"]));
    let none = offline(&bench, &["overlap"]);
    assert!(none.code == Some(2) && none.err.contains("--all or --from FILE"), "{none:?}");
}

#[test]
fn account_asked_for_by_name_and_by_id_counts_once() {
    let bench = Bench::new(100);
    bench.write(
        "out.jsonl",
        line("alice_1", &answer("alice_1", 11, &[1, 2]))
            + &line("11", &answer("alice_1", 11, &[1, 2]))
            + &line("bob_1", &answer("bob_1", 12, &[2])),
    );
    let ran = Ran::of(bench.without_key(&["overlap", "--from", "out.jsonl", "--json"]).output().unwrap());
    assert_eq!(titles(&ran.out), [("Group 2".to_owned(), 2)], "{ran:?}");
    assert!(ran.err.contains("@alice_1 and 11 are the same account"), "{ran:?}");
}

#[test]
fn output_files_are_read_as_json_lines_and_csv() {
    let bench = Bench::new(100);
    three(&bench);
    bench.write("list.csv", "account,note\nalice_1,=1+1\nbob_1,\"two, words\"\ncarol_1,\nnobody_1,\n");
    let mut expected = None;
    for out in ["out.jsonl", "out.csv", "chosen.csv"] {
        let mut arguments = vec!["batch", "list.csv", "--column", "account", "--out", out, "--quiet"];
        if out == "chosen.csv" {
            arguments.extend(["--fields", "group_title,group_id"]);
        }
        bench.run_stored(&arguments);
        let read =
            |flag: &str| Ran::of(bench.without_key(&["overlap", "--from", out, flag]).output().unwrap());
        let seen = titles(&read("--json").out);
        assert_eq!(*expected.get_or_insert(seen.clone()), seen, "{out}");
        assert_eq!(seen[0], ("Group 1".to_owned(), 3));
    }
    // The last account was cut off.
    let text = std::fs::read_to_string(bench.path("out.csv")).unwrap();
    let whole: Vec<&str> = text.lines().filter(|line| !line.contains("nobody_1")).collect();
    bench.write("cut.csv", whole[..whole.len() - 1].join("\n"));
    let cut = Ran::of(bench.without_key(&["overlap", "--from", "cut.csv", "--json"]).output().unwrap());
    assert_eq!(titles(&cut.out)[0], ("Group 1".to_owned(), 2), "{cut:?}");
    assert!(
        cut.err.contains("--from cut.csv: the last rows of carol_1 are missing, so it is left out"),
        "{cut:?}"
    );
    // Rows that are read twice are no further groups.
    bench.write("twice.csv", format!("{text}{}", text.split_once('\n').unwrap().1));
    let twice = Ran::of(bench.without_key(&["overlap", "--from", "twice.csv", "--json"]).output().unwrap());
    let once = Ran::of(bench.without_key(&["overlap", "--from", "out.csv", "--json"]).output().unwrap());
    assert_eq!(twice.out, once.out, "{twice:?}");
    // A spreadsheet sorted the rows by another column.
    let (head, rows) = text.split_once('\n').unwrap();
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.sort_by_key(|row| row.split(',').nth(9));
    bench.write("sorted.csv", format!("{head}\n{}\n", rows.join("\n")));
    let sorted = Ran::of(bench.without_key(&["overlap", "--from", "sorted.csv", "--json"]).output().unwrap());
    assert_eq!(titles(&sorted.out), expected.unwrap(), "{sorted:?}");
    for (name, content, says) in [
        ("other.csv", "a,b\n1,2\n", "line 1 is not a search"),
        ("other.jsonl", "{\"a\":1}\n", "line 1 is not a search"),
        ("groupless.csv", "account,found,rows,row\nalice_1,true,1,1\n", "no columns with groups"),
        ("check.jsonl", "{\"account\":\"alice_1\",\"found\":true,\"answer\":{\"user\":null}}\n", "line 1"),
        (
            "unknown.jsonl",
            "{\"account\":\"alice_1\",\"method\":\"check\",\"found\":false,\"answer\":null}\n",
            "line 1 is not a search",
        ),
        (
            "similar.csv",
            "account,group_id,method,rows,row\nalice_1,-1001,similar,1,1\n",
            "line 1 is not a search",
        ),
    ] {
        bench.write(name, content);
        let ran = Ran::of(bench.without_key(&["overlap", "--from", name]).output().unwrap());
        assert!(ran.code == Some(2) && ran.err.contains(says), "{name}: {ran:?}");
    }
}

#[test]
fn answers_to_a_test_key_are_reported_as_random() {
    let bench = Bench::new(100);
    bench.write("list", "alice_1\nbob_1\n");
    for out in ["test.jsonl", "test.csv", "live.jsonl", "live.csv"] {
        let is_test = out.starts_with("test");
        let (key, flag) = if is_test { (Mock::TEST_KEY, "--test-key") } else { (Mock::LIVE_KEY, "--quiet") };
        let mut batch = bench.command(&[flag, "batch", "list", "--out", out]);
        let batch = Ran::of(batch.env("TGSCAN_API_KEY", key).output().unwrap());
        assert_eq!(batch.code, Some(0), "{batch:?}");
        let ran = Ran::of(bench.without_key(&["overlap", "--from", out, "--json"]).output().unwrap());
        let note = format!("--from {out} has answers to a test key, which are random");
        assert_eq!((ran.code, ran.err.contains(&note)), (Some(0), is_test), "{ran:?}");
    }
}

#[test]
fn graph_files_are_private_and_only_files_of_this_program_are_replaced() {
    let bench = Bench::new(100);
    three(&bench);
    let names = ["graph.gexf", "nodes.csv", "edges.csv"];
    let all = ["overlap", "--all", "--gexf", names[0], "--nodes", names[1], "--edges", names[2]];
    for _ in 0..2 {
        assert_eq!(offline(&bench, &all).code, Some(0));
    }
    for name in names {
        let mode = std::fs::metadata(bench.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let text = |name: &str| std::fs::read_to_string(bench.path(name)).unwrap();
    assert!(text("nodes.csv").contains("\naccount:11,'@alice_1,account,11,alice_1,https://t.me/alice_1\n"));
    assert!(text("edges.csv").contains("\naccount:11,group:-1000001,Undirected,2026-01-02\n"));
    assert_eq!(text("edges.csv").lines().count(), 1 + 5);
    for name in names {
        bench.write(name, "mine\n");
        let ran = offline(&bench, &all);
        assert!(ran.code == Some(2) && ran.err.contains("it is left unchanged"), "{ran:?}");
        assert!(ran.out.is_empty() && text(name) == "mine\n", "{ran:?}");
        assert_eq!(offline(&bench, &[&all[..], &["--force"]].concat()).code, Some(0));
    }
    let printed = offline(&bench, &["overlap", "--all", "--gexf", "-"]);
    assert_eq!(printed.out, text("graph.gexf"));
    let before = text("nodes.csv");
    std::os::unix::fs::symlink("nodes.csv", bench.path("link.csv")).unwrap();
    for other in ["nodes.csv", "./nodes.csv", "link.csv"] {
        let same =
            offline(&bench, &["overlap", "--all", "--nodes", "nodes.csv", "--edges", other, "--force"]);
        assert!(same.code == Some(2) && same.err.contains("need different files"), "{same:?}");
        let read = [
            ["overlap", "--from", other, "--nodes", "nodes.csv", "--force"],
            ["report", "--from", other, "--out", "./nodes.csv", "--force"],
        ];
        for arguments in read {
            let ran = offline(&bench, &arguments);
            assert!(ran.code == Some(2) && ran.err.contains("is read by this command"), "{ran:?}");
        }
        assert_eq!(text("nodes.csv"), before);
    }
}

#[test]
fn hostile_titles_are_text_in_every_format() {
    let bench = Bench::new(100);
    let title = "</node><evil/>\"&'\u{1}\u{202e}\u{ffff}\u{1b}[2J =1+1";
    let mut rows = String::new();
    for (name, id) in [("alice_1", 1), ("bob_1", 2)] {
        let mut answer = answer(name, id, &[3]);
        answer["groups"][0]["title"] = title.into();
        answer["groups"][0]["username"] = "a\" onmouseover=\"x".into();
        answer["user"]["username"] = "<b>".into();
        rows += &line(name, &answer);
    }
    bench.write("out.jsonl", rows);
    let run = |flags: &[&str]| {
        Ran::of(bench.without_key(&[&["overlap", "--from", "out.jsonl"], flags].concat()).output().unwrap())
    };
    assert!(!run(&[]).out.contains(['\u{1b}', '\u{202e}', '\u{1}']));
    let gexf = run(&["--gexf", "-"]).out;
    assert!(!gexf.contains("<evil") && !gexf.contains(['\u{1}', '\u{202e}', '\u{ffff}']), "{gexf}");
    // A parser that is not ours: it is well-formed, and the text comes back.
    let script = "import sys, xml.etree.ElementTree as tree\n\
                  root = tree.parse(sys.stdin.buffer).getroot()\n\
                  space = '{http://gexf.net/1.3}'\n\
                  print(len(list(root.iter(space + 'node'))), len(list(root.iter(space + 'edge'))))\n\
                  print([node.get('label') for node in root.iter(space + 'node')][-1])";
    let mut python = Command::new("python3");
    let mut child = python.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), gexf.as_bytes()).unwrap();
    let out = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(out, "3 2\n</node><evil/>\"&'\\u{1}\\u{202e}\u{fffd}\\u{1b}[2J =1+1\n");
    let json: Value = serde_json::from_str(&run(&["--json"]).out).unwrap();
    assert_eq!((&json["groups"][0]["title"], &json["groups"][0]["link"]), (&title.into(), &Value::Null));
}
