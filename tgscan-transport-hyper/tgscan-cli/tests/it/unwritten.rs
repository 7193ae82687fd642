//! Paid answers that the output does not take.

use std::fs::File;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use tgscan_mock::types::{Search, SearchAnswer};
use tgscan_mock::{Expect, Fault, FaultKind};

use crate::endings::slow;
use crate::support::{Bench, PRICE, Ran, STORE, list};

pub(crate) const ASIDE: &str = "tgscan.set-aside.jsonl";

/// Runs it with a standard output that its reader has closed. Not a pipe: its reader lives on in any process that another
/// test starts just now.
fn without_reader(bench: &Bench, arguments: &[&str]) -> Ran {
    let (stdout, reader) = UnixStream::pair().unwrap();
    reader.shutdown(Shutdown::Both).unwrap();
    Ran::of(bench.command(arguments).stdout(OwnedFd::from(stdout)).output().unwrap())
}

/// Runs it with a standard output on a full disk.
fn on_full_disk(bench: &Bench, arguments: &[&str]) -> Ran {
    let full = File::options().write(true).open("/dev/full").unwrap();
    Ran::of(bench.command(arguments).stdout(full).output().unwrap())
}

/// The accounts in a file of set-aside answers, each in a whole line.
pub(crate) fn set_aside(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is not whole: {text}");
    let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    text.lines().map(|text| line(text)["asked"].as_str().unwrap().to_owned()).collect()
}

fn mismatched() -> SearchAnswer {
    let mut answer = SearchAnswer::default();
    "another_name".clone_into(&mut answer.meta.search_query);
    answer.meta.op_cost = PRICE;
    answer
}

#[test]
fn answer_is_printed_directly_if_the_pager_fails() {
    let bench = Bench::new(100);
    for pager in ["no-such-pager", "/dev/null", "less --no-such-flag", " "] {
        let shown = Ran::on_terminal_with(&bench, 80, &["search", "alice_1"], &[("PAGER", pager)]);
        assert!(shown.contains("https://t.me/") && shown.contains("2 credits charged"), "{pager}: {shown}");
    }
}

#[test]
fn paid_answer_is_set_aside_if_the_output_fails() {
    let bench = Bench::new(100);
    for (number, format) in ["--json", "--raw", "--csv", "--quiet"].into_iter().enumerate() {
        let (closed, full) = (format!("closed_{number}"), format!("full_{number}"));
        let ran = without_reader(&bench, &["search", &closed, format]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.err.contains(&format!("the response is kept in {ASIDE}")), "{ran:?}");
        assert_eq!(ran.err.contains("2 credits charged"), format != "--quiet", "{ran:?}");
        let ran = on_full_disk(&bench, &["search", &full, format]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains("kept in") && ran.err.contains("the output cannot be written"), "{ran:?}");
        assert_eq!(set_aside(&bench.path(ASIDE)).split_off(2 * number), [closed, full]);
    }
    // Free, or in the store.
    std::fs::remove_file(bench.path(ASIDE)).unwrap();
    assert!(!without_reader(&bench, &["check", "alice_1", "--json"]).err.contains("kept"));
    let stored = [&STORE[..], &["search", "alice_1", "--json"]].concat();
    let ran = without_reader(&bench, &stored);
    assert!(ran.err.contains("the answer is in the store, and --stored-only prints it (free)"), "{ran:?}");
    assert!(!bench.path(ASIDE).exists());
    assert!(bench.run(&stored).err.contains("nothing charged"));
    // With this flag, a stored answer is never recent enough.
    let ran = without_reader(&bench, &[&stored[..], &["--max-age", "0s"]].concat());
    assert!(ran.err.contains("and --stored-only --max-age 7days prints it (free)"), "{ran:?}");
    let ran = bench.run(&[&stored[..], &["--stored-only", "--max-age", "7days"]].concat());
    assert!(ran.code == Some(0) && ran.err.contains("nothing charged"), "{ran:?}");
}

#[test]
fn exit_code_of_an_uncertain_call_or_a_wrong_answer_stays_without_a_reader() {
    let bench = Bench::new(100);
    bench.write("list", list(2));
    bench.mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    let ran = without_reader(&bench, &["batch", "list", "--jobs", "1"]);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    bench.expect(Expect::<Search>::any().then_answer(mismatched()));
    let ran = without_reader(&bench, &["search", "alice_1", "--json"]);
    assert_eq!(ran.code, Some(7), "{ran:?}");
}

#[test]
fn exit_code_and_remedy_of_the_store_stay_without_a_reader() {
    let bench = Bench::new(100);
    bench.mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    assert_eq!(bench.run_stored(&["search", "alice_1"]).code, Some(6));
    for format in [&[][..], &["--json"], &["--csv"]] {
        let uncertain = [&STORE[..], &["store", "uncertain"], format].concat();
        let ran = without_reader(&bench, &uncertain);
        assert!(ran.code == Some(6) && ran.err.contains("determines the cost"), "{ran:?}");
        assert_eq!(on_full_disk(&bench, &uncertain).code, Some(1));
    }
    bench.write("bad", "not an account\n");
    let plan = without_reader(&bench, &["batch", "bad", "--dry-run"]);
    assert_eq!(plan.code, Some(2), "{plan:?}");
}

