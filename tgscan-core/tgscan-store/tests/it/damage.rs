//! Damaged files: right answers or errors, no panic, and nothing is paid for twice.
#![expect(clippy::print_stdout, reason = "how a process reports to its parent")]

use std::fmt::Display;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use futures_executor::block_on;
use futures_util::FutureExt;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response};
use tgscan_core::store::{
    Account, AccountName, CallState, Question, Row as _, Selection, Store, StoreError, StorePolicy,
};
use tgscan_core::{Api, ApiKey, Budget, Client, Period, Reserve, TransportError, transport_fn};
use tgscan_mock::VirtualTimer;
use tgscan_store::{Clock, FileStore};

use crate::support::memory_directory;

/// The number of corruptions; a long run has 1,000.
pub(crate) const COUNT: &str = "TGSCAN_CORRUPTIONS";
/// Set for the process that opens the damaged files.
const INSIDE: &str = "TGSCAN_TEST_DAMAGE";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The questions of the first account, by their outcome.
pub(crate) const ANSWERED: u64 = 60;
const UNCERTAIN: u64 = 5;
pub(crate) const PAGE: usize = 4096;

#[test]
fn corrupted_file_gives_right_answers_or_errors_and_no_panic() {
    if std::env::var_os(INSIDE).is_some() {
        return corrupt_all();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "damage::corrupted_file_gives_right_answers_or_errors_and_no_panic",
        "--nocapture",
    ]);
    let output = command.env(INSIDE, "yes").env("RUST_BACKTRACE", "0").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Also one that the store catches is reported there.
    assert!(output.status.success() && !err.contains("panicked"), "{out}\n{err}");
    let counts = out.lines().find_map(|line| line.strip_prefix("corrupted: ")).unwrap();
    println!("{counts}");
}

fn corrupt_all() {
    let count = std::env::var(COUNT).map_or(150, |count| count.parse().unwrap());
    let (directory, mut rng) = (memory_directory(), Rng::with_seed(32));
    let files = [file(directory.path(), true), file(directory.path(), false)];
    let (mut refused, mut failed, mut unharmed) = (0, 0, 0);
    for number in 0..count {
        let (bytes, expected) = &files[number % 2];
        let mut bytes = bytes.clone();
        let what = damage(&mut bytes, &mut rng);
        let path = directory.path().join(format!("damaged_{number}"));
        std::fs::write(&path, &bytes).unwrap();
        match use_all(&path, expected, number) {
            Seen::Refused => refused += 1,
            Seen::Failed => failed += 1,
            Seen::Unharmed => unharmed += 1,
            Seen::Wrong(problem) => panic!("corruption {number}, {what}: {problem}"),
        }
        std::fs::remove_file(&path).unwrap();
    }
    println!("\ncorrupted: {count}: {refused} refused, {failed} with errors, {unharmed} unharmed");
    assert!(refused > 0 && failed > 0 && unharmed > 0);
}

fn clock() -> Clock {
    Clock::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

pub(crate) fn open(path: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(FileStore::open_with_clock(path, clock())?))
}

pub(crate) fn account(store: &Arc<dyn Store>, label: &str) -> Account {
    Account::new(store.clone(), AccountName::new(label, "mock"))
}

/// A client whose searches are answered, or end as their names say. Counts them.
fn client(store: &Arc<dyn Store>, label: &str) -> (Client, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let transport = transport_fn(move |request: Request<Bytes>| {
        counter.fetch_add(1, Relaxed);
        let form = String::from_utf8(request.body().to_vec()).unwrap();
        let name = form.strip_prefix("query=").unwrap().to_owned();
        async move {
            if name.starts_with("pending") {
                std::future::pending::<()>().await;
            }
            if name.starts_with("lost") {
                return Err(TransportError::new("the connection was closed"));
            }
            Ok(Response::new(Bytes::from(body(&name))))
        }
    });
    let client = Client::new(
        Api::new(ApiKey::live("k3y").unwrap()).with_service("mock"),
        transport,
        VirtualTimer::new(),
    )
    .with_store(store.clone(), StorePolicy::new(label, 7 * DAY, 30 * DAY))
    .with_budget(Budget::new("team", 10_000, Period::Total, Reserve::PerCall(2)));
    (client, sent)
}

