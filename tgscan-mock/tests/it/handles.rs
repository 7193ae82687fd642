//! Which handle verifies the expectations when it is dropped, and the output of a failing test.

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

/// Drops a handle and returns its panic message.
fn dropped(mock: Mock) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(mock))).err()?;
    panic.downcast_ref::<String>().cloned()
}

#[test]
fn the_built_handle_verifies_when_dropped_despite_clones() {
    let mock = expecting_alice();
    let (clone, client) = (mock.clone(), mock.client());
    let says = dropped(mock).unwrap();
    let missing =
        "`search` with `query=alice` is expected 1 time, and was called 0 times; there was no other request";
    assert!(says.contains(missing), "{says}");
    assert!(says.contains(&format!("(expected at {}:", file!())), "{says}");
    assert_eq!(dropped(clone), None, "the clone does not repeat it");
    drop(client);

    let called = expecting_alice();
    ask_alice(&called);
    assert_eq!(dropped(called), None);
    // Verified, so it is not repeated.
    let verified = expecting_alice();
    verified.verify().unwrap_err();
    assert_eq!(dropped(verified), None);
}

#[test]
fn a_clone_dropped_by_a_task_does_not_verify() {
    let mock = expecting_alice();
    let clone = mock.clone();
    std::thread::spawn(move || drop(clone)).join().unwrap();
    let says = dropped(mock).unwrap();
    assert!(says.contains("is expected 1 time, and was called 0 times"), "{says}");
}

#[test]
fn the_built_handle_verifies_expectations_of_a_clone() {
    let mock = Mock::new();
    let clone = mock.clone();
    let (end, ended) = mpsc::channel::<()>();
    let (expected, is_expected) = mpsc::channel();
    let task = std::thread::spawn(move || {
        expect_alice(&clone);
        expected.send(()).unwrap();
        // Keeps the clone until the end of the test.
        ended.recv().unwrap_err();
    });
    is_expected.recv().unwrap();
    assert!(
        mock.verify().unwrap_err().to_string().contains("`search` with `query=alice` is expected 1 time")
    );
    // Another expectation, which is not verified yet.
    expect_alice(&mock.clone());
    let says = dropped(mock).expect("the built handle verifies");
    assert_eq!(says.matches("`search` with `query=alice` is expected 1 time").count(), 2, "{says}");
    drop(end);
    task.join().unwrap();
}

#[test]
fn a_dropped_clone_with_an_expectation_does_not_verify() {
    let mock = Mock::new();
    let clone = mock.clone();
    expect_alice(&clone);
    assert_eq!(dropped(clone), None, "the call may still come");
    ask_alice(&mock);
    assert_eq!(dropped(mock), None);
}

#[test]
fn a_clone_verifies_expectations_added_after_the_built_handle_was_dropped() {
    let first = Mock::new();
    let (mock, other) = (first.clone(), first.clone());
    drop(first);
    mock.reset();
    expect_alice(&mock);
    assert_eq!(dropped(other), None);
    assert!(dropped(mock).is_some());
}

#[test]
fn clones_without_the_built_handle_verify_their_own_expectations() {
    let first = Mock::new();
    let (one, other) = (first.clone(), first.clone());
    drop(first);
    expect_alice(&one);
    other.expect(Expect::<UserCheck>::any().then_default().then_default());
    ask_alice(&one);
    assert_eq!(dropped(one), None, "the calls of the other may still come");
    let says = dropped(other).expect("the other verifies");
    assert!(says.contains("`user_check` with any query is expected 2 times"), "{says}");
    let first = Mock::new();
    let (one, other) = (first.clone(), first.clone());
    drop(first);
    expect_alice(&one);
    other.expect(Expect::<UserCheck>::any().at_most(1));
    let says = dropped(one).expect("it verifies, although the other handle remains");
    assert!(says.contains("`search` with `query=alice` is expected 1 time"), "{says}");
    assert_eq!(dropped(other), None);
}

#[test]
fn names_the_test_that_added_the_expectation() {
    let mock = expecting_alice();
    let verify = move || mock.verify().unwrap_err().to_string();
    let says = std::thread::Builder::new().name("worker".into()).spawn(verify).unwrap().join().unwrap();
    assert!(says.ends_with(" -- --exact handles::names_the_test_that_added_the_expectation"), "{says}");
    // A thread of a runtime has no test's name.
    let verify = || {
        let mock = expecting_alice();
        mock.verify().unwrap_err().to_string()
    };
    let says =
        std::thread::Builder::new().name("tokio-rt-worker".into()).spawn(verify).unwrap().join().unwrap();
    assert!(!says.contains("--exact"), "{says}");
}

