//! One call: exit codes, forms of output, keys, and readers that go away.

use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use tgscan_mock::types::{Balance, Search, SearchAnswer, SearchGroup, SearchUser};
use tgscan_mock::{Expect, Fault, FaultKind, Mock, data::Profile};

use crate::support::{Bench, PRICE, Ran, STORE, bare};

#[test]
fn exit_codes_say_what_happened() {
    let bench = Bench::new(100);
    let search = |fault| {
        bench.mock.clear_script();
        bench.mock.script::<Search>([fault]);
        bench.run(&["search", "alice_1"])
    };
    let reset = Fault::new(FaultKind::Reset).charged();
    for (fault, code, says) in [
        (Fault::new(FaultKind::ErrorEnvelope { status: 401 }), 3, "refuses the API key; nothing was charged"),
        (Fault::new(FaultKind::ErrorEnvelope { status: 402 }), 4, "the balance does not cover the call"),
        (reset, 6, "it may have been charged"),
        (Fault::new(FaultKind::FieldMissing { field: "/result/meta".into() }), 6, "not as documented"),
    ] {
        let ran = search(fault);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.err.contains(says) && ran.out.is_empty(), "{ran:?}");
    }
    let ran = search(Fault::new(FaultKind::FieldMistyped { field: "/result/groups/0/title".into() }));
    assert_eq!(ran.code, Some(7), "{ran:?}");
    for (arguments, says) in [
        (&["search", "+7 999 123"][..], "phone number"),
        (&["search"], "<QUERY>"),
        (&["search", "alice_1", "--fresh"], "--fresh needs --store FILE"),
        (&["--max-age", "1day", "search", "alice_1"], "--max-age needs --store FILE"),
        (&["--max-age", "soon", "balance"], "--max-age"),
        (&["--base-url", "http://example.com", "balance"], "--base-url"),
        (&["store", "bill"], "needs --store FILE"),
    ] {
        let ran = bench.run(arguments);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains(says), "{says}: {ran:?}");
    }
    let capped = bench.run(&["--max-credits", "0", "search", "alice_1"]);
    assert_eq!(capped.code, Some(4), "{capped:?}");
    assert!(capped.err.contains("--max-credits"), "{capped:?}");
    bench.mock.script::<Balance>((0..4).map(|_| Fault::new(FaultKind::HtmlPage { status: 502 })));
    assert_eq!(bench.run(&["balance"]).code, Some(5));
}

#[test]
fn key_comes_from_environment_or_file_and_is_never_shown() {
    let bench = Bench::new(100);
    let url = bench.server.url();
    let ran = Ran::of(bare(&["--base-url", &url, "balance"]).output().unwrap());
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.err.contains("run `tgscan init`, set TGSCAN_API_KEY, or pass a file with --key-file"),
        "{ran:?}"
    );
    let key = bench.write("key", format!("{}\n", Mock::LIVE_KEY));
    let from_file =
        |path: &str| Ran::of(bare(&["--base-url", &url, "--key-file", path, "balance"]).output().unwrap());
    assert_eq!(from_file(key.to_str().unwrap()).out, "100 credits\n");
    assert_eq!(from_file("no/such/file").code, Some(2));
    let mut empty = bare(&["--base-url", &url, "balance"]);
    empty.env("TGSCAN_API_KEY", "").env("TGSCAN_KEY_FILE", &key);
    assert_eq!(Ran::of(empty.output().unwrap()).out, "100 credits\n", "an empty variable counts as unset");
    let exposed =
        Ran::of(bench.elsewhere(&["--base-url", "http://example.com", "balance"]).output().unwrap());
    assert!(exposed.code == Some(2) && exposed.err.trim_end().ends_with("use `https`"), "{exposed:?}");
    let wrong = bench.write("wrong", "s3cret-key");
    let ran = from_file(wrong.to_str().unwrap());
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(!ran.err.contains("s3cret"), "{ran:?}");
}

