//! The content of the disk when a program ends.

use std::process::{Command, Stdio};

use tgscan_mock::Expect;
use tgscan_mock::types::{Search, SearchAnswer};

use crate::endings::{signal, wait_for};
use crate::support::{Bench, PRICE, Ran, list};

/// The program under strace, which records writes and waits for the disk. The process has the program's id.
fn traced(bench: &Bench, arguments: &[&str]) -> Command {
    let command = bench.command(arguments);
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-y", "-s", "0", "-o", "trace", "-e", "trace=write,fsync,fdatasync,exit_group"]);
    strace.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace.current_dir(bench.directory.path()).stdin(Stdio::null()).stdout(Stdio::piped());
    strace.stderr(Stdio::piped());
    strace
}

/// Fails unless each write to this file came before a wait for the disk, and that before the last text on standard error.
fn assert_synced(bench: &Bench, name: &str) {
    let trace = loop {
        // strace ends after the program.
        let trace = std::fs::read_to_string(bench.path("trace")).unwrap();
        if trace.lines().any(|line| line.contains("exit_group(")) && trace.ends_with('\n') {
            break trace;
        }
        std::thread::yield_now();
    };
    let file = format!("/{name}>");
    let last = |text: &[&str]| {
        trace.lines().enumerate().filter(|(_, line)| text.iter().all(|part| line.contains(part))).last()
    };
    let (written, _) = last(&["write(", &file]).unwrap_or_else(|| panic!("nothing is written: {trace}"));
    let (synced, _) = last(&["fsync(", &file]).unwrap_or_else(|| panic!("no wait for the disk: {trace}"));
    let folder = format!("{}>", bench.directory.path().canonicalize().unwrap().display());
    let (named, _) = last(&["fsync(", &folder]).unwrap_or_else(|| panic!("the name may be lost: {trace}"));
    let (reported, _) = last(&["write(2<"]).unwrap();
    let order = [written, synced, named, reported];
    assert!(order.is_sorted(), "{order:?}: {trace}");
}

#[test]
#[ignore = "needs strace"]
fn rows_in_a_file_are_on_the_disk_before_the_bill() {
    let bench = Bench::new(1000);
    bench.write("list", list(20));
    for name in ["out.jsonl", "out.csv"] {
        let ran = Ran::of(traced(&bench, &["batch", "list", "--out", name]).output().unwrap());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_synced(&bench, name);
        std::fs::remove_file(bench.path("trace")).unwrap();
    }
}

#[test]
#[ignore = "needs strace"]
fn rows_in_a_file_are_on_the_disk_before_a_signal_ends_the_batch() {
    let mock = tgscan_mock::Mock::builder().credits(1000).latency(std::time::Duration::from_millis(50));
    let bench = Bench::with(mock.cost::<Search>(PRICE).build().unwrap());
    bench.write("list", list(200));
    let mut child = traced(&bench, &["batch", "list", "--out", "out.jsonl", "--jobs", "2"]).spawn().unwrap();
    wait_for(&bench, &mut child, 4);
    signal(&child, "-TERM");
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(143), "{ran:?}");
    assert_synced(&bench, "out.jsonl");
}

#[test]
#[ignore = "needs strace"]
fn answers_that_are_set_aside_are_on_the_disk_before_the_bill() {
    let bench = Bench::new(1000);
    bench.write("list", list(5));
    let mut answer = SearchAnswer::default();
    "another_name".clone_into(&mut answer.meta.search_query);
    answer.meta.op_cost = PRICE;
    bench.expect(Expect::<Search>::any().then_answer(answer).repeated());
    let ran = Ran::of(traced(&bench, &["batch", "list", "--out", "out.jsonl"]).output().unwrap());
    assert!(ran.err.contains("5 answers set aside"), "{ran:?}");
    assert_synced(&bench, "out.jsonl.set-aside.jsonl");
    std::fs::remove_file(bench.path("trace")).unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ran = Ran::of(traced(&bench, &["search", "alice_1", "--json"]).stdout(full).output().unwrap());
    assert!(ran.err.contains("kept in tgscan.set-aside.jsonl"), "{ran:?}");
    assert_synced(&bench, "tgscan.set-aside.jsonl");
}
