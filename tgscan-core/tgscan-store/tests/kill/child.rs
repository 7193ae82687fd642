//! The process that is killed: it asks 16 questions concurrently, and prints each answer that it was given.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tgscan_core::bytes::Bytes;
use tgscan_core::store::{AccountName, StorePolicy};
use tgscan_core::{Api, ApiKey, Client, Reserve, RetryPolicy, Storage};
use tgscan_core::{Budget, Period};
use tgscan_mock::Mock;
use tgscan_transport_hyper::HyperTransport;

use crate::backend::open;
use crate::broken::Fault;
use crate::over::Over;
use crate::run::PRICE;

/// How many calls a child makes concurrently.
const CONCURRENT: u64 = 16;
/// A cap that nothing reaches.
const HIGH: u64 = 1_000_000;

/// The settings of a child, in its environment.
#[derive(Clone)]
pub(crate) struct Orders {
    pub(crate) store: String,
    pub(crate) service: String,
    /// The first of its questions, and how many; each is asked twice.
    pub(crate) questions: (u64, u64),
    pub(crate) cap: Option<u64>,
    /// A budget in total.
    pub(crate) budget: Option<u64>,
    pub(crate) fault: Fault,
}

const STORE: &str = "TGSCAN_KILL_STORE";
const SERVICE: &str = "TGSCAN_KILL_SERVICE";
const QUESTIONS: &str = "TGSCAN_KILL_QUESTIONS";
const CAP: &str = "TGSCAN_KILL_CAP";
const BUDGET: &str = "TGSCAN_KILL_BUDGET";
const FAULT: &str = "TGSCAN_KILL_FAULT";

impl Orders {
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        vec![
            (STORE, self.store.clone()),
            (SERVICE, self.service.clone()),
            (QUESTIONS, format!("{} {}", self.questions.0, self.questions.1)),
            (CAP, number(self.cap)),
            (BUDGET, number(self.budget)),
            (FAULT, self.fault.label()),
        ]
    }
}

pub(crate) fn is_one() -> bool {
    std::env::var_os(STORE).is_some()
}

/// The name that question `number` asks for.
pub(crate) fn name(number: u64) -> String {
    format!("name_{number}")
}

pub(crate) fn account() -> AccountName {
    AccountName::new("main", "mock")
}

pub(crate) fn policy() -> StorePolicy {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    StorePolicy::new("main", YEAR, YEAR)
}

/// The representation of an answer's bytes.
pub(crate) fn digest(body: &Bytes) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn run() {
    let told = |name: &str| std::env::var(name).unwrap();
    let questions = told(QUESTIONS);
    let (first, count) = questions.split_once(' ').unwrap();
    let (first, count): (u64, u64) = (first.parse().unwrap(), count.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let key = ApiKey::live(Mock::LIVE_KEY).unwrap();
        let mut retry = RetryPolicy::default();
        retry.base_backoff = Duration::from_millis(1);
        let api = Api::with_base_url(&told(SERVICE), key).unwrap().with_retry(retry).with_service("mock");
        let store = Over::new(open(&told(STORE)), Fault::labelled(&told(FAULT)));
        let mut client = HyperTransport::builder()
            .build()
            .unwrap()
            .client(api)
            .with_store(Arc::new(store), policy())
            .with_cap(told(CAP).parse().unwrap_or(HIGH), Reserve::PerCall(PRICE));
        if let Ok(limit) = told(BUDGET).parse() {
            let budget = Budget::new("all", limit, Period::Total, Reserve::PerCall(PRICE));
            client = client.with_budget(budget);
        }
        say("ready");
        let next = Arc::new(AtomicU64::new(0));
        let workers: Vec<_> =
            (0..CONCURRENT).map(|_| tokio::spawn(ask(client.clone(), next.clone(), first, count))).collect();
        for worker in workers {
            worker.await.unwrap();
        }
        let left = client.drain(Duration::from_secs(30)).await;
        assert_eq!((left.calls, left.unwritten, left.lost), (0, 0, 0));
    });
}

async fn ask(client: Client, next: Arc<AtomicU64>, first: u64, count: u64) {
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        if at >= count * 2 {
            return;
        }
        // Each question twice, so that equal ones are asked concurrently.
        let number = first + at / 2;
        let Ok(reply) = client.search(name(number).as_str()).await else { continue };
        // Where the store failed, the reply says so.
        if !matches!(reply.storage(), Some(Storage::NotStored(_))) {
            say(&format!("{number} {}", digest(reply.raw())));
        }
    }
}

/// Prints a line.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}
