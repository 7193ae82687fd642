//! Which handle verifies the expectations when it is dropped, and what a failing test prints.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use futures_executor::block_on;
use tgscan_mock::types::{Search, UserCheck};
use tgscan_mock::{Expect, FaultKind, Mock, MockServer, ServerOptions};

use crate::support::{answer, control, post};

fn expect_alice(mock: &Mock) {
    mock.expect(Expect::call(&Search { query: "alice".parse().unwrap() }));
}

fn expecting_alice() -> Mock {
    let mock = Mock::new();
    expect_alice(&mock);
    mock
}

fn ask_alice(mock: &Mock) {
    assert_eq!(answer(mock, &post("/search", Mock::LIVE_KEY, "query=alice")).status(), 200);
}

/// What dropping the handle says.
fn dropped(mock: Mock) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(mock))).err()?;
    panic.downcast_ref::<String>().cloned()
}

#[test]
fn handle_of_the_test_verifies_when_it_is_dropped_while_clones_exist() {
    let mock = expecting_alice();
    let (clone, client) = (mock.clone(), mock.client());
    let says = dropped(mock).unwrap();
    let missing =
        "`search` with `query=alice` is expected 1 time, and was called 0 times; there was no other request";
    assert!(says.contains(missing), "{says}");
    assert!(says.contains(&format!("(expected at {}:", file!())), "{says}");
    assert_eq!(dropped(clone), None, "it is no clone's to say it again");
    drop(client);

    let called = expecting_alice();
    ask_alice(&called);
    assert_eq!(dropped(called), None);
    // Seen, and so not said again.
    let verified = expecting_alice();
    verified.verify().unwrap_err();
    assert_eq!(dropped(verified), None);
}

#[test]
fn clone_that_a_task_drops_leaves_the_verdict_to_the_test() {
    let mock = expecting_alice();
    let clone = mock.clone();
    std::thread::spawn(move || drop(clone)).join().unwrap();
    let says = dropped(mock).unwrap();
    assert!(
        says.contains("-- --exact handles::clone_that_a_task_drops_leaves_the_verdict_to_the_test"),
        "{says}"
    );
}

#[test]
fn expectation_of_a_clone_that_a_task_keeps_is_verified_by_the_handle_of_the_test() {
    let mock = Mock::new();
    let clone = mock.clone();
    let (end, ended) = mpsc::channel::<()>();
    let (expected, is_expected) = mpsc::channel();
    let task = std::thread::spawn(move || {
        expect_alice(&clone);
        expected.send(()).unwrap();
        // Keeps the clone until the test is over.
        ended.recv().unwrap_err();
    });
    is_expected.recv().unwrap();
    assert!(
        mock.verify().unwrap_err().to_string().contains("`search` with `query=alice` is expected 1 time")
    );
    // Another expectation, so that it is not verified yet.
    expect_alice(&mock.clone());
    let says = dropped(mock).expect("the handle of the test verifies");
    assert_eq!(says.matches("`search` with `query=alice` is expected 1 time").count(), 2, "{says}");
    drop(end);
    task.join().unwrap();
}

#[test]
fn clone_with_an_expectation_leaves_the_verdict_to_the_test() {
    let mock = Mock::new();
    let clone = mock.clone();
    expect_alice(&clone);
    assert_eq!(dropped(clone), None, "the call may still come");
    ask_alice(&mock);
    assert_eq!(dropped(mock), None);
}

#[test]
fn clone_verifies_its_own_expectations_when_the_first_handle_is_gone() {
    let first = Mock::new();
    let (mock, other) = (first.clone(), first.clone());
    drop(first);
    expect_alice(&mock);
    assert_eq!(dropped(other), None);
    assert!(dropped(mock).is_some());
}

#[test]
fn first_handle_verifies_also_after_a_reset() {
    let mock = expecting_alice();
    mock.reset();
    assert_eq!(dropped(mock), None);
    let mock = Mock::new();
    mock.reset();
    expect_alice(&mock.clone());
    assert!(dropped(mock).is_some());
}

#[test]
fn mock_that_its_server_has_too_is_verified_on_the_test_thread() {
    let mock = expecting_alice();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    assert!(dropped(mock).is_some());
    drop(server);
}

/// A test in another language asks for the verdict itself.
#[test]
fn expectation_of_a_control_path_is_not_verified_by_dropping() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    let (_, verdict) = control(server.address(), "POST", "expectations", r#"[{"method": "search"}]"#);
    assert_eq!(verdict["satisfied"], false);
    ask_alice(&mock);
    ask_alice_in_vain(&mock);
    assert_eq!(dropped(mock), None);
    drop(server);
}

fn ask_alice_in_vain(mock: &Mock) {
    assert_eq!(answer(mock, &post("/search", Mock::LIVE_KEY, "query=alice")).status(), 400);
}

const CHILD: &str = "TGSCAN_MOCK_FAILING_TEST";

/// A command that runs only this test, in which it fails; `None` in that process.
fn failing(test: &str) -> Option<Command> {
    if std::env::var_os(CHILD).is_some() {
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("handles::{test}")])
        .env(CHILD, "1")
        .env("CARGO_PKG_NAME", "tgscan-mock");
    Some(command)
}

/// What it prints. It must end as a failed test does, and not by an abort.
fn printed(mut command: Command) -> String {
    let output = command.output().unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert_eq!(output.status.code(), Some(101), "{printed}");
    assert!(printed.contains("1 failed"), "{printed}");
    printed
}

#[test]
fn failing_test_shows_which_call_was_not_as_expected() {
    let Some(command) = failing("failing_test_shows_which_call_was_not_as_expected") else {
        let mock = expecting_alice();
        let clone = mock.clone();
        let _other = clone.clone();
        // The error has no query in it, and the test fails here.
        block_on(mock.client().search("bobby")).unwrap();
        return;
    };
    let printed = printed(command);
    for says in [
        "tgscan-mock: while the test failed, the mock's expectations were not met:",
        "- `search` with `query=alice` is expected 1 time, and was called 0 times; the query differs: the nearest \
         request was live `search` with `query=bobby`",
        "- unexpected request: live `search` with `query=bobby`",
        "to run it again: cargo test -p tgscan-mock -- --exact handles::failing_test_shows",
    ] {
        assert!(printed.contains(says), "{says}: {printed}");
    }
    assert_eq!(printed.matches("expectations were not met").count(), 1, "{printed}");
}

#[test]
fn failing_test_does_not_repeat_what_it_has_verified() {
    let Some(command) = failing("failing_test_does_not_repeat_what_it_has_verified") else {
        expecting_alice().verify().unwrap();
        return;
    };
    let printed = printed(command);
    assert_eq!(printed.matches("expectations were not met").count(), 1, "{printed}");
}

#[test]
fn failing_test_shows_script_steps_that_are_left() {
    let Some(command) = failing("failing_test_shows_script_steps_that_are_left") else {
        let mock = Mock::new();
        mock.script::<UserCheck>([FaultKind::Close]);
        panic!("the fault did not come");
    };
    let printed = printed(command);
    assert!(printed.contains("tgscan-mock: 1 script step met no request"), "{printed}");
}

/// A second panic while a test fails would abort it.
#[cfg(target_os = "linux")]
#[test]
fn failing_test_ends_as_usual_where_stderr_cannot_be_written_to() {
    let Some(mut command) = failing("failing_test_ends_as_usual_where_stderr_cannot_be_written_to") else {
        let _mock = expecting_alice();
        panic!("the test fails");
    };
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = command.arg("--nocapture").stdout(Stdio::null()).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(101), "{status}");
}