#[test]
fn output_is_table_json_raw_or_csv() {
    let bench = Bench::new(100);
    let table = bench.run(&["search", "alice_1"]);
    assert!(table.out.contains("LINK") && table.err.contains("2 credits charged, 98 left"), "{table:?}");
    // It needs no store, which another process may have open.
    assert!(bench.run_stored(&["balance"]).code == Some(0) && !bench.path(STORE[1]).exists());
    let json = bench.run(&["search", "alice_1", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let raw = bench.run(&["search", "alice_1", "--raw"]);
    let envelope: serde_json::Value = serde_json::from_str(&raw.out).unwrap();
    assert_eq!((&envelope["status"], &envelope["result"]), (&"ok".into(), &answer));
    let csv = bench.run(&["search", "alice_1", "--csv"]);
    let rows = csv.out.lines().count() - 1;
    assert_eq!(rows, answer["groups"].as_array().unwrap().len());
    let quiet = bench.run(&["search", "alice_1", "--quiet"]);
    assert_eq!((quiet.out, quiet.err.as_str()), (table.out, ""));
}

#[test]
fn stored_answer_is_free_and_stored_only_refuses_without_one() {
    let bench = Bench::new(100);
    assert!(bench.run_stored(&["search", "alice_1"]).err.contains("2 credits charged, 98 left"));
    let again = bench.run_stored(&["search", "ALICE_1"]);
    assert!(again.err.contains("ago, nothing charged"), "{again:?}");
    let missing = bench.run_stored(&["search", "bob_1", "--stored-only"]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.err.contains("`--stored-only` sends nothing"), "{missing:?}");
    assert!(bench.run_stored(&["search", "alice_1", "--fresh"]).err.contains("2 credits charged, 96 left"));
}

#[test]
fn uncertain_call_is_listed_resolved_and_reconciled() {
    let bench = Bench::new(100);
    bench.mock.script::<Search>([Fault::new(FaultKind::Reset).charged(), Fault::new(FaultKind::Reset)]);
    for name in ["alice_1", "bob_1"] {
        assert_eq!(bench.run_stored(&["search", name]).code, Some(6));
    }
    let again = bench.run_stored(&["search", "alice_1"]);
    assert_eq!(again.code, Some(6));
    assert!(
        again.err.contains("`tgscan store reconcile --base-url")
            && again.err.contains("determines its cost (free)"),
        "{again:?}"
    );
    let listed = bench.run_stored(&["store", "uncertain"]);
    assert_eq!(listed.code, Some(6));
    // Another store would have other calls with these numbers.
    let reconcile = format!("`tgscan store reconcile --base-url {} --store store`", bench.server.url());
    assert!(listed.err.contains(&reconcile), "{listed:?}");
    assert!(listed.out.contains("alice_1") && listed.out.contains("bob_1"), "{listed:?}");
    let resolved = bench.run_stored(&["store", "resolve", "1", "2"]);
    assert!(resolved.err.contains("call 1 is resolved: it cost 2 credits (before: 0)"), "{resolved:?}");
    let corrected = bench.run_stored(&["store", "resolve", "1", "2"]);
    assert!(corrected.err.contains("nothing changed: call 1 already cost 2 credits"), "{corrected:?}");
    let unknown = bench.run_stored(&["store", "resolve", "9", "2"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    let reconciled = bench.run_stored(&["store", "reconcile", "--late-charge", "0s"]);
    assert_eq!(reconciled.code, Some(0), "{reconciled:?}");
    assert!(reconciled.err.contains("they cost 0 credits in total"), "{reconciled:?}");
    let bill = bench.run_stored(&["store", "bill"]);
    assert!(bill.err.contains("2 credits in total"), "{bill:?}");
    assert_eq!(bench.mock.account().spent, 2);
}

#[test]
fn account_of_a_store_is_found_by_label_and_service() {
    let (bench, other) = (Bench::new(100), Bench::new(100));
    bench.run_stored(&["search", "alice_1"]);
    // Without the base URL, the label is enough while one account has it.
    let without_url =
        |arguments: &[&str]| Ran::of(bench.elsewhere(&[&STORE, arguments].concat()).output().unwrap());
    let only = without_url(&["store", "info"]);
    let address = bench.server.address().to_string();
    assert!(only.out.contains(&address) && only.out.contains("charged                 2"), "{only:?}");

    let ran = without_url(&["--base-url", &other.server.url(), "search", "alice_1"]);
    assert!(ran.err.contains("2 credits charged"), "answers of another service are not served: {ran:?}");
    let several = without_url(&["store", "info"]);
    assert_eq!(several.code, Some(2), "{several:?}");
    for part in ["no account default at api.tgdev.io", &address, &other.server.address().to_string()] {
        assert!(several.err.contains(part), "{part}: {several:?}");
    }
    assert_eq!(bench.info("charged"), "2");
    let unknown = bench.run_stored(&["--account", "other", "store", "uncertain"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("no account other at"), "{unknown:?}");

    for command in [&["store", "bill"][..], &["store", "erase", "alice_1", "--yes"]] {
        let unknown = without_url(&[&["--account", "other"], command].concat());
        assert!(unknown.code == Some(2) && unknown.err.contains("no account other:"), "{unknown:?}");
    }

    // The bill and erasing include all accounts.
    assert!(without_url(&["store", "bill"]).err.contains("4 credits in total"));
    let erased = without_url(&["store", "erase", "alice_1", "--yes"]);
    assert!(erased.err.contains("erased: 2 questions, 2 answers"), "{erased:?}");
}

#[test]
fn limit_of_a_run_does_not_count_earlier_runs_of_the_store() {
    let bench = Bench::new(100);
    for name in ["alice_1", "bob_1", "carol_1"] {
        let ran = bench.run_stored(&["--max-credits", "2", "search", name]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let stored = bench.run_stored(&["--max-credits", "1", "search", "alice_1"]);
    assert!(stored.code == Some(0) && stored.err.contains("nothing charged"), "{stored:?}");
    let ran = bench.run_stored(&["--max-credits", "1", "search", "dave_1"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.err.contains("--max-credits leaves no room"), "{ran:?}");
    assert_eq!(bench.mock.account().spent, 6);
}

#[test]
fn person_is_erased_and_calls_are_exported() {
    let bench = Bench::new(100);
    bench.run_stored(&["search", "alice_1"]);
    let exported = bench.run_stored(&["store", "export"]);
    let line: serde_json::Value = serde_json::from_str(exported.out.trim_end()).unwrap();
    assert_eq!((&line["question"], &line["credits"]), (&"alice_1".into(), &2.into()));
    assert_eq!(line["answer"]["status"], "ok");
    let erased = bench.run_stored(&["store", "erase", "@Alice_1", "--yes"]);
    assert!(erased.err.contains("erased: 1 question, 1 answer"), "{erased:?}");
    let exported = bench.run_stored(&["store", "export"]);
    assert!(!exported.out.to_lowercase().contains("alice_1"), "{exported:?}");
    assert!(bench.run_stored(&["store", "bill"]).err.contains("2 credits in total"));
}

#[test]
fn damaged_store_is_exported_as_far_as_it_can_be_read() {
    let bench = Bench::new(100);
    for name in ["alice_1", "bob_1"] {
        bench.run_stored(&["search", name]);
    }
    let whole = bench.run_stored(&["store", "export"]);
    let exported = bench.run_stored(&["store", "export", "--damaged"]);
    assert_eq!((exported.code, &exported.out), (Some(0), &whole.out), "{exported:?}");
    assert!(exported.err.contains("the store is whole: 2 calls"), "{exported:?}");
    // The head, without which no other command opens the file.
    let intact = std::fs::read(bench.path("store")).unwrap();
    let mut bytes = intact.clone();
    bytes[..2048].fill(0xff);
    std::fs::write(bench.path("store"), &bytes).unwrap();
    let refused = bench.run_stored(&["store", "export"]);
    assert!(refused.code == Some(1) && refused.out.is_empty(), "{refused:?}");
    let exported = bench.run_stored(&["store", "export", "--damaged"]);
    assert_eq!((exported.code, &exported.out), (Some(1), &whole.out), "{exported:?}");
    assert!(
        exported.err.contains("2 calls printed") && exported.err.contains("1 damaged page"),
        "{exported:?}"
    );
    assert!(std::fs::read(bench.path("store")).unwrap() == bytes, "the file was changed");
    // A page of a table.
    let mut bytes = intact;
    for page in bytes[4096..].chunks_mut(4100).filter(|page| page.windows(7).any(|text| text == b"alice_1")) {
        page[4099] ^= 1;
    }
    std::fs::write(bench.path("store"), &bytes).unwrap();
    let checked = bench.run_stored(&["store", "check"]);
    assert!(
        checked.code == Some(1) && checked.err.contains("`tgscan store export --damaged --base-url"),
        "{checked:?}"
    );
    let other = bench.run_stored(&["--account", "other", "store", "export", "--damaged"]);
    assert!(!other.out.contains("bob_1"), "{other:?}");
}

#[test]
fn reader_that_goes_away_ends_it_quietly() {
    let bench = Bench::new(100);
    for arguments in [&["search", "alice_1"][..], &["completions", "bash"], &["man"]] {
        // Not a pipe: its reader lives on in any process that another test starts just now.
        let (stdout, reader) = UnixStream::pair().unwrap();
        reader.shutdown(Shutdown::Both).unwrap();
        let ran = Ran::of(bench.command(arguments).stdout(OwnedFd::from(stdout)).output().unwrap());
        assert_eq!(ran.code, Some(0), "{arguments:?}");
        let says_cost = ran.err.contains("2 credits charged");
        assert!(if arguments[0] == "search" { says_cost } else { ran.err.is_empty() }, "{ran:?}");
    }
}

#[test]
fn texts_of_the_service_cannot_steer_the_terminal() {
    let mock = Mock::builder().seed(5).profile(Profile::Undocumented).build().unwrap();
    let bench = Bench::with(mock);
    for number in 0..40 {
        let ran = bench.run(&["search", &format!("name_{number}")]);
        if ran.code != Some(0) {
            continue;
        }
        for c in ran.out.chars().filter(|c| *c != '\n') {
            assert!(!c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c), "{c:?} in {ran:?}");
        }
        assert!(ran.out.lines().all(|line| line.chars().count() < 400), "{ran:?}");
    }
}

#[test]
fn colours_come_only_where_they_are_wanted() {
    let bench = Bench::new(100);
    let has_colours = |arguments: &[&str]| bench.run(arguments).out.contains('\u{1b}');
    assert!(!has_colours(&["search", "alice_1"]), "a pipe");
    assert!(has_colours(&["--color", "always", "search", "alice_1"]));
    assert!(!has_colours(&["--color", "never", "search", "alice_1"]));
}

#[test]
fn two_stored_answers_are_compared() {
    let bench = Bench::new(100);
    let answer = |first_name: &str, groups: &[(i64, &str)]| {
        let mut answer = SearchAnswer::default();
        let user = answer.user.insert(SearchUser::new(77).with_username("alice_1"));
        first_name.clone_into(&mut user.first_name);
        answer.groups = groups.iter().map(|(id, title)| SearchGroup::new(*id, *title)).collect();
        answer.meta.op_cost = PRICE;
        answer
    };
    let old = answer("Noa", &[(-1, "a"), (-2, "b"), (-4, "d")]);
    let new = answer("Zoë", &[(-2, "b2"), (-3, "c"), (-4, "d")]);
    bench.expect(Expect::any().then_answer(old).then_answer(new));
    bench.run_stored(&["search", "alice_1"]);
    let one = bench.run_stored(&["diff", "Alice_1"]);
    assert!(one.code == Some(2) && one.err.contains("the store has 1 answer about Alice_1"), "{one:?}");
    bench.run_stored(&["search", "alice_1", "--fresh"]);
    let spent = bench.spent();
    let diff = bench.run_stored(&["diff", "@alice_1"]);
    assert_eq!((diff.code, bench.spent()), (Some(0), spent), "{diff:?}");
    let lines: Vec<String> =
        diff.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let changes = ["first name 77 Noa Zoë", "renamed -2 b b2", "joined -3 c", "not listed -1 a"];
    assert_eq!(lines[0], "CHANGE ID OLD NEW", "{diff:?}");
    assert_eq!(lines[1..], changes, "{diff:?}");
    let json: serde_json::Value =
        serde_json::from_str(&bench.run_stored(&["diff", "alice_1", "--json"]).out).unwrap();
    assert_eq!(json["changes"].as_array().unwrap().len(), 4);
}

#[test]
fn groups_are_selected_by_date_and_sorted() {
    let bench = Bench::new(100);
    let mut answer = SearchAnswer::default();
    let group = |id, title: &str, date: &str| SearchGroup::new(id, title).with_date_updated(date);
    answer.groups = vec![
        group(-1, "beta", "2026-02-01"),
        group(-2, "alpha", "2026-01-20"),
        group(-3, "old", "2025-01-01"),
        group(-4, "zeta", "a date that cannot be read"),
    ];
    answer.meta.op_cost = PRICE;
    (answer.meta.num_groups, answer.meta.known_num_groups) = (4, 4);
    bench.expect(Expect::any().then_answer(answer).repeated());
    bench.write("list", "alice_1\n");
    let flags = ["--since", "2026-01-15", "--sort", "title"];
    let titles = |out: &str| {
        out.lines()
            .filter_map(|line| {
                ["alpha", "beta", "old", "zeta"].into_iter().find(|title| line.contains(title))
            })
            .collect::<Vec<_>>()
    };
    let table = bench.run(&[&["search", "alice_1"], &flags[..]].concat());
    assert!(table.out.contains("3 of them since that date"), "{table:?}");
    assert_eq!(titles(&table.out), ["alpha", "beta", "zeta"]);
    let by_id = bench.run(&["search", "alice_1", "--sort", "id"]);
    assert_eq!(titles(&by_id.out), ["zeta", "old", "alpha", "beta"], "{by_id:?}");
    let rows = bench.run(&[&["batch", "list", "--csv"], &flags[..]].concat());
    assert_eq!(titles(&rows.out), ["alpha", "beta", "zeta"], "{rows:?}");
    let wrong = bench.run(&["search", "alice_1", "--since", "soon"]);
    assert!(wrong.code == Some(2) && wrong.err.contains("use a date such as 2026-01-31"), "{wrong:?}");
}