/// The answer about a name.
pub(crate) fn body(name: &str) -> String {
    let long = "x".repeat(name.len() * name.len() * 40 % 9000);
    format!(
        r#"{{"status":"ok","result":{{"user":{{"id":7,"first_name":"{long}"}},"meta":{{"search_query":"{name}","known_num_groups":0,"num_groups":0,"op_cost":2}}}}}}"#
    )
}

pub(crate) fn answered(number: u64) -> String {
    format!("answered_{}{number}", "a".repeat(usize::try_from(number % 20).unwrap()))
}

/// Everything that a store returns, in comparable form.
pub(crate) type Contents = Vec<(String, Vec<u8>)>;

/// A file with answers, uncertain calls, a call in flight and budgets, and its contents. Closed, or as a process leaves it
/// that is killed.
pub(crate) fn file(directory: &Path, is_closed: bool) -> (Vec<u8>, Contents) {
    let path = directory.join("whole");
    let store = open(&path).unwrap();
    let (main, _) = client(&store, "main");
    let (other, _) = client(&store, "other");
    for number in 0..ANSWERED {
        block_on(main.search(answered(number).as_str())).unwrap();
        block_on(other.search(answered(number).as_str())).unwrap();
    }
    for number in 0..UNCERTAIN {
        block_on(main.search(format!("lost_{number}").as_str())).unwrap_err();
    }
    block_on(main.account().unwrap().record_purchase(50)).unwrap();
    // Leaves pages that are not used.
    block_on(other.account().unwrap().expire(Duration::ZERO)).unwrap();
    let mut pending = Box::pin(main.search("pending_1"));
    while block_on(main.book()).unwrap().totals().in_flight_calls == 0 {
        assert!(pending.as_mut().now_or_never().is_none());
    }
    let expected = contents(&store).unwrap();
    let copy = std::fs::read(&path).unwrap();
    if !is_closed {
        drop(pending);
        return (copy, expected);
    }
    // The file as it is copied has the call in flight, and is closed without it being settled.
    let other_path = directory.join("closed");
    std::fs::write(&other_path, copy).unwrap();
    drop(pending);
    drop((main, other, store));
    std::fs::remove_file(&path).unwrap();
    drop(open(&other_path).unwrap());
    (std::fs::read(&other_path).unwrap(), expected)
}

/// Reads everything; the first error if there is one.
fn contents(store: &Arc<dyn Store>) -> Result<Contents, StoreError> {
    let mut contents = Vec::new();
    for (part, value) in parts(store) {
        contents.push((part, value?));
    }
    Ok(contents)
}

fn parts(store: &Arc<dyn Store>) -> Vec<(String, Result<Vec<u8>, StoreError>)> {
    let mut parts = Vec::new();
    for label in ["main", "other"] {
        let (account, name) = (account(store, label), AccountName::new(label, "mock"));
        let mut add = |part: String, value: Result<Vec<u8>, StoreError>| {
            parts.push((format!("{label}: {part}"), value));
        };
        add(
            "row".into(),
            block_on(store.read(&name, Selection::Account)).map(|found| found.account.to_bytes()),
        );
        for id in 1..=ANSWERED + UNCERTAIN + 2 {
            let call = block_on(account.call(id)).map(|call| match call {
                Some((call, answer)) => [call.to_bytes(), format!("{answer:?}").into_bytes()].concat(),
                None => Vec::new(),
            });
            add(format!("call {id}"), call);
        }
        for number in 0..ANSWERED {
            let key = Question::new(true, "search", format!("query={}", answered(number))).key();
            let answer = block_on(store.read(&name, Selection::Question(key))).map(|found| {
                let body = found.answer.map(|answer| answer.body.to_vec()).unwrap_or_default();
                [found.question.to_bytes(), body].concat()
            });
            add(format!("answer {number}"), answer);
        }
        let list = block_on(account.calls(0, 1000));
        add(
            "list".into(),
            list.map(|calls| calls.iter().flat_map(tgscan_core::store::Call::to_bytes).collect()),
        );
        let unresolved = block_on(account.unresolved());
        add("unresolved".into(), unresolved.map(|calls| format!("{calls:?}").into_bytes()));
        let journal = block_on(account.journal(0, 1000));
        add("journal".into(), journal.map(|entries| format!("{entries:?}").into_bytes()));
        let person = block_on(account.find_person(&"7".parse().unwrap()));
        add("person".into(), person.map(|found| format!("{found:?}").into_bytes()));
    }
    parts
}

