//! Ten thousand calls through faults: each ends correctly, and no task, socket or memory leaks.
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
const CONCURRENCY: usize = 64;
const COST: u64 = 3;

/// The faults of every twentieth request, in turn.
const FAULTS: [FaultKind; 5] = [
    FaultKind::Reset,
    FaultKind::Stall,
    FaultKind::CutBody { at: 20 },
    FaultKind::StallBody { at: 20 },
    FaultKind::Close,
];

fn script(calls: usize) -> impl Iterator<Item = Option<Fault>> {
    (1..=calls).map(|number| {
        let fault = || Fault::new(FAULTS[number / 20 % FAULTS.len()].clone());
        // Half of the faults are charged.
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

/// Makes one call, and checks that it ends with its answer or a transport error.
async fn call(client: &Client, number: usize, ends: &mut Ends) {
    // Uses only the names of the first round, because the mock keeps its answers in memory.
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

/// Makes N calls with a mock and a transport that are dropped afterwards.
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
    for first in 0..CONCURRENCY {
        let client = client.clone();
        callers.spawn(async move {
            let mut ends = Ends::default();
            for number in (first..calls).step_by(CONCURRENCY) {
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
    // One in twenty fails; on a busy machine more may time out.
    assert!((count / 20..count / 2).contains(&all.failures), "{} failures", all.failures);
    let ledger = client.ledger().book().totals();
    assert_eq!((ledger.charged, ledger.uncertain_attempts), (all.charged, all.uncertain));
    // The account lost the charged credits, and at most the cost of each uncertain call.
    let spent = mock.account().spent;
    assert!(
        (all.charged..=all.charged + COST * all.uncertain).contains(&spent),
        "{spent} of {}",
        all.charged
    );
}

/// Returns the number of tasks in this runtime.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Returns the number of open files and sockets of this process.
fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Returns the memory of this process, in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Waits until a count falls to a level. A connection ends a moment after its last call.
async fn settle(name: &str, mut left: impl FnMut() -> usize, level: usize) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..500 {
        if left() <= level {
            return;
        }
        ticks.tick().await;
    }
    panic!("{} {name} are left, expected at most {level}", left());
}

async fn soak(https: bool) {
    // A warm-up round for permanent allocations.
    round(https, CALLS / 5).await;
    settle("tasks", tasks, 0).await;
    let (files, level) = (open_files(), memory());
    round(https, CALLS).await;
    settle("tasks", tasks, 0).await;
    settle("files", open_files, files).await;
    let growth = memory().saturating_sub(level);
    // A leak of 1 KiB per call would be 10,000 KiB.
    assert!(growth < 8_000, "{growth} KiB more after {CALLS} calls");
}

/// One test, because two would count each other's sockets.
#[tokio::test]
async fn ten_thousand_calls_through_faults_leak_nothing() {
    soak(false).await;
    soak(true).await;
}
