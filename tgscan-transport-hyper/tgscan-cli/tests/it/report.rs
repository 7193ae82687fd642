//! `tgscan report`: a page about several accounts, from stored answers and output files.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::cases::{answer, line, store};
use crate::support::{Bench, Ran};

/// Runs it with the store and without a key.
fn offline(bench: &Bench, arguments: &[&str]) -> Ran {
    let url = bench.server.url();
    let arguments = [&["--store", "store", "--base-url", &url], arguments].concat();
    Ran::of(bench.without_key(&arguments).output().unwrap())
}

fn page(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.path(name)).unwrap()
}

/// Writes an output file of `count` accounts with 100 groups each, and a report from it.
fn report_of(bench: &Bench, count: usize, groups_of: impl Fn(usize) -> Vec<i64>) -> String {
    let rows = (0..count).map(|number| {
        let name = format!("name_{number}");
        line(&name, &answer(&name, 1 + i64::try_from(number).unwrap(), &groups_of(number)))
    });
    bench.write("out.jsonl", rows.collect::<String>());
    let ran =
        Ran::of(bench.without_key(&["report", "--from", "out.jsonl", "-o", "case.html"]).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    page(bench, "case.html")
}

#[test]
fn picture_is_drawn_up_to_12_accounts_and_60_shared_groups() {
    let bench = Bench::new(1);
    let spread = |step: usize| {
        move |number: usize| (0..30).map(|n| i64::try_from(number * step + n).unwrap()).collect()
    };
    let no_picture = "There is no picture: it is readable up to 12 accounts and 60 shared groups";
    for (count, step, has_picture) in
        [(1, 5, false), (3, 5, true), (12, 2, true), (12, 12, false), (13, 5, false)]
    {
        let page = report_of(&bench, count, spread(step));
        assert_eq!(page.matches("<article").count(), count);
        assert_eq!(page.contains("<svg"), has_picture, "{count} accounts");
        assert_eq!(page.contains(no_picture), !has_picture && count > 1, "{count} accounts");
        assert_eq!(page.contains("class=\"sortable matrix"), count > 1, "{count} accounts");
        assert!(page.contains("Have a legal basis for each lookup"));
    }
    let page = report_of(&bench, 3, spread(5));
    assert_eq!(page.matches("<path").count(), 25 + 30 + 25, "a line per account and shared group");
    assert_eq!(page.matches("<circle").count(), 30);
}

#[test]
fn report_of_200_accounts_with_100_groups_each_has_less_than_5_mb() {
    let bench = Bench::new(1);
    for shared in [25, 100] {
        let page = report_of(&bench, 200, |number| {
            (0..100).map(|n| i64::try_from(number * shared / 4 + n).unwrap()).collect()
        });
        assert!(page.len() < 5_000_000, "{} bytes", page.len());
        assert_eq!(page.matches("<article").count(), 200);
        assert_eq!(
            page.matches("<li>").count() - page.matches(" accounts</b>").count(),
            200 * 100,
            "all groups"
        );
        assert!(page.contains("The lists of the accounts have all."));
    }
}

#[test]
fn stored_answers_have_ages_and_missing_ones_are_named() {
    let bench = Bench::new(100);
    store(&bench, &[("alice_1", 11, &[1, 2, 3]), ("bob_1", 12, &[2, 3])]);
    let before = bench.mock.requests().len();
    let ran = offline(
        &bench,
        &["report", "alice_1", "bob_1", "carol_1", "--out", "case.html", "--title", "Case 7 & 8"],
    );
    assert_eq!((ran.code, &*ran.out), (Some(0), ""), "{ran:?}");
    assert!(ran.err.contains("1 account without a stored answer: @carol_1"), "{ran:?}");
    assert!(ran.err.contains("tgscan search carol_1 "), "{ran:?}");
    assert!(ran.err.ends_with("case.html: 2 accounts, 2 shared groups\n"), "{ran:?}");
    let page = page(&bench, "case.html");
    for says in [
        "<title>Case 7 &amp; 8</title>",
        " second",
        "@carol_1",
        "no stored answer",
        "<a href=\"https://t.me/group_2\">Group 2</a>",
        "Group 3 (private) id -1000003 · 2026-01-04",
        "<a href=\"https://t.me/alice_1\">@alice_1</a>",
    ] {
        assert!(page.contains(says), "{says}: {page}");
    }
    assert_eq!(bench.mock.requests().len(), before, "nothing was sent");
    let none = offline(&bench, &["report", "carol_1", "-o", "none.html"]);
    assert!(none.code == Some(1) && none.err.contains("nothing was written"), "{none:?}");
    assert!(!bench.path("none.html").exists());
}

#[test]
fn output_file_with_a_time_before_1970_is_reported_without_it() {
    let bench = Bench::new(1);
    let path = bench.write("out.jsonl", line("alice_1", &answer("alice_1", 1, &[1])));
    let long_ago = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    File::options().append(true).open(path).unwrap().set_modified(long_ago).unwrap();
    let ran =
        Ran::of(bench.without_key(&["report", "--from", "out.jsonl", "-o", "case.html"]).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(page(&bench, "case.html").contains(">in out.jsonl</td>"));
}

#[test]
fn erased_and_expired_answers_do_not_appear() {
    let bench = Bench::new(100);
    store(&bench, &[("alice_1", 11, &[1, 2]), ("bob_1", 12, &[1, 2]), ("carol_1", 13, &[1, 9])]);
    offline(&bench, &["report", "--all", "-o", "case.html"]);
    assert!(page(&bench, "case.html").contains("carol_1") && page(&bench, "case.html").contains("Group 9"));
    assert_eq!(offline(&bench, &["store", "erase", "carol_1", "--yes"]).code, Some(0));
    let ran = offline(&bench, &["report", "--all", "-o", "case.html"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let page = page(&bench, "case.html");
    assert!(page.contains("alice_1") && !page.contains("carol_1") && !page.contains("Group 9"), "{ran:?}");
    assert_eq!(offline(&bench, &["--keep-for", "0s", "store", "expire"]).code, Some(0));
    let ran = offline(&bench, &["report", "alice_1", "-o", "case.html"]);
    assert!(ran.code == Some(1) && ran.err.contains("nothing was written"), "{ran:?}");
}

#[test]
fn former_names_partial_answers_and_unknown_accounts_are_shown() {
    let bench = Bench::new(1);
    let mut partial = answer("alice_1", 11, &[1, 2]);
    partial["meta"]["known_num_groups"] = 40.into();
    partial["username_history"] =
        json!([{"username": "old_alice", "date": "2024-03-01"}, {"username": "older", "date": ""}]);
    partial["id_history"] = json!([{"id": "99", "date": "2022-01-01"}]);
    bench.write("out.jsonl", line("alice_1", &partial) + &line("nobody_1", &Value::Null));
    let ran = Ran::of(bench.without_key(&["report", "--from", "out.jsonl", "-o", "-"]).output().unwrap());
    for says in [
        "lists 2 of 40 known groups",
        "Former usernames: @old_alice<span class=\"soft\"> (2024-03-01)</span>, @older<",
        "Former ids: 99<",
        "nothing is known about this account",
        "@nobody_1",
        "in out.jsonl",
    ] {
        assert!(ran.out.contains(says), "{says}: {}", ran.out);
    }
    // The same from CSV.
    bench.write("list", "alice_1\n");
    let csv = "account,user_id,username,username_history,id_history,group_id,group_title,rows,row\n\
               alice_1,11,alice_1,old_alice (2024-03-01); older,99 (2022-01-01),-5,Group 5,1,1\n";
    bench.write("out.csv", csv);
    let ran = Ran::of(bench.without_key(&["report", "--from", "out.csv", "-o", "-"]).output().unwrap());
    assert!(ran.out.contains("@old_alice<span class=\"soft\"> (2024-03-01)</span>, @older"), "{}", ran.out);
}

#[test]
fn page_is_private_and_only_pages_of_this_program_are_replaced() {
    let bench = Bench::new(1);
    report_of(&bench, 1, |_| vec![1]);
    let mode = std::fs::metadata(bench.path("case.html")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    bench.write("other.html", "<!doctype html><p>mine\n");
    let run = |flags: &[&str]| {
        Ran::of(
            bench.without_key(&[&["report", "--from", "out.jsonl", "-o"], flags].concat()).output().unwrap(),
        )
    };
    let refused = run(&["other.html"]);
    assert!(refused.code == Some(2) && refused.err.contains("it is left unchanged"), "{refused:?}");
    assert_eq!(page(&bench, "other.html"), "<!doctype html><p>mine\n");
    std::os::unix::fs::symlink("case.html", bench.path("link.html")).unwrap();
    for flags in [&["case.html"][..], &["other.html", "--force"], &["link.html"], &["new/folder/case.html"]] {
        assert_eq!(run(flags).code, Some(0), "{flags:?}");
        assert!(page(&bench, flags[0]).contains("name_0"), "{flags:?}");
    }
    assert!(bench.path("link.html").is_symlink());
    assert_eq!(run(&["/dev/full"]).code, Some(1));
    assert_eq!(run(&["new"]).code, Some(2), "a folder");
    let left: Vec<_> =
        std::fs::read_dir(bench.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".new")), "{left:?}");
}

/// The elements of a page, each with its attributes, and nothing of its texts.
fn elements(page: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    let mut elements = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let name_end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
        let name = &rest[..name_end];
        rest = &rest[name_end..];
        let mut attributes = Vec::new();
        while let Some(attribute) = rest.strip_prefix(' ') {
            let (key, after) = attribute.split_once("=\"").unwrap();
            let (value, after) = after.split_once('"').unwrap();
            attributes.push((key, value));
            rest = after;
        }
        if name.is_empty() {
            continue;
        }
        assert!(rest.starts_with('>'), "{name}: {:?}", &rest[..rest.len().min(80)]);
        if let "style" | "script" = name {
            rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
        }
        elements.push((name, attributes));
    }
    elements
}

#[test]
fn hostile_texts_become_neither_elements_nor_attributes_nor_links() {
    let hostile = [
        "<script>alert(1)</script>",
        "\" onmouseover=\"alert(1)\" x=\"",
        "' onmouseover='alert(1)'",
        "javascript:alert(1)",
        "</svg><img src=x onerror=alert(1)>",
        "</title></style></script><a href=javascript:alert(1)>",
        "\u{202e}reversed\u{2066}\u{0}\u{1b}[2J",
        "&lt;b&gt; &amp; {{7*7}} ${7*7} ]]> <!--",
        "شبكة 👩‍👩‍👧",
        "",
    ];
    let large = "<b>large</b>".repeat(1024 * 1024 / 12);
    let texts: Vec<&str> = hostile.iter().copied().chain([&*large]).collect();
    let bench = Bench::new(1);
    let mut rows = String::new();
    for (number, name) in ["alice_1", "bob_1", "carol_1"].iter().enumerate() {
        let mut answer = answer(name, 1, &[]);
        let text = |at: usize| texts[(number + at) % texts.len()];
        answer["user"] =
            json!({"id": number + 1, "username": text(0), "first_name": text(1), "last_name": text(2)});
        answer["username_history"] =
            texts.iter().map(|text| json!({"username": text, "date": text})).collect();
        answer["id_history"] = texts.iter().map(|text| json!({"id": "5", "date": text})).collect();
        let group = |(id, text): (usize, &&str)| json!({"id": id, "title": text, "username": text, "date_updated": text});
        answer["groups"] = texts.iter().enumerate().map(group).collect();
        rows += &line(name, &answer);
    }
    bench.write("out.jsonl", rows);
    for title in &hostile {
        let arguments =
            ["report", "--from", "out.jsonl", "-o", "case.html", "--title", &title.replace('\0', "")];
        assert_eq!(Ran::of(bench.without_key(&arguments).output().unwrap()).code, Some(0));
    }
    let page = page(&bench, "case.html");
    assert!(page.len() < 200_000, "{} bytes", page.len());
    assert!(!page.contains(['\u{202e}', '\u{2066}', '\u{0}', '\u{1b}']), "what steers is written out");
    assert!(page.contains("\\u{202e}reversed") && page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    let mut seen = BTreeSet::new();
    for (name, attributes) in elements(&page) {
        seen.insert(name);
        for (key, value) in attributes {
            assert!(
                !key.starts_with("on") && !["style", "src", "action"].contains(&key),
                "{name} {key}={value}"
            );
            let is_link = |value: &str| {
                let username = value.strip_prefix("https://t.me/").unwrap_or_default();
                value.starts_with('#')
                    || !username.is_empty() && username.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            };
            assert!(key != "href" || is_link(value), "{value}");
        }
    }
    let count = |name| elements(&page).iter().filter(|(other, _)| *other == name).count();
    assert_eq!((count("script"), count("style"), count("title"), count("img")), (1, 1, 2, 0), "{seen:?}");
    assert!(page.contains("default-src 'none'; style-src 'sha256-"));
}
