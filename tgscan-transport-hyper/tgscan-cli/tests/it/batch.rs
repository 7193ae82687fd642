//! A list of accounts: faults, limits, kills and interruptions, and runs that continue earlier ones.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tgscan_mock::types::{Search, UserCheck, UserCheckAnswer};
use tgscan_mock::{Expect, Fault, FaultKind, Mock};

use crate::support::{Bench, PRICE, Ran, STORE, accounts, charged, list};

/// A list of 500 accounts, with as many in other forms and some invalid lines.
fn messy_list() -> String {
    let mut list = "\u{feff}# accounts\n\n".to_owned();
    for number in 0..500 {
        writeln!(list, "name_{number}").unwrap();
        if number % 10 == 0 {
            writeln!(list, " https://t.me/NAME_{number}/ \r\n@Name_{number}").unwrap();
        }
        if number % 100 == 0 {
            writeln!(list, "+7 999 {number:07}\nhttps://t.me/+AbCdEf{number}").unwrap();
        }
    }
    list
}

#[test]
fn list_through_faults_is_paid_once_and_billed_right() {
    let bench = Bench::new(100_000);
    bench.write("list", messy_list());
    // Refusals that pass, answers that are lost after they were charged, and before.
    bench.mock.script::<Search>((0..500).map(|number| match number % 25 {
        3 => Some(Fault::new(FaultKind::TooManyRequests { retry_after: Some(0) })),
        7 => Some(Fault::new(FaultKind::Reset).charged()),
        11 => Some(Fault::new(FaultKind::HtmlPage { status: 502 }).charged()),
        19 => Some(Fault::new(FaultKind::Close)),
        _ => None,
    }));
    let batch = ["batch", "list", "--out", "out.jsonl", "--jobs", "16"];
    let first = bench.run_stored(&batch);
    assert_eq!(first.code, Some(6), "{first:?}");
    assert!(first.err.contains("line 4: ") || first.err.contains("phone number"), "{}", first.err);
    assert!(first.err.contains("100  repeated in the list"), "{}", first.err);
    let written = accounts(&bench.path("out.jsonl"));
    let unique: BTreeSet<_> = written.iter().collect();
    assert_eq!(unique.len(), written.len(), "each once");
    assert_eq!(charged(&first.err), written.len() as u64 * PRICE);

    // Uncertain calls are not sent again.
    let second = bench.run_stored(&batch);
    assert_eq!(second.code, Some(6), "{second:?}");
    assert_eq!(charged(&second.err), 0, "{}", second.err);
    let resolved = bench.run_stored(&["store", "reconcile", "--late-charge", "0s"]);
    assert_eq!(resolved.code, Some(0), "{resolved:?}");
    // Once resolved, it may be asked again.
    bench.mock.clear_script();
    let third = bench.run_stored(&batch);
    assert_eq!(third.code, Some(2), "the bad lines are all that is wrong: {third:?}");
    let written = accounts(&bench.path("out.jsonl"));
    assert_eq!(written.len(), 500);
    assert_eq!(written.iter().collect::<BTreeSet<_>>().len(), 500);
    let bill = bench.run_stored(&["store", "bill"]);
    let spent = bench.mock.account().spent;
    assert!(bill.err.contains(&format!("{spent} credits in total")), "{bill:?}");
    // Every lost answer was paid for without use; nothing else was paid for twice.
    let lost = spent / PRICE - 500;
    assert!(lost > 0 && lost <= 60, "{lost}");
}

#[test]
fn empty_balance_and_limit_stop_it_and_it_continues_later() {
    let bench = Bench::new(20);
    bench.write("list", list(50));
    let batch = ["batch", "list", "--out", "out.jsonl", "--jobs", "4"];
    let stopped = bench.run(&batch);
    assert_eq!(stopped.code, Some(4), "{stopped:?}");
    assert!(stopped.err.contains("stopped: no credits are left"), "{}", stopped.err);
    assert_eq!((accounts(&bench.path("out.jsonl")).len(), bench.mock.account().spent), (10, 20));
    bench.mock.set_credits(1000);
    let limited = bench.run(&["--max-credits", "30", "batch", "list", "--out", "out.jsonl", "--jobs", "8"]);
    assert_eq!(limited.code, Some(4), "{limited:?}");
    assert_eq!(
        (charged(&limited.err), bench.mock.account().spent),
        (30, 50),
        "the limit is used up, and holds"
    );
    let rest = bench.run(&batch);
    assert_eq!(rest.code, Some(0), "{rest:?}");
    assert_eq!((accounts(&bench.path("out.jsonl")).len(), bench.mock.account().spent), (50, 100));
}

