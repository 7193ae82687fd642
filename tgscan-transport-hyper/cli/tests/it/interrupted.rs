//! A batch that is killed or interrupted, and goes on.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::{Bench, PRICE, Ran, STORE, accounts, list};

fn batch(bench: &Bench) -> Command {
    bench.command(&[&STORE[..], &["batch", "list", "--out", "out.jsonl", "--jobs", "16"]].concat())
}

/// Waits until so many rows more than before are written.
fn wait_for_rows(bench: &Bench, child: &mut Child, rows: usize) {
    let path = bench.path("out.jsonl");
    let written = || std::fs::read_to_string(&path).map_or(0, |text| text.lines().count());
    let before = written();
    while written() < before + rows && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

#[test]
fn killed_batch_goes_on_and_nothing_is_paid_twice() {
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
    // What was in flight at a kill is uncertain, and was not sent again.
    let mut asked = BTreeSet::new();
    for request in bench.mock.requests().iter().filter(|request| request.charged > 0) {
        assert!(asked.insert(request.form.clone()), "paid for twice");
    }
    let settled = bench.run_stored(&["store", "reconcile", "--late-charge", "0s"]);
    assert_eq!(settled.code, Some(0), "{settled:?}");
    let spent = bench.mock.account().spent;
    assert!(bench.run_stored(&["store", "bill"]).err.contains(&format!("{spent} credits in all")));
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
    assert!(said.iter().any(|line| line.contains("goes on where this one stopped")), "{said:?}");
    assert!(said.iter().any(|line| line.ends_with("credits charged")), "{said:?}");
    let written = accounts(&bench.path("out.jsonl")).len() as u64;
    assert!(written < 5000);
    assert_eq!(bench.mock.account().spent, written * PRICE, "every call in flight ended, and was written");
    assert!(bench.run_stored(&["store", "uncertain"]).err.contains("nothing is uncertain"));
}
