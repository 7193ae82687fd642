//! Outputs whose readers stop reading, without closing them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tgscan_mock::Expect;
use tgscan_mock::types::{Search, SearchAnswer, SearchGroup};

use crate::endings::{signal, wait_for};
use crate::support::{Bench, PRICE, Ran, STORE, canned, charged, list, on_terminal};
use crate::unwritten::{ASIDE, set_aside};

/// The time after which a program that should have ended is killed.
const LONGEST: Duration = Duration::from_secs(50);

/// The number of answers that may wait to be written, for 4 jobs without a store.
const WAITING: u64 = 8;

/// Returns the result of a program. Kills it if it does not end in time. Reads the standard output only if it was not taken.
fn ended(child: Child) -> Ran {
    let id = child.id().to_string();
    let (done, wait) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if wait.recv_timeout(LONGEST) == Err(mpsc::RecvTimeoutError::Timeout) {
            Command::new("kill").args(["-KILL", &id]).status().unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    watchdog.join().unwrap();
    Ran::of(output)
}

/// A bench whose answers fill a pipe.
fn with_large_answers() -> Bench {
    let bench = Bench::new(1000);
    bench.write("list", list(50));
    let mut answer = SearchAnswer::default();
    answer.groups = (1..2000).map(|id| SearchGroup::new(-id, "x".repeat(100))).collect();
    answer.meta.op_cost = PRICE;
    (answer.meta.num_groups, answer.meta.known_num_groups) = (1999, 1999);
    bench.expect(Expect::<Search>::any().then_answer(answer).repeated());
    bench
}

fn names(count: u64) -> Vec<String> {
    (0..count).map(|number| format!("name_{number}")).collect()
}

#[test]
fn batch_whose_reader_stalls_ends_at_a_signal_and_sets_answers_aside() {
    for (name, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let bench = with_large_answers();
        let mut child = bench.command(&["batch", "list", "--jobs", "4"]).spawn().unwrap();
        let stdout = child.stdout.take();
        wait_for(&bench, &mut child, WAITING);
        signal(&child, name);
        let ran = ended(child);
        drop(stdout);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert_eq!(set_aside(&bench.path(ASIDE)), names(WAITING), "{ran:?}");
        assert_eq!((charged(&ran.err), bench.spent()), (WAITING * PRICE, WAITING * PRICE), "{ran:?}");
        for part in
            ["its reader does not read", "8 answers set aside in", "stopped by a signal\nnext: tgscan"]
        {
            assert!(ran.err.contains(part), "{part}: {ran:?}");
        }
    }
}

#[test]
fn batch_with_a_store_whose_reader_stalls_keeps_answers_there() {
    let bench = with_large_answers();
    let mut child = bench.command(&[&STORE[..], &["batch", "list", "--jobs", "4"]].concat()).spawn().unwrap();
    let stdout = child.stdout.take();
    wait_for(&bench, &mut child, 50);
    signal(&child, "-TERM");
    let ran = ended(child);
    drop(stdout);
    assert_eq!(ran.code, Some(143), "{ran:?}");
    assert!(!bench.path(ASIDE).exists());
    assert!(ran.err.contains("50  answers are in the store and not in the output"), "{ran:?}");
    assert!(bench.run_stored(&["store", "uncertain"]).err.contains("nothing is uncertain"));
}

#[test]
fn second_signal_ends_a_stalled_batch_without_losing_an_answer() {
    let bench = with_large_answers();
    let mut child = bench.command(&["batch", "list", "--jobs", "4", "--unordered"]).spawn().unwrap();
    let stdout = child.stdout.take();
    wait_for(&bench, &mut child, WAITING);
    signal(&child, "-INT");
    signal(&child, "-TERM");
    let ran = ended(child);
    drop(stdout);
    let unknown = ran.err.lines().find_map(|line| line.strip_suffix(" may have been charged"));
    let unknown: u64 = unknown.map_or(0, |line| line.split_whitespace().next().unwrap().parse().unwrap());
    let kept = set_aside(&bench.path(ASIDE)).len() as u64;
    assert_eq!(charged(&ran.err), kept * PRICE, "{ran:?}");
    assert_eq!(kept + unknown, bench.spent() / PRICE, "{ran:?}");
}

#[test]
fn reader_that_continues_after_a_signal_gets_the_rows() {
    let bench = with_large_answers();
    let mut child = bench.command(&["batch", "list", "--jobs", "4"]).spawn().unwrap();
    wait_for(&bench, &mut child, WAITING);
    signal(&child, "-INT");
    let ran = ended(child);
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert_eq!(ran.out.lines().count() as u64 * PRICE, bench.spent(), "{ran:?}");
    assert!(!bench.path(ASIDE).exists());
}

#[test]
fn batch_ends_at_a_signal_if_standard_output_and_error_are_one_stalled_pipe() {
    let bench = with_large_answers();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = bench.command(&["batch", "list", "--jobs", "4"]);
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    wait_for(&bench, &mut child, WAITING);
    signal(&child, "-INT");
    let ran = ended(child);
    drop(reader);
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert_eq!(set_aside(&bench.path(ASIDE)), names(WAITING));
    assert_eq!(bench.spent(), WAITING * PRICE);
}

/// Creates a named pipe, and opens both of its ends, so that opening one of them never waits.
fn fifo(bench: &Bench, name: &str) -> File {
    let path = bench.path(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success(), "mkfifo");
    File::options().read(true).write(true).open(path).unwrap()
}

#[test]
fn batch_into_a_stalled_named_pipe_ends_at_a_signal() {
    let bench = with_large_answers();
    let reader = fifo(&bench, "out.jsonl");
    let mut child = bench.command(&["batch", "list", "--jobs", "4", "--out", "out.jsonl"]).spawn().unwrap();
    wait_for(&bench, &mut child, WAITING);
    signal(&child, "-TERM");
    let ran = ended(child);
    drop(reader);
    assert_eq!(ran.code, Some(143), "{ran:?}");
    assert_eq!(set_aside(&bench.path("out.jsonl.set-aside.jsonl")), names(WAITING), "{ran:?}");
    assert_eq!(bench.spent(), WAITING * PRICE);
}

#[test]
fn batch_into_a_named_pipe_ends_when_its_reader_goes_away() {
    let bench = with_large_answers();
    let both = fifo(&bench, "out.jsonl");
    let mut reader = BufReader::new(File::open(bench.path("out.jsonl")).unwrap());
    let child = bench.command(&["batch", "list", "--jobs", "1", "--out", "out.jsonl"]).spawn().unwrap();
    let mut row = String::new();
    reader.read_line(&mut row).unwrap();
    drop((both, reader));
    let ran = ended(child);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("--out out.jsonl cannot be written"), "{ran:?}");
    let kept = set_aside(&bench.path("out.jsonl.set-aside.jsonl")).len() as u64;
    assert!(kept > 0 && bench.spent() < 50 * PRICE, "{ran:?}");
    // Rows that the pipe had taken are lost with it.
    assert!(kept + 2 >= bench.spent() / PRICE, "{kept}: {ran:?}");
}