#[test]
fn wrong_key_stops_before_anything_is_searched() {
    let bench = Bench::new(100);
    bench.write("list", "alice_1\n");
    let mut command = bench.command(&["batch", "list"]);
    let ran = crate::support::Ran::of(command.env("TGSCAN_API_KEY", "another-key").output().unwrap());
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.out.is_empty());
}

#[test]
fn dry_run_says_what_there_is_to_pay_and_pays_nothing() {
    let bench = Bench::new(1000);
    bench.write("list", "alice_1\nbob_1\nALICE_1\ncarol_1\n");
    let dry = ["batch", "list", "--dry-run"];
    let unknown = bench.run_stored(&dry);
    assert!(
        unknown.out.contains("3  accounts") && unknown.out.contains("the cost is unknown"),
        "{unknown:?}"
    );
    bench.run_stored(&["search", "alice_1"]);
    let known = bench.run_stored(&dry);
    assert!(known.out.contains("1  would be answered from the store"), "{known:?}");
    assert!(known.out.contains("2  would be searched"), "{known:?}");
    assert!(known.out.contains("4  credits at the highest cost so far (2)"), "{known:?}");
    let mut test = bench.command(&[&["--test-key"], &dry[..]].concat());
    let test = Ran::of(test.env("TGSCAN_API_KEY", Mock::TEST_KEY).output().unwrap());
    assert!(test.out.contains("3  would be searched\n        0  credits\n"), "{test:?}");
    assert_eq!(bench.mock.account().spent, PRICE);
}

