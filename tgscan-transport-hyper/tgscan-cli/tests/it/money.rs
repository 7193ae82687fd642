//! Payments, and the messages about them.

use std::os::unix::fs::symlink;

use tgscan_mock::types::{Balance, Search, SearchAnswer, UserQuery};
use tgscan_mock::{Expect, Fault, FaultKind, Mock};

use crate::support::{Bench, PRICE, Ran, STORE, accounts, canned, charged, list};

fn reset() -> Fault {
    Fault::new(FaultKind::Reset).charged()
}

#[test]
fn stored_only_sends_nothing_and_needs_no_key() {
    let bench = Bench::new(100);
    bench.run_stored(&["search", "alice_1"]);
    let before = bench.mock.requests().len();
    let url = bench.server.url();
    let stored = |arguments: &[&str]| {
        let flags = [&["--base-url", &url], &STORE[..], arguments].concat();
        Ran::of(bench.without_key(&flags).output().unwrap())
    };
    let known = stored(&["search", "alice_1", "--stored-only"]);
    assert!(known.code == Some(0) && known.out.contains("LINK"), "{known:?}");
    let unknown = stored(&["search", "bob_1", "--stored-only"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("`--stored-only` sends nothing"), "{unknown:?}");
    assert_eq!(bench.mock.requests().len(), before);
    // Neither does an answer that happens to be stored.
    assert_eq!(bench.run_stored(&["search", "alice_1"]).code, Some(0));
    assert_eq!(bench.mock.requests().len(), before);
}

#[test]
fn first_search_that_ends_uncertain_can_be_resolved() {
    for batch in [false, true] {
        let bench = Bench::new(100);
        bench.write("list", "alice_1\n");
        bench.mock.script::<Search>([reset()]);
        let command = if batch { ["batch", "list"] } else { ["search", "alice_1"] };
        assert_eq!(bench.run_stored(&command).code, Some(6));
        let reconciled = bench.run_stored(&["store", "reconcile", "--late-charge", "0s"]);
        assert_eq!(reconciled.code, Some(0), "{reconciled:?}");
        assert_eq!(bench.info("charged"), "2");
        assert_eq!(bench.run_stored(&command).code, Some(0));
    }
}

#[test]
fn reconcile_reports_each_call_and_what_is_left() {
    let bench = Bench::new(100);
    bench.mock.script::<Search>([reset(), Fault::new(FaultKind::Reset)]);
    for name in ["alice_1", "bob_1"] {
        assert_eq!(bench.run_stored(&["search", name]).code, Some(6));
    }
    let together = bench.run_stored(&["store", "reconcile", "--late-charge", "0s"]);
    assert_eq!(together.code, Some(0), "{together:?}");
    for name in ["alice_1   part of the total below", "bob_1     part of the total below"] {
        assert!(together.out.contains(name), "{together:?}");
    }
    assert!(together.err.contains("they cost 2 credits in total"), "{together:?}");

    // Charged, without an answer: the balance agrees, and the question stays blocked.
    bench.expect(Expect::<Search>::any().then_answer(mismatched()).then_default().repeated());
    assert_eq!(bench.run_stored(&["search", "carol_1"]).code, Some(7));
    let left = bench.run_stored(&["store", "reconcile", "--late-charge", "0s"]);
    assert!(
        left.err.contains("call 3 (search carol_1) cost 2 credits and returned no usable answer"),
        "{left:?}"
    );
    let resolve = format!("`tgscan store resolve 3 2 --base-url {} --store store`", bench.server.url());
    assert!(left.err.contains(&resolve), "{left:?}");
    let listed = bench.run_stored(&["store", "uncertain"]);
    assert!(listed.err.contains(&resolve), "{listed:?}");
    let blocked = bench.run_stored(&["search", "carol_1"]);
    assert!(blocked.code == Some(6) && blocked.err.contains("tgscan store resolve 3 2"), "{blocked:?}");
    let resolved = bench.run_stored(&["store", "resolve", "3", "2"]);
    assert!(resolved.err.contains("call 3 is resolved"), "{resolved:?}");
    assert_eq!(bench.run_stored(&["search", "carol_1"]).code, Some(0));
}

#[test]
fn balance_that_agrees_is_not_said_beside_an_uncertain_call() {
    let bench = Bench::new(100);
    bench.mock.script::<Balance>((0..8).map(|_| Fault::new(FaultKind::HtmlPage { status: 502 })));
    bench.mock.script::<Search>([reset()]);
    // No balance can be had, so nothing is sent that could not be resolved.
    let ran = bench.run_stored(&["search", "alice_1"]);
    assert_eq!((ran.code, bench.spent()), (Some(5), 0), "{ran:?}");
    bench.mock.clear_script();
    bench.mock.script::<Search>([reset()]);
    assert_eq!(bench.run_stored(&["search", "alice_1"]).code, Some(6));
    // Bought in the meantime: nothing is resolved.
    bench.mock.set_credits(500);
    let bought = bench.run_stored(&["store", "reconcile", "--late-charge", "0s"]);
    assert_eq!(bought.code, Some(6), "{bought:?}");
    assert!(
        bought.err.contains("tgscan store purchase") && bought.err.contains("still uncertain"),
        "{bought:?}"
    );
    assert!(!bought.err.contains("agrees"), "{bought:?}");
    assert_eq!(bench.info("uncertain attempts"), "1");
}

#[test]
fn limit_is_exceeded_by_less_than_one_search_for_any_number_of_jobs() {
    for jobs in ["1", "8", "64"] {
        for limit in [2, 30, 60] {
            // The mock's own costs: 1, and 1 more for each 50 groups.
            let bench = Bench::with(Mock::builder().seed(5).credits(100_000).build().unwrap());
            bench.write("list", list(300));
            let flags =
                ["--max-credits", &limit.to_string(), "batch", "list", "--out", "out.jsonl", "--jobs", jobs];
            let ran = bench.run(&flags);
            assert_eq!(ran.code, Some(4), "{ran:?}");
            assert!(ran.err.contains(&format!("stopped: --max-credits {limit} leaves no room")), "{ran:?}");
            assert!(bench.spent() < limit + 11, "{jobs} jobs: {} of {limit}", bench.spent());
            assert!(bench.spent() + 11 > limit, "{jobs} jobs: {} of {limit}", bench.spent());
            assert_eq!(charged(&ran.err), bench.spent());
        }
    }
}

#[test]
fn limit_below_the_known_cost_sends_nothing_and_a_stated_cost_makes_it_exact() {
    let query = |name: &str| Search { query: name.parse::<UserQuery>().unwrap() };
    let mut builder = Mock::builder().seed(5).credits(100_000).cost::<Search>(3);
    for number in 0..100 {
        builder = builder.cost_of(&query(&format!("name_{number}")), 1 + (number * 7) % 51);
    }
    let bench = Bench::with(builder.build().unwrap());
    bench.write("list", list(100));
    let batch = ["batch", "list", "--out", "out.jsonl", "--jobs", "64"];
    let ran =
        bench.run_stored(&[&["--max-credits", "300", "--max-cost-per-search", "51"], &batch[..]].concat());
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let spent = bench.spent();
    assert!(spent <= 300 && spent + 51 > 300, "{spent}");
    let none = bench.run_stored(&[&["--max-credits", "2"], &batch[..]].concat());
    assert_eq!((none.code, bench.spent()), (Some(4), spent), "{none:?}");
    assert!(accounts(&bench.path("out.jsonl")).len() > 3);
}

fn mismatched() -> SearchAnswer {
    let mut answer = SearchAnswer::default();
    "somebody_else".clone_into(&mut answer.meta.search_query);
    answer.meta.op_cost = PRICE;
    answer
}

#[test]
fn answer_to_another_question_is_set_aside_and_not_written() {
    for flags in [&[][..], &STORE] {
        let bench = Bench::new(100);
        bench.write("list", list(3));
        bench.expect(Expect::<Search>::any().then_answer(mismatched()).then_default().repeated());
        let batch = [flags, &["batch", "list", "--out", "out.jsonl", "--jobs", "1"]].concat();
        let ran = bench.run(&batch);
        assert_eq!(ran.code, Some(7), "{ran:?}");
        assert!(ran.err.contains("line 1: name_0: the answer is to another question"), "{ran:?}");
        assert_eq!(accounts(&bench.path("out.jsonl")), ["name_1", "name_2"]);
        let aside = std::fs::read_to_string(bench.path("out.jsonl.set-aside.jsonl")).unwrap();
        assert!(aside.contains("somebody_else") && aside.contains(r#""asked":"name_0""#), "{aside}");
        if !flags.is_empty() {
            // Its question stays blocked until it is resolved, or paid for again.
            let before = bench.spent();
            let blocked = bench.run(&batch);
            assert_eq!((blocked.code, bench.spent()), (Some(6), before), "{blocked:?}");
            assert!(blocked.err.contains("--pay-again"), "{blocked:?}");
            let paid = bench.run(&[&["--pay-again"], &batch[..]].concat());
            assert_eq!((paid.code, bench.spent()), (Some(0), before + PRICE), "{paid:?}");
            assert_eq!(accounts(&bench.path("out.jsonl")).len(), 3);
        }
    }
}

#[test]
fn bytes_that_are_not_text_are_kept_unchanged() {
    let bench = Bench::new(100);
    let url = canned(b"\xff\xfe");
    let search = ["--base-url", &url, "search", "alice_1"];
    assert_eq!(Ran::of(bench.elsewhere(&search).output().unwrap()).code, Some(6));
    let kept = std::fs::read_to_string(bench.path("tgscan.set-aside.jsonl")).unwrap();
    assert!(kept.contains("\"response_base64\":\"//4=\""), "{kept}");
    let stored =
        |arguments: &[&str]| Ran::of(bench.elsewhere(&[&STORE[..], arguments].concat()).output().unwrap());
    assert_eq!(stored(&search).code, Some(6));
    let exported = stored(&["store", "export"]);
    assert!(exported.out.contains("\"answer_base64\":\"//4=\""), "{exported:?}");
}

#[test]
fn answer_that_cannot_be_read_is_kept_the_first_time() {
    let bench = Bench::new(100);
    let broken = || Fault::new(FaultKind::FieldMistyped { field: "/result/groups/0/title".into() });
    bench.mock.script::<Search>([broken()]);
    let ran = bench.run(&["search", "alice_1"]);
    assert_eq!(ran.code, Some(7), "{ran:?}");
    assert!(ran.err.contains("the response is kept in tgscan.set-aside.jsonl"), "{ran:?}");
    assert!(!ran.err.contains("--raw"), "asking again costs again: {ran:?}");
    let kept = std::fs::read_to_string(bench.path("tgscan.set-aside.jsonl")).unwrap();
    assert!(kept.contains("op_cost"), "{kept}");
    // From a store, it is free.
    bench.mock.script::<Search>([broken()]);
    bench.run_stored(&["search", "bob_1"]);
    let again = bench.run_stored(&["search", "bob_1"]);
    assert!(
        again.code == Some(7) && again.err.contains("--raw prints the stored answer (free)"),
        "{again:?}"
    );
    let spent = bench.spent();
    assert!(bench.run_stored(&["search", "bob_1", "--raw"]).out.contains("op_cost"));
    assert_eq!(bench.spent(), spent);
}

#[test]
fn store_commands_create_nothing_and_erase_asks() {
    let bench = Bench::new(100);
    let commands = [
        &["bill"][..],
        &["uncertain"],
        &["info"],
        &["export"],
        &["expire"],
        &["reconcile"],
        &["erase", "alice_1", "--yes"],
    ];
    for command in commands {
        let ran = bench.run_stored(&[&["store"], command].concat());
        assert!(ran.code == Some(2) && ran.err.contains("--store store: there is no such file"), "{ran:?}");
        assert!(!bench.path("store").exists(), "{command:?}");
    }
    let ran = bench.run_stored(&["search", "alice_1", "--stored-only"]);
    assert!(ran.code == Some(2) && !bench.path("store").exists(), "{ran:?}");
    bench.run_stored(&["search", "alice_1"]);
    for command in commands {
        let ran = bench.run_stored(&[&["--account", "other", "store"], command].concat());
        assert!(ran.code == Some(2) && ran.err.contains("no account other"), "{ran:?}");
    }
    assert!(!bench.run_stored(&["store", "bill"]).out.contains("other"));
    let typo = bench.run_stored(&["store", "erase", "alise_1", "--yes"]);
    assert!(typo.code == Some(2) && typo.err.contains("nothing about alise_1"), "{typo:?}");
    let asked = bench.run_stored(&["store", "erase", "alice_1"]);
    assert!(
        asked.code == Some(2) && asked.err.contains("1 question and 1 answer about alice_1"),
        "{asked:?}"
    );
    assert!(bench.run_stored(&["store", "export"]).out.contains("alice_1"));
    let erased = bench.run_stored(&["store", "erase", "alice_1", "--yes"]);
    assert!(
        erased.err.contains("erased: 1 question, 1 answer") && erased.err.contains("--out"),
        "{erased:?}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn full_output_keeps_the_answer_and_shows_its_cost() {
    let bench = Bench::new(100);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = Ran::of(bench.command(&["search", "alice_1", "--json"]).stdout(full).output().unwrap());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("not written; the response is kept in tgscan.set-aside.jsonl"), "{ran:?}");
    assert!(ran.err.contains("2 credits charged, 98 left"), "{ran:?}");
    // The same for a batch.
    bench.write("list", list(2));
    symlink("/dev/full", bench.path("out.jsonl")).unwrap();
    let ran = bench.run(&["batch", "list", "--out", "out.jsonl", "--jobs", "1"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let aside = std::fs::read_to_string(bench.path("out.jsonl.set-aside.jsonl")).unwrap();
    assert_eq!(aside.lines().count() as u64 * PRICE, bench.spent() - PRICE, "{ran:?}");
}

#[test]
fn store_check_verifies_the_file_and_names_a_damaged_one() {
    let bench = Bench::new(100);
    let missing = bench.run_stored(&["store", "check"]);
    assert!(missing.code == Some(2) && missing.err.contains("there is no such file"), "{missing:?}");
    assert_eq!(bench.run_stored(&["search", "alice_1"]).code, Some(0));
    let whole = bench.run_stored(&["store", "check"]);
    assert!(whole.code == Some(0) && whole.err.contains("the store is whole: "), "{whole:?}");

    let path = bench.path(STORE[1]);
    let mut bytes = std::fs::read(&path).unwrap();
    // All pages.
    bytes[4096..].iter_mut().step_by(100).for_each(|byte| *byte ^= 1);
    std::fs::write(&path, bytes).unwrap();
    let damaged = bench.run_stored(&["store", "check"]);
    assert!(damaged.code == Some(1) && damaged.err.contains("restore it from a backup"), "{damaged:?}");
    assert!(damaged.err.contains(STORE[1]), "{damaged:?}");
}