#[test]
fn search_whose_reader_stalls_ends_at_a_signal_and_sets_its_answer_aside() {
    for (number, format) in [&["--json"][..], &["--raw"], &["--csv"], &[]].into_iter().enumerate() {
        let bench = with_large_answers();
        let asked = format!("name_{number}");
        let mut child = bench.command(&[&["search", &asked], format].concat()).spawn().unwrap();
        let stdout = child.stdout.take();
        wait_for(&bench, &mut child, 1);
        signal(&child, "-TERM");
        let ran = ended(child);
        drop(stdout);
        assert_eq!(ran.code, Some(143), "{format:?} {ran:?}");
        assert_eq!(set_aside(&bench.path(ASIDE)), [asked], "{ran:?}");
        assert!(ran.err.contains(&format!("the response is kept in {ASIDE}")), "{ran:?}");
    }
}

#[test]
fn stored_answer_whose_reader_stalls_is_not_set_aside() {
    let bench = with_large_answers();
    let mut child = bench.command(&[&STORE[..], &["search", "alice_1", "--json"]].concat()).spawn().unwrap();
    let stdout = child.stdout.take();
    wait_for(&bench, &mut child, 1);
    signal(&child, "-INT");
    let ran = ended(child);
    drop(stdout);
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(ran.err.contains("the answer is in the store") && !bench.path(ASIDE).exists(), "{ran:?}");
}

#[test]
fn unreadable_answer_whose_reader_stalls_is_set_aside() {
    let bench = Bench::new(1000);
    let url = canned(format!(r#"{{"status":"ok","result":{{"groups":"{}"}}}}"#, "x".repeat(200_000)));
    let mut child = bench.elsewhere(&["--base-url", &url, "search", "alice_1", "--raw"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // The response is being printed, and does not fit the pipe.
    stdout.read_exact(&mut [0]).unwrap();
    signal(&child, "-TERM");
    let ran = ended(child);
    drop(stdout);
    assert_eq!(ran.code, Some(143), "{ran:?}");
    assert_eq!(set_aside(&bench.path(ASIDE)), ["alice_1"], "{ran:?}");
    assert!(ran.err.contains("its reader does not read"), "{ran:?}");
}

#[test]
fn export_whose_reader_stalls_ends_at_a_signal() {
    use std::os::unix::process::ExitStatusExt;
    let bench = with_large_answers();
    bench.run_stored(&["search", "alice_1"]);
    let mut child = bench.command(&[&STORE[..], &["store", "export"]].concat()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // The first line has begun, and does not fit the pipe.
    stdout.read_exact(&mut [0]).unwrap();
    signal(&child, "-TERM");
    let status = child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (None, Some(15)));
}

/// Runs a search on a terminal with this pager.
fn paged(bench: &Bench, pager: &str) -> (Option<i32>, String) {
    let mut script = on_terminal(bench, 80, &["search", "alice_1"]);
    script.env("TGSCAN_PAGER", pager).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ran = ended(script.spawn().unwrap());
    (ran.code, ran.out)
}

#[test]
fn pager_that_stalls_ends_at_a_signal_to_terminate_and_ctrl_c_is_left_to_it() {
    let bench = with_large_answers();
    // The shell's parent is the program.
    let (code, shown) = paged(&bench, "kill -TERM $PPID; exec tail -f /dev/null");
    assert_eq!(code, Some(143), "{shown}");
    assert_eq!(set_aside(&bench.path(ASIDE)), ["alice_1"], "{shown}");
    let (code, shown) = paged(&bench, "kill -INT $PPID; exec wc -c");
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("2 credits charged") && !shown.contains("kept"), "{shown}");
}