/// Damages a file. Returns how.
pub(crate) fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) -> String {
    // Half of the damage is where something is.
    let used: Vec<usize> = bytes
        .chunks(PAGE)
        .enumerate()
        .filter(|(_, page)| page.iter().any(|byte| *byte != 0))
        .map(|(at, _)| at * PAGE)
        .collect();
    let place = |rng: &mut Rng, bytes: &[u8]| match rng.u8(..8) {
        0 => rng.usize(..1600),
        1..=5 => (used[rng.usize(..used.len())] + rng.usize(..PAGE)).min(bytes.len() - 1),
        _ => rng.usize(..bytes.len()),
    };
    let at = place(rng, bytes);
    let page = |at: usize| at / PAGE * PAGE;
    match rng.u8(..7) {
        0 | 1 => {
            let count = rng.usize(1..=8);
            for _ in 0..count {
                let at = place(rng, bytes);
                bytes[at] ^= 1 << rng.u8(..8);
            }
            format!("{count} flipped bits")
        }
        2 => {
            let end = (at + rng.usize(1..600)).min(bytes.len());
            bytes[at..end].iter_mut().for_each(|byte| *byte = rng.u8(..));
            format!("noise at {at}")
        }
        3 => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
        4 => {
            let start = page(at);
            let end = (start + PAGE).min(bytes.len());
            bytes[start..end].fill(0);
            format!("zeroed at {start}")
        }
        5 => {
            let (one, other) = (page(at), page(place(rng, bytes)));
            if one.max(other) + PAGE <= bytes.len() {
                for byte in 0..PAGE {
                    bytes.swap(one + byte, other + byte);
                }
            }
            format!("{one} and {other} swapped")
        }
        _ => {
            let (one, other) = (page(at), page(place(rng, bytes)));
            if one.max(other) + PAGE <= bytes.len() {
                bytes.copy_within(one..one + PAGE, other);
            }
            format!("{one} copied over {other}")
        }
    }
}

enum Seen {
    Refused,
    Failed,
    Unharmed,
    Wrong(String),
}

/// Opens a damaged file, reads everything, and asks questions.
fn use_all(path: &Path, expected: &Contents, number: usize) -> Seen {
    let is_clear = |error: &dyn Display| {
        let text = error.to_string();
        let remedies = [
            "restore it from a backup",
            "choose another file",
            "remove it to start",
            "use a matching version",
        ];
        text.contains(&path.display().to_string()) && remedies.iter().any(|remedy| text.contains(remedy))
    };
    let store = match open(path) {
        Ok(store) => store,
        Err(error) if is_clear(&error) => return Seen::Refused,
        Err(error) => return Seen::Wrong(format!("unclear: {error}")),
    };
    let mut has_failed = false;
    for ((part, read), (_, right)) in parts(&store).into_iter().zip(expected) {
        match read {
            Ok(read) if read == *right => {}
            Ok(_) => return Seen::Wrong(format!("{part} differs")),
            Err(error) if is_clear(&error) => has_failed = true,
            Err(error) => return Seen::Wrong(format!("{part}, unclear: {error}")),
        }
    }
    let (client, sent) = client(&store, "main");
    let known = [
        answered(number as u64 % ANSWERED),
        format!("lost_{}", number as u64 % UNCERTAIN),
        "pending_1".to_owned(),
    ];
    for name in &known {
        match block_on(client.search(name.as_str())) {
            Ok(reply) if reply.attempts == 0 => {}
            Ok(_) => return Seen::Wrong(format!("{name} was paid for again")),
            Err(error) => has_failed |= is_clear(&error),
        }
    }
    // Not known before, so that it may be sent.
    let before = sent.load(Relaxed);
    if before > 0 {
        return Seen::Wrong("a known question was sent".into());
    }
    match block_on(client.search("newcomer")) {
        Ok(_) => {}
        Err(error) if is_clear(&error) => has_failed = true,
        Err(error) => return Seen::Wrong(format!("a new question, unclear: {error}")),
    }
    if let Ok(calls) = block_on(account(&store, "main").calls(0, 1000)) {
        let uncertain = calls.iter().filter(|call| call.state() == CallState::Uncertain).count() as u64;
        if uncertain < UNCERTAIN {
            return Seen::Wrong(format!("{uncertain} uncertain calls are left"));
        }
    }
    if has_failed { Seen::Failed } else { Seen::Unharmed }
}