#[test]
fn free_check_saves_searches_of_unknown_accounts() {
    let mock = Mock::builder().seed(3).cost::<Search>(PRICE).build().unwrap();
    let bench = Bench::with(mock);
    bench.write("list", "alice_1\nbob_1\n");
    let ran = bench.run(&["batch", "list", "--check-first"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let checks = bench.mock.requests().iter().filter(|request| request.method == Some("user_check")).count();
    assert_eq!(checks, 2);
}

#[test]
fn all_jobs_pause_together_after_too_many_requests() {
    let bench = Bench::new(1000);
    bench.write("list", list(20));
    bench.mock.script::<Search>([Fault::new(FaultKind::TooManyRequests { retry_after: Some(1) })]);
    let began = std::time::Instant::now();
    let ran = bench.run(&["batch", "list", "--jobs", "4", "--out", "out.jsonl"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(began.elapsed() >= Duration::from_millis(900), "the jobs did not wait");
    assert_eq!(accounts(&bench.path("out.jsonl")).len(), 20);
}

#[test]
fn rate_limits_the_requests_per_second() {
    let bench = Bench::new(1000);
    bench.write("list", list(12));
    let began = std::time::Instant::now();
    let ran = bench.run(&["batch", "list", "--jobs", "8", "--rate", "10", "--out", "out.jsonl"]);
    assert_eq!((ran.code, bench.spent()), (Some(0), 12 * PRICE), "{ran:?}");
    // The balance and 12 searches, of which the first waits for nothing.
    assert!(began.elapsed() >= Duration::from_millis(1150), "{:?}", began.elapsed());
}

#[test]
fn account_is_asked_again_after_more_pauses_than_a_call_has_attempts() {
    let bench = Bench::new(1000);
    bench.write("list", list(2));
    bench
        .mock
        .script::<Search>((0..12).map(|_| Fault::new(FaultKind::TooManyRequests { retry_after: Some(0) })));
    let ran = bench.run_stored(&["batch", "list", "--jobs", "1", "--out", "out.jsonl"]);
    assert_eq!((ran.code, bench.spent()), (Some(0), 2 * PRICE), "{ran:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_an_error_and_the_paid_answer_is_not_lost() {
    let bench = Bench::new(1000);
    bench.write("list", "alice_1\n");
    std::os::unix::fs::symlink("/dev/full", bench.path("out.jsonl")).unwrap();
    let ran = bench.run_stored(&["batch", "list", "--out", "out.jsonl"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("out.jsonl cannot be written"), "{ran:?}");
    assert!(ran.err.contains("1  answers are in the store and not in the output"), "{ran:?}");
    let stored = bench.run_stored(&["search", "alice_1", "--stored-only"]);
    assert_eq!(stored.code, Some(0), "{stored:?}");
    let fresh = bench.run_stored(&["batch", "list", "--out", "out.jsonl", "--fresh"]);
    assert!(fresh.err.contains("--fresh pays again for answers that are only in the store"), "{fresh:?}");
    let next = |ran: &Ran, flags: &str| {
        let url = bench.server.url();
        let line = format!("next: tgscan {flags}--base-url {url} --store store batch list --out out.jsonl\n");
        assert!(ran.err.ends_with(&line), "{ran:?}");
    };
    next(&fresh, "");
    let old = bench.run_stored(&["batch", "list", "--out", "out.jsonl", "--max-age", "0s"]);
    assert!(old.err.contains("--max-age 0s pays again for answers that are only in the store"), "{old:?}");
    next(&old, "--max-age 7days ");
    for err in [&fresh.err, &old.err] {
        std::fs::remove_file(bench.path("out.jsonl")).unwrap();
        let pasted = bench.paste(err);
        assert_eq!((pasted.code, bench.spent()), (Some(0), 3 * PRICE), "{pasted:?}");
    }
}

fn batch(bench: &Bench) -> Command {
    bench.command(&[&STORE[..], &["batch", "list", "--out", "out.jsonl", "--jobs", "16"]].concat())
}

/// Waits until `rows` more rows are written.
fn wait_for_rows(bench: &Bench, child: &mut Child, rows: usize) {
    let path = bench.path("out.jsonl");
    let written = || std::fs::read_to_string(&path).map_or(0, |text| text.lines().count());
    let before = written();
    while written() < before + rows && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

#[test]
fn killed_batch_continues_and_pays_for_nothing_twice() {
    let bench = Bench::new(100_000);
    bench.write("list", list(600));
    for rows in [1, 17, 3, 40, 11, 64, 5] {
        let mut child = batch(&bench).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for_rows(&bench, &mut child, rows);
        child.kill().unwrap();
        child.wait().unwrap();
        bench.quiesce();
    }
    let last = Ran::of(batch(&bench).output().unwrap());
    assert!([Some(0), Some(6)].contains(&last.code), "{last:?}");
    let written = accounts(&bench.path("out.jsonl"));
    assert_eq!(written.iter().collect::<BTreeSet<_>>().len(), written.len(), "each once");
    // Calls in flight at a kill are uncertain, and were not sent again.
    let mut asked = BTreeSet::new();
    for request in bench.mock.requests().iter().filter(|request| request.charged > 0) {
        assert!(asked.insert(request.form.clone()), "paid for twice");
    }
    let resolved = bench.run_stored(&["store", "reconcile", "--late-charge", "0s"]);
    assert_eq!(resolved.code, Some(0), "{resolved:?}");
    let spent = bench.mock.account().spent;
    assert!(bench.run_stored(&["store", "bill"]).err.contains(&format!("{spent} credits in total")));
    assert!(Ran::of(batch(&bench).output().unwrap()).code == Some(0));
    assert_eq!(accounts(&bench.path("out.jsonl")).len(), 600);
    assert!(bench.mock.account().spent >= 600 * PRICE);
}

#[test]
fn interrupted_batch_ends_what_is_in_flight_and_prints_the_bill() {
    let bench = Bench::new(100_000);
    bench.write("list", list(5000));
    let mut child = batch(&bench).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_rows(&bench, &mut child, 20);
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let said: Vec<String> =
        BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("next: tgscan")), "{said:?}");
    assert!(said.iter().any(|line| line.ends_with("credits charged")), "{said:?}");
    let written = accounts(&bench.path("out.jsonl")).len() as u64;
    assert!(written < 5000);
    assert_eq!(bench.mock.account().spent, written * PRICE, "every call in flight ended, and was written");
    assert!(bench.run_stored(&["store", "uncertain"]).err.contains("nothing is uncertain"));
}

#[test]
fn rows_come_in_the_order_of_the_list_unless_asked_otherwise() {
    let bench = Bench::new(100_000);
    bench.write("list", list(60));
    let expected: Vec<String> = (0..60).map(|number| format!("name_{number}")).collect();
    // The first answers take longest.
    let late = |number: u64| Fault::new(FaultKind::SlowBody).after(Duration::from_millis(300 - 100 * number));
    bench.mock.script::<Search>((0..3).map(late));
    let ran = bench.run(&["batch", "list", "--out", "out.jsonl", "--jobs", "8"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(accounts(&bench.path("out.jsonl")), expected);
    bench.mock.script::<Search>((0..3).map(late));
    let ran = bench.run(&["batch", "list", "--out", "any.jsonl", "--jobs", "8", "--unordered"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut any = accounts(&bench.path("any.jsonl"));
    assert_ne!(any, expected);
    any.sort_by_key(|name| name[5..].parse::<u64>().unwrap());
    assert_eq!(any, expected);
}

#[test]
fn batch_checks_and_finds_similar_groups_too() {
    let bench = Bench::new(1000);
    bench.write("list", "alice_1\nbob_1\n77\n");
    let checked = bench.run(&["batch", "list", "--method", "check", "--csv"]);
    assert_eq!((checked.code, bench.spent()), (Some(0), 0), "{checked:?}");
    assert!(
        checked.out.starts_with("account,found,username,first_name,last_name,known_num_groups,"),
        "{checked:?}"
    );
    assert_eq!(checked.out.lines().count(), 4);
    assert!(checked.err.contains("3  answered"), "{checked:?}");
    let similar = bench.run(&["batch", "list", "--method", "similar", "--csv", "--limit", "1"]);
    assert!(similar.err.contains("line 3: this method takes usernames only"), "{similar:?}");
    assert!(
        similar.out.starts_with("account,found,group_username,group_title,num_users,group_link,"),
        "{similar:?}"
    );
    assert!(similar.out.lines().skip(1).all(|line| line.starts_with("alice_1,")), "{similar:?}");
}

#[test]
fn refresh_pays_only_where_the_number_of_known_groups_changed() {
    let bench = Bench::new(1000);
    bench.write("list", "alice_1\nbob_1\n");
    let batch = |out: &str, flags: &[&str]| {
        let ran = bench.run_stored(&[&["batch", "list", "--out", out, "--jobs", "1"], flags].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        charged(&ran.err)
    };
    assert_eq!(batch("a.jsonl", &[]), 2 * PRICE);
    assert_eq!(batch("b.jsonl", &["--refresh"]), 0, "nothing changed");
    let mut changed = UserCheckAnswer::default();
    changed.meta.known_num_groups = 12_345;
    let query = |name: &str| UserCheck { query: name.parse().unwrap() };
    bench.mock.expect(Expect::call(&query("bob_1")).then_answer(changed).repeated().at_least(0));
    bench.mock.expect(Expect::<UserCheck>::any().at_least(0));
    bench.expect(Expect::any().at_least(1));
    let plan = bench.run_stored(&["batch", "list", "--refresh", "--dry-run"]);
    for line in
        ["1  would be answered from the store\n", "1  would be searched\n", "2  credits at the highest"]
    {
        assert!(plan.out.contains(line), "{line}: {plan:?}");
    }
    assert_eq!(batch("c.jsonl", &["--refresh"]), PRICE, "bob_1 is in other groups now");
    assert_eq!(batch("d.jsonl", &["--fresh"]), 2 * PRICE);
    let alone = bench.run(&["batch", "list", "--refresh"]);
    assert!(alone.code == Some(2) && alone.err.contains("--refresh needs --store"), "{alone:?}");
}
