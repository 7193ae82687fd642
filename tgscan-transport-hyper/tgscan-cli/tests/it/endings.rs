//! Ways in which a run ends before its list does.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tgscan_mock::types::{Balance, Search};
use tgscan_mock::{Fault, FaultKind, Mock};

use crate::support::{Bench, PRICE, Ran, STORE, accounts, charged, list};

const SIGNALS: [(&str, i32); 3] = [("-INT", 130), ("-TERM", 143), ("-HUP", 129)];

pub(crate) fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// A mock whose answers take a while, so that calls are in flight at any time.
pub(crate) fn slow() -> Bench {
    slow_by(30)
}

fn slow_by(millis: u64) -> Bench {
    let mock = Mock::builder()
        .seed(11)
        .credits(100_000)
        .cost::<Search>(PRICE)
        .latency(Duration::from_millis(millis));
    Bench::with(mock.build().unwrap())
}

/// Waits until the mock has charged for this many searches.
pub(crate) fn wait_for(bench: &Bench, child: &mut Child, searches: u64) {
    while bench.mock.account().charged_calls < searches && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

#[test]
fn signals_end_a_batch_with_its_bill_and_it_continues_later() {
    for (name, code) in SIGNALS {
        for stored in [false, true] {
            let bench = slow();
            bench.write("list", list(500));
            let batch = ["batch", "list", "--out", "out.jsonl", "--jobs", "16"];
            let flags = if stored { &STORE[..] } else { &[] };
            let mut child = bench.command(&[flags, &batch].concat()).spawn().unwrap();
            wait_for(&bench, &mut child, 40);
            signal(&child, name);
            let ran = Ran::of(child.wait_with_output().unwrap());
            assert_eq!(ran.code, Some(code), "{ran:?}");
            assert!(ran.err.contains("stopped by a signal\nnext: tgscan"), "{ran:?}");
            let written = accounts(&bench.path("out.jsonl")).len() as u64;
            assert!((1..500).contains(&written), "{written}");
            assert_eq!(bench.spent(), written * PRICE, "all that was paid for is written: {ran:?}");
            assert_eq!(charged(&ran.err), bench.spent());
            if stored {
                assert!(bench.run_stored(&["store", "uncertain"]).err.contains("nothing is uncertain"));
            }
            let rest = bench.run(&[flags, &batch].concat());
            assert_eq!((rest.code, bench.spent()), (Some(0), 500 * PRICE), "{rest:?}");
        }
    }
}

#[test]
fn signal_that_was_ignored_before_does_not_end_a_batch() {
    for (name, (signal_name, code)) in [("HUP", SIGNALS[2]), ("INT", SIGNALS[0])] {
        let bench = slow();
        bench.write("list", list(60));
        let batch = bench.command(&["batch", "list", "--out", "out.jsonl", "--jobs", "2"]);
        // As `nohup` does it, and a shell for a command in the background.
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!(r#"trap '' {name}; exec "$0" "$@""#)]);
        shell
            .arg(env!("CARGO_BIN_EXE_tgscan"))
            .args(batch.get_args().skip_while(|word| *word != "--base-url"));
        shell.env("TGSCAN_API_KEY", Mock::LIVE_KEY).env("HOME", bench.path(""));
        shell.current_dir(bench.path("")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        wait_for(&bench, &mut child, 4);
        signal(&child, signal_name);
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!((ran.code, bench.spent()), (Some(0), 60 * PRICE), "instead of {code}: {ran:?}");
    }
}

#[test]
fn reader_that_goes_away_ends_a_batch_and_paid_answers_are_set_aside() {
    for stored in [false, true] {
        let bench = slow();
        bench.write("list", list(500));
        let batch = ["batch", "list", "--jobs", "8"];
        let flags = if stored { &STORE[..] } else { &[] };
        let mut child = bench.command(&[flags, &batch].concat()).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut row = String::new();
        reader.read_line(&mut row).unwrap();
        // What else was read is shown as well.
        let shown = 1 + String::from_utf8_lossy(reader.buffer()).matches('\n').count();
        drop(reader);
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{err}");
        let paid = bench.spent() / PRICE;
        assert!(paid < 100, "{paid}: {err}");
        assert_eq!(charged(&err), bench.spent());
        let count = if stored {
            let exported = bench.run_stored(&["store", "export"]).out;
            assert!(err.contains("answers are in the store and not in the output"), "{err}");
            exported.lines().filter(|line| line.contains(r#""state":"answered""#)).count() as u64
        } else {
            let aside = std::fs::read_to_string(bench.path("tgscan.set-aside.jsonl")).unwrap();
            assert!(err.contains("set aside in tgscan.set-aside.jsonl"), "{err}");
            assert!(err.contains("append them to FILE.set-aside.jsonl, and use --out FILE"), "{err}");
            // As the note says.
            std::fs::rename(bench.path("tgscan.set-aside.jsonl"), bench.path("o.jsonl.set-aside.jsonl"))
                .unwrap();
            let next = bench.run(&["batch", "list", "--out", "o.jsonl", "--dry-run"]);
            let recovered = format!("{}  more were set aside earlier", aside.lines().count());
            assert!(next.out.contains(&recovered), "{next:?}");
            // Rows that stood in the pipe when it was closed are lost with it.
            aside.lines().count() as u64 + shown as u64
        };
        assert!(count <= paid && count + 8 >= paid, "{count} of {paid}: {err}");
    }
}

#[test]
fn interrupt_while_all_jobs_wait_out_a_429_ends_immediately() {
    let bench = Bench::new(1000);
    bench.write("list", list(50));
    bench
        .mock
        .script::<Search>((0..8).map(|_| Fault::new(FaultKind::TooManyRequests { retry_after: Some(25) })));
    let mut child = bench
        .command(&[&STORE[..], &["batch", "list", "--out", "out.jsonl", "--jobs", "4"]].concat())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // Printed once the first 429 has come.
    let waiting = lines.find(|line| line.as_ref().unwrap().contains("rate limited: continuing in"));
    assert!(waiting.is_some());
    let began = Instant::now();
    signal(&child, "-INT");
    let err: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{err:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(err.iter().any(|line| line.ends_with("0  credits charged")), "{err:?}");
    assert!(bench.run_stored(&["store", "uncertain"]).err.contains("nothing is uncertain"));
    assert_eq!(bench.spent(), 0);
}

#[test]
fn second_interrupt_prints_the_bill() {
    let bench = Bench::new(1000);
    bench.write("list", list(50));
    bench.mock.script::<Search>([None, None, Some(Fault::new(FaultKind::Stall).charged())]);
    let mut child = bench
        .command(&[&STORE[..], &["batch", "list", "--out", "out.jsonl", "--jobs", "1"]].concat())
        .spawn()
        .unwrap();
    wait_for(&bench, &mut child, 3);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    signal(&child, "-INT");
    assert!(lines.any(|line| line.unwrap().contains("Ctrl-C again stops immediately")));
    signal(&child, "-INT");
    let err: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{err:?}");
    let has = |text: &str| err.iter().any(|line| line.contains(text));
    assert!(has("4  credits charged") && has("1  call may have been charged"), "{err:?}");
    bench.quiesce();
    let ran = bench.paste(&err.join("\n"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((bench.info("charged"), bench.spent()), ((2 * 50 + PRICE).to_string(), 2 * 50 + PRICE));
}

#[test]
fn interrupted_search_says_what_it_may_have_cost() {
    let bench = Bench::new(1000);
    bench.run_stored(&["search", "alice_1"]);
    bench.mock.script::<Search>([Fault::new(FaultKind::Stall).charged()]);
    let mut child = bench.command(&[&STORE[..], &["search", "bob_1"]].concat()).spawn().unwrap();
    wait_for(&bench, &mut child, 2);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    signal(&child, "-INT");
    assert!(lines.any(|line| line.unwrap().contains("may be charged, so this waits for its answer")));
    signal(&child, "-INT");
    let err: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{err:?}");
    assert!(err.iter().any(|line| line.contains("may have cost up to 2 credits")), "{err:?}");
    assert!(err.iter().any(|line| line.contains("tgscan store reconcile")), "{err:?}");
}

#[test]
fn signal_before_anything_was_sent_costs_nothing() {
    let bench = Bench::new(1000);
    // The pause after a 429.
    bench.mock.script::<Search>([Fault::new(FaultKind::TooManyRequests { retry_after: Some(25) })]);
    let child = bench.command(&["search", "bob_1"]).stderr(Stdio::piped()).spawn().unwrap();
    while bench.mock.requests().is_empty() {
        std::thread::yield_now();
    }
    while bench.server.requests_in_flight() > 0 {
        std::thread::yield_now();
    }
    signal(&child, "-TERM");
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(143), "{ran:?}");
    assert_eq!(bench.spent(), 0);
}

/// How a batch of 500 ends before its list does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Signal(&'static str),
    Kill,
    FullDisk,
    ReaderGone,
    EmptyBalance,
    WrongKey,
    TooManyRequests,
    ResetAfterCharge,
}

#[test]
fn batch_of_500_keeps_every_paid_answer_through_every_ending() {
    use Ending::*;
    let endings = [
        Signal("-INT"),
        Signal("-TERM"),
        Signal("-HUP"),
        Kill,
        FullDisk,
        ReaderGone,
        EmptyBalance,
        WrongKey,
        TooManyRequests,
        ResetAfterCharge,
    ];
    for ending in endings {
        let bench = slow_by(5);
        bench.write("list", list(500));
        match ending {
            EmptyBalance => bench.mock.set_credits(300),
            // It is withdrawn during the batch.
            WrongKey => {
                bench.mock.script::<Search>(
                    (0..500).map(|n| (n >= 60).then(|| Fault::new(FaultKind::ErrorEnvelope { status: 401 }))),
                );
            }
            TooManyRequests => bench.mock.script::<Search>((0..400).map(|n| {
                (n % 50 == 7).then(|| Fault::new(FaultKind::TooManyRequests { retry_after: Some(0) }))
            })),
            ResetAfterCharge => bench.mock.script::<Search>(
                (0..400).map(|n| (n % 50 == 7).then(|| Fault::new(FaultKind::Reset).charged())),
            ),
            _ => {}
        }
        let out = if ending == FullDisk { "/dev/full" } else { "out.jsonl" };
        std::os::unix::fs::symlink(out, bench.path("link.jsonl")).unwrap();
        let flags = if ending == ReaderGone { &[][..] } else { &["--out", "link.jsonl"] };
        let batch = [&STORE[..], &["batch", "list", "--jobs", "32"], flags].concat();
        let mut child = bench.command(&batch).spawn().unwrap();
        if let Signal(_) | Kill | ReaderGone = ending {
            wait_for(&bench, &mut child, 60);
        }
        match ending {
            Signal(name) => signal(&child, name),
            Kill => child.kill().unwrap(),
            ReaderGone => drop(child.stdout.take()),
            _ => {}
        }
        let ran = Ran::of(child.wait_with_output().unwrap());
        bench.quiesce();
        // Each paid answer is in the store, which writes it before the output has it; the rest is known to be uncertain.
        let exported = bench.run_stored(&["store", "export"]).out;
        let count = |state: &str| exported.lines().filter(|line| line.contains(state)).count() as u64;
        let (answered, unknown) = (count(r#""state":"answered""#), count(r#""state":"uncertain""#));
        let paid = bench.mock.account().charged_calls;
        assert!(answered <= paid && paid <= answered + unknown, "{ending:?}: {answered} {unknown} {paid}");
        if ending != Kill {
            assert_eq!(charged(&ran.err), answered * PRICE, "{ending:?}: {ran:?}");
        }
        if [EmptyBalance, FullDisk].contains(&ending) {
            bench.mock.set_credits(10_000);
            bench.run_stored(&["store", "purchase", "9999"]);
        }
        if ending == WrongKey {
            let source = "refuses the API key from the environment variable TGSCAN_API_KEY; replace it";
            assert!(ran.code == Some(3) && ran.err.contains(source), "{ran:?}");
            bench.mock.clear_script();
        }
        if ending == FullDisk {
            std::fs::remove_file(bench.path("link.jsonl")).unwrap();
        }
        // The command in the last line works as it is printed.
        match ending {
            TooManyRequests => assert_eq!(ran.code, Some(0), "{ran:?}"),
            Kill => {
                let reconciled = bench.run_stored(&["store", "reconcile", "--late-charge", "0s"]);
                assert_eq!(reconciled.code, Some(0), "{reconciled:?}");
                assert_eq!(bench.run(&batch).code, Some(0));
            }
            _ => {
                let next = bench.paste(&ran.err);
                assert_eq!(next.code, Some(0), "{ending:?}: {ran:?} {next:?}");
            }
        }
        if ending != ReaderGone {
            assert_eq!(accounts(&bench.path("link.jsonl")).len(), 500, "{ending:?}");
        }
        let bill = bench.run_stored(&["store", "bill"]).err;
        assert!(bill.contains(&format!("{} credits in total", bench.spent())), "{ending:?}: {bill}");
    }
}

#[test]
fn interrupt_before_the_first_search_ends_immediately() {
    let bench = Bench::new(1000);
    bench.write("list", list(50));
    bench.mock.script::<Balance>([Fault::new(FaultKind::Stall)]);
    let child =
        bench.command(&[&STORE[..], &["batch", "list", "--out", "out.jsonl"]].concat()).spawn().unwrap();
    while bench.mock.requests().is_empty() {
        std::thread::yield_now();
    }
    let began = Instant::now();
    signal(&child, "-INT");
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(ran.err.contains("nothing was charged") && began.elapsed() < Duration::from_secs(10), "{ran:?}");
}
