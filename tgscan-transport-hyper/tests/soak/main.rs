//! Ten thousand calls through faults: each ends correctly, and nothing is left over.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic is a failed test, also in a test's helpers")]
#![cfg(target_os = "linux")]

use std::fs;
use std::time::Duration;

use tgscan_core::types::{Search, UserQuery};
use tgscan_core::{Api, Client, Credits, ErrorKind};
use tgscan_mock::{Fault, FaultKind, Mock, MockServer, ServerOptions};
use tgscan_transport_hyper::HyperTransport;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

const CALLS: usize = 10_000;
const AT_ONCE: usize = 64;
const COST: u64 = 3;

/// Every twentieth request goes wrong, in each of these ways in turn.
const FAULTS: [FaultKind; 5] =
    [FaultKind::Reset, FaultKind::Stall, FaultKind::CutBody(20), FaultKind::StallBody(20), FaultKind::Close];

fn script(calls: usize) -> impl Iterator<Item = Option<Fault>> {
    (1..=calls).map(|number| {
        let fault = || Fault::new(FAULTS[number / 20 % FAULTS.len()].clone());
        // Half of those that can be charged or not are charged.
        (number % 20 == 0).then(|| if number % 40 == 0 { fault().charged() } else { fault() })
    })
}

#[derive(Default)]
struct Ends {
    replies: u64,
    charged: u64,
    uncertain: u64,
    failures: u64,
}

/// One call: the answer to its own question, or an error that knows what it is.
async fn call(client: &Client, number: usize, ends: &mut Ends) {
    // No more names than the first round asks for: the mock keeps its answers, and they are not what is measured.
    let name = format!("user_{}", number % (CALLS / 5));
    let credits = match client.search(name.parse::<UserQuery>().unwrap()).await {
        Ok(reply) => {
            assert_eq!(reply.answer.meta.search_query, name);
            ends.replies += 1;
            reply.credits
        }
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Transport(_)), "{error}");
            ends.failures += 1;
            error.credits()
        }
    };
    ends.charged += credits.charged();
    ends.uncertain += u64::from(credits == Credits::Uncertain);
}

/// So many calls, on a mock and a transport that are gone afterwards.
async fn round(https: bool, calls: usize) {
    let mock = Mock::builder().seed(7).credits(1_000_000).cost::<Search>(COST).build().unwrap();
    mock.script::<Search>(script(calls));
    let options = if https { ServerOptions::new().https::<&str>([]) } else { ServerOptions::new() };
    let server = MockServer::start(&mock, &options).unwrap();
    let mut builder = HyperTransport::builder().attempt_timeout(Duration::from_millis(500));
    if let Some(pem) = server.ca_pem() {
        builder = builder.extra_roots_pem(pem);
    }
    let client = builder.build().unwrap().client(Api::with_base_url(&server.url(), mock.live_key()).unwrap());

    let mut callers = JoinSet::new();
    for first in 0..AT_ONCE {
        let client = client.clone();
        callers.spawn(async move {
            let mut ends = Ends::default();
            for number in (first..calls).step_by(AT_ONCE) {
                call(&client, number, &mut ends).await;
            }
            ends
        });
    }
    let mut all = Ends::default();
    while let Some(ends) = callers.join_next().await {
        let ends = ends.unwrap();
        all.replies += ends.replies;
        all.charged += ends.charged;
        all.uncertain += ends.uncertain;
        all.failures += ends.failures;
    }

    let count = u64::try_from(calls).unwrap();
    assert_eq!(all.replies + all.failures, count);
    // One in twenty fails; on a busy machine some more may run out of time.
    assert!((count / 20..count / 2).contains(&all.failures), "{} failures", all.failures);
    let ledger = client.ledger().snapshot();
    assert_eq!((ledger.charged, ledger.uncertain_calls), (all.charged, all.uncertain));
    // What the account lost is what is certain, and at most the cost of each call that is not.
    let spent = mock.account().spent;
    assert!(
        (all.charged..=all.charged + COST * all.uncertain).contains(&spent),
        "{spent} of {}",
        all.charged
    );
}

/// Tasks of this runtime, the test itself aside.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Files and sockets that this process has open.
fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Memory of this process, in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Looks until it is so: a connection ends a moment after the last call on it.
async fn settle(what: &str, mut left: impl FnMut() -> usize, level: usize) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..500 {
        if left() <= level {
            return;
        }
        ticks.tick().await;
    }
    panic!("{} {what} are left, and there were {level}", left());
}

async fn soak(https: bool) {
    // Once before, so that what is allocated for good is there.
    round(https, CALLS / 5).await;
    settle("tasks", tasks, 0).await;
    let (files, level) = (open_files(), memory());
    round(https, CALLS).await;
    settle("tasks", tasks, 0).await;
    settle("files", open_files, files).await;
    let growth = memory().saturating_sub(level);
    // A leak of one kilobyte per call would be ten thousand.
    assert!(growth < 8_000, "{growth} KiB more after {CALLS} calls");
}

/// One test and not two, which would count each other's sockets.
#[tokio::test]
async fn ten_thousand_calls_through_faults_leave_nothing_behind() {
    soak(false).await;
    soak(true).await;
}