#[test]
fn unreadable_answer_and_its_cost_are_reported_if_the_output_fails() {
    let bench = Bench::new(100);
    for run in [without_reader, on_full_disk] {
        bench.mock.script::<Search>([Fault::new(FaultKind::FieldMistyped {
            field: "/result/groups/0/title".into(),
        })]);
        let ran = run(&bench, &["search", "alice_1", "--raw"]);
        assert_eq!(ran.code, Some(7), "{ran:?}");
        for part in ["not as documented", "it cost 2 credits", ASIDE] {
            assert!(ran.err.contains(part), "{part}: {ran:?}");
        }
    }
    assert_eq!(set_aside(&bench.path(ASIDE)), ["alice_1", "alice_1"]);
    // Nothing can be written but standard error.
    std::fs::remove_file(bench.path(ASIDE)).unwrap();
    std::fs::create_dir(bench.path(ASIDE)).unwrap();
    let mut command = bench.command(&["search", "alice_1", "--json"]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ran = Ran::of(command.env("TMPDIR", "/nonexistent").stdout(full).output().unwrap());
    assert!(ran.err.contains("op_cost") && ran.err.contains("2 credits charged"), "{ran:?}");
}

#[test]
fn answers_set_aside_on_a_full_disk_continue_in_the_temporary_folder() {
    let bench = Bench::new(100);
    bench.write("list", list(8));
    std::fs::create_dir(bench.path("tmp")).unwrap();
    bench.expect(Expect::<Search>::any().then_answer(mismatched()).repeated());
    let batch = bench.command(&["batch", "list", "--out", "out.jsonl", "--jobs", "1"]);
    // As on a full disk, the last write to each file is cut off.
    let mut limited = Command::new("sh");
    limited.args(["-c", r#"ulimit -f 4; exec "$0" "$@""#]);
    limited.arg(batch.get_program()).args(batch.get_args());
    for (name, value) in batch.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited.env("TMPDIR", bench.path("tmp")).current_dir(bench.directory.path()).stdin(Stdio::null());
    let ran = Ran::of(limited.output().unwrap());
    let second = std::fs::read_dir(bench.path("tmp")).unwrap().next().unwrap().unwrap().path();
    let first = "out.jsonl.set-aside.jsonl";
    let both = format!("8 answers set aside in {first} and {}", second.display());
    assert!(ran.err.contains(&both), "{both}: {ran:?}");
    let (first, second) = (set_aside(&bench.path(first)), set_aside(&second));
    assert!(!first.is_empty() && !second.is_empty(), "{first:?} {second:?}");
    let names: Vec<String> = (0..8).map(|number| format!("name_{number}")).collect();
    assert_eq!([first, second].concat(), names);
}

#[test]
fn output_that_is_removed_during_a_run_ends_it_and_later_answers_are_set_aside() {
    for name in ["out.jsonl", "out.csv"] {
        let bench = slow();
        bench.write("list", list(500));
        let mut child = bench.command(&["batch", "list", "--out", name, "--jobs", "4"]).spawn().unwrap();
        let lines = || std::fs::read_to_string(bench.path(name)).unwrap_or_default().lines().count();
        while lines() < 3 && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        std::fs::rename(bench.path(name), bench.path("moved")).unwrap();
        bench.write(name, "of another program");
        let before = std::fs::read_to_string(bench.path("moved")).unwrap();
        std::fs::remove_file(bench.path("moved")).unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains("was removed or replaced during this run"), "{ran:?}");
        let aside = set_aside(&bench.path(&format!("{name}.set-aside.jsonl")));
        assert!(!aside.is_empty() && bench.spent() < 500 * PRICE, "{ran:?}");
        assert!(!aside.iter().any(|asked| before.contains(asked.as_str())));
        assert_eq!(std::fs::read_to_string(bench.path(name)).unwrap(), "of another program");
    }
}

#[test]
fn output_that_another_program_shortens_during_a_run_ends_it_and_later_answers_are_set_aside() {
    for name in ["out.jsonl", "out.csv"] {
        let bench = slow();
        bench.write("list", list(500));
        let mut child = bench.command(&["batch", "list", "--out", name, "--jobs", "4"]).spawn().unwrap();
        let lines = || std::fs::read_to_string(bench.path(name)).unwrap_or_default().lines().count();
        while lines() < 3 && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        bench.write(name, "");
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains("was changed by another program during this run"), "{ran:?}");
        let aside = set_aside(&bench.path(&format!("{name}.set-aside.jsonl")));
        assert!(!aside.is_empty() && bench.spent() < 500 * PRICE, "{ran:?}");
    }
}
