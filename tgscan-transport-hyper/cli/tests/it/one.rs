//! One call: exit codes, forms of output, keys, and readers that go away.

use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use tgscan_core::http::StatusCode;
use tgscan_mock::types::{Balance, Search};
use tgscan_mock::{Fault, FaultKind, Mock, data::Profile};

use crate::support::{Bench, Ran, bare};

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
        (
            Fault::new(FaultKind::ErrorEnvelope(StatusCode::UNAUTHORIZED)),
            3,
            "refuses the API key; nothing was charged",
        ),
        (
            Fault::new(FaultKind::ErrorEnvelope(StatusCode::PAYMENT_REQUIRED)),
            4,
            "the balance does not cover the call",
        ),
        (reset, 6, "credits uncertain"),
        (Fault::new(FaultKind::FieldMissing("/result/meta".into())), 6, "not as documented"),
    ] {
        let ran = search(fault);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.err.contains(says) && ran.out.is_empty(), "{ran:?}");
    }
    let ran = search(Fault::new(FaultKind::FieldMistyped("/result/groups/0/title".into())));
    assert_eq!(ran.code, Some(7), "{ran:?}");
    for (arguments, says) in [
        (&["search", "+7 999 123"][..], "phone number"),
        (&["search"], "<QUERY>"),
        (&["search", "alice_1", "--fresh"], "--fresh needs --store"),
        (&["--store", "s", "search", "alice_1"], "--store needs --max-age too, such as --max-age 7days"),
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
    bench.mock.script::<Balance>((0..4).map(|_| Fault::new(FaultKind::HtmlPage(StatusCode::BAD_GATEWAY))));
    assert_eq!(bench.run(&["balance"]).code, Some(5));
}

#[test]
fn key_comes_from_environment_or_file_and_is_never_shown() {
    let bench = Bench::new(100);
    let url = bench.server.url();
    let ran = Ran::of(bare(&["--base-url", &url, "balance"]).output().unwrap());
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("set TGSCAN_API_KEY, or give a file with --key-file"), "{ran:?}");
    let key = bench.write("key", format!("{}\n", Mock::LIVE_KEY));
    let from_file =
        |path: &str| Ran::of(bare(&["--base-url", &url, "--key-file", path, "balance"]).output().unwrap());
    assert_eq!(from_file(key.to_str().unwrap()).out, "100 credits\n");
    assert_eq!(from_file("no/such/file").code, Some(2));
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
fn stored_answer_is_free_and_a_stranger_among_flags_is_refused() {
    let bench = Bench::new(100);
    assert!(bench.run_stored(&["search", "alice_1"]).err.contains("2 credits charged, 98 left"));
    let again = bench.run_stored(&["search", "ALICE_1"]);
    assert!(again.err.contains("ago, nothing charged, 98 left"), "{again:?}");
    let missing = bench.run_stored(&["search", "bob_1", "--stored-only"]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.err.contains("`--stored-only` sends nothing"), "{missing:?}");
    assert!(bench.run_stored(&["search", "alice_1", "--fresh"]).err.contains("2 credits charged, 96 left"));
}

#[test]
fn uncertain_call_is_listed_settled_and_reconciled() {
    let bench = Bench::new(100);
    assert_eq!(bench.run_stored(&["store", "reconcile"]).code, Some(0));
    bench.mock.script::<Search>([Fault::new(FaultKind::Reset).charged(), Fault::new(FaultKind::Reset)]);
    for name in ["alice_1", "bob_1"] {
        assert_eq!(bench.run_stored(&["search", name]).code, Some(6));
    }
    let again = bench.run_stored(&["search", "alice_1"]);
    assert_eq!(again.code, Some(6));
    assert!(again.err.contains("tgscan store settle 1 CREDITS"), "{again:?}");
    let listed = bench.run_stored(&["store", "uncertain"]);
    assert_eq!(listed.code, Some(6));
    assert!(listed.out.contains("alice_1") && listed.out.contains("bob_1"), "{listed:?}");
    assert_eq!(bench.run_stored(&["store", "settle", "1", "2"]).code, Some(0));
    assert_eq!(bench.run_stored(&["store", "settle", "1", "2"]).code, Some(2), "once");
    let reconciled = bench.run_stored(&["store", "reconcile", "--late-charge", "0s"]);
    assert_eq!(reconciled.code, Some(0), "{reconciled:?}");
    assert!(reconciled.err.contains("uncertain calls settled: 1, at 0 credits"), "{reconciled:?}");
    let bill = bench.run_stored(&["store", "bill"]);
    assert!(bill.err.contains("2 credits in all"), "{bill:?}");
    assert_eq!(bench.mock.account().spent, 2);
}

#[test]
fn person_is_erased_and_calls_are_exported() {
    let bench = Bench::new(100);
    bench.run_stored(&["search", "alice_1"]);
    let exported = bench.run_stored(&["store", "export"]);
    let line: serde_json::Value = serde_json::from_str(exported.out.trim_end()).unwrap();
    assert_eq!((&line["question"], &line["credits"]), (&"alice_1".into(), &2.into()));
    assert_eq!(line["answer"]["status"], "ok");
    let erased = bench.run_stored(&["store", "erase", "@Alice_1"]);
    assert!(erased.err.contains("erased questions: 1, answers: 1"), "{erased:?}");
    let exported = bench.run_stored(&["store", "export"]);
    assert!(!exported.out.to_lowercase().contains("alice_1"), "{exported:?}");
    assert!(bench.run_stored(&["store", "bill"]).err.contains("2 credits in all"));
}

#[test]
fn reader_that_goes_away_ends_it_quietly() {
    let bench = Bench::new(100);
    for arguments in [&["search", "alice_1"][..], &["completions", "bash"], &["man"]] {
        // Not a pipe: its reader lives on in any process that another test starts just now.
        let (stdout, reader) = UnixStream::pair().unwrap();
        reader.shutdown(Shutdown::Both).unwrap();
        let ran = Ran::of(bench.command(arguments).stdout(OwnedFd::from(stdout)).output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn strangers_texts_cannot_steer_the_terminal() {
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