#[test]
fn the_built_handle_verifies_after_a_reset_too() {
    let mock = expecting_alice();
    mock.reset();
    assert_eq!(dropped(mock), None);
    let mock = Mock::new();
    mock.reset();
    expect_alice(&mock.clone());
    assert!(dropped(mock).is_some());
}

#[test]
fn a_mock_with_a_server_is_verified_on_the_test_thread() {
    let mock = expecting_alice();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    assert!(dropped(mock).is_some());
    drop(server);
}

/// A test in another language requests the report.
#[test]
fn an_expectation_of_a_control_path_is_not_verified_on_drop() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    let (_, result) = control(server.address(), "POST", "expectations", r#"[{"method": "search"}]"#);
    assert_eq!(result["satisfied"], false);
    ask_alice(&mock);
    expect_alice_to_fail(&mock);
    assert_eq!(dropped(mock), None);
    drop(server);
}

fn expect_alice_to_fail(mock: &Mock) {
    assert_eq!(answer(mock, &post("/search", Mock::LIVE_KEY, "query=alice")).status(), 400);
}

const CHILD: &str = "TGSCAN_MOCK_FAILING_TEST";

/// Returns a command that runs only this test, in which it fails, or `None` in that process.
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

/// Returns the output of a test, which must fail normally and not abort.
fn printed(mut command: Command) -> String {
    let output = command.output().unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert_eq!(output.status.code(), Some(101), "{printed}");
    assert!(printed.contains("1 failed"), "{printed}");
    printed
}

#[test]
fn failing_test_shows_the_unexpected_call() {
    let Some(command) = failing("failing_test_shows_the_unexpected_call") else {
        let mock = expecting_alice();
        let clone = mock.clone();
        let _other = clone.clone();
        // The error contains no query, and the test fails here.
        block_on(mock.client().search("bobby")).unwrap();
        return;
    };
    let printed = printed(command);
    for says in [
        "tgscan-mock: while the test failed, the mock's expectations were not met:",
        "- `search` with `query=alice` is expected 1 time, and was called 0 times; the query differs: the nearest \
         request was live `search` with `query=bobby`",
        "- unexpected request: live `search` with `query=bobby`",
    ] {
        assert!(printed.contains(says), "{says}: {printed}");
    }
    assert_eq!(printed.matches("expectations were not met").count(), 1, "{printed}");
}

#[test]
fn failing_test_does_not_repeat_a_verified_report() {
    let Some(command) = failing("failing_test_does_not_repeat_a_verified_report") else {
        expecting_alice().verify().unwrap();
        return;
    };
    let printed = printed(command);
    assert_eq!(printed.matches("expectations were not met").count(), 1, "{printed}");
}

#[test]
fn failing_test_shows_unused_script_steps() {
    let Some(command) = failing("failing_test_shows_unused_script_steps") else {
        let mock = Mock::new();
        mock.script::<UserCheck>([FaultKind::Close]);
        panic!("the fault did not come");
    };
    let printed = printed(command);
    assert!(printed.contains("tgscan-mock: 1 script step unused"), "{printed}");
}

/// A second panic in a failing test would abort it.
#[cfg(target_os = "linux")]
#[test]
fn failing_test_ends_normally_if_stderr_is_full() {
    let Some(mut command) = failing("failing_test_ends_normally_if_stderr_is_full") else {
        let _mock = expecting_alice();
        panic!("the test fails");
    };
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = command.arg("--nocapture").stdout(Stdio::null()).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(101), "{status}");
}

#[test]
fn balance_is_granted_less_spent_at_the_limits_too() {
    let mock = Mock::builder().credits(i64::MAX).build().unwrap();
    answer(&mock, &post("/search", Mock::LIVE_KEY, "query=alice"));
    for credits in [i64::MIN, 5, i64::MAX, 0] {
        mock.set_credits(credits);
        let account = mock.account();
        assert_eq!(account.granted.checked_sub_unsigned(account.spent), Some(account.credits));
    }
    mock.set_credits(5);
    assert_eq!((mock.account().credits, mock.account().granted), (5, 6));
}
