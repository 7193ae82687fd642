//! The process that is killed: it asks, 16 questions at once, and prints each answer that it was given.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tgscan_core::bytes::Bytes;
use tgscan_core::store::StorePolicy;
use tgscan_core::{Api, ApiKey, Client, Reserve, RetryPolicy, Storage};
use tgscan_mock::Mock;
use tgscan_transport_hyper::HyperTransport;

use crate::backend::open;
use crate::broken::broken;

/// How many calls a child makes at once.
const AT_ONCE: u64 = 16;

/// What a child is told, in its environment.
pub(crate) struct Orders {
    pub(crate) store: String,
    pub(crate) service: String,
    /// The first of its questions, and how many.
    pub(crate) questions: (u64, u64),
    pub(crate) cap: Option<u64>,
    pub(crate) broken: Option<&'static str>,
}

const STORE: &str = "TGSCAN_KILL_STORE";
const SERVICE: &str = "TGSCAN_KILL_SERVICE";
const QUESTIONS: &str = "TGSCAN_KILL_QUESTIONS";
const CAP: &str = "TGSCAN_KILL_CAP";
const BROKEN: &str = "TGSCAN_KILL_BROKEN";

impl Orders {
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            (STORE, self.store.clone()),
            (SERVICE, self.service.clone()),
            (QUESTIONS, format!("{} {}", self.questions.0, self.questions.1)),
            (CAP, self.cap.map(|cap| cap.to_string()).unwrap_or_default()),
            (BROKEN, self.broken.unwrap_or_default().to_owned()),
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

pub(crate) fn policy(cap: Option<u64>) -> StorePolicy {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let policy = StorePolicy::new("main", YEAR, YEAR);
    match cap {
        Some(cap) => policy.with_cap(cap, Reserve::PerCall(2)),
        None => policy,
    }
}

/// What stands for an answer's bytes.
pub(crate) fn digest(body: &Bytes) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn run() {
    let told = |name: &str| std::env::var(name).unwrap();
    let (first, count) = told(QUESTIONS).split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let (first, count): (u64, u64) = (first.parse().unwrap(), count.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let key = ApiKey::live(Mock::LIVE_KEY).unwrap();
        let mut retry = RetryPolicy::default();
        retry.base_backoff = Duration::from_millis(1);
        let api = Api::with_base_url(&told(SERVICE), key).unwrap().with_retry(retry);
        let mut store = open(&told(STORE));
        let fault = told(BROKEN);
        if !fault.is_empty() {
            store = broken(store, &fault);
        }
        let client = HyperTransport::builder()
            .build()
            .unwrap()
            .client(api)
            .with_store(store, policy(told(CAP).parse().ok()));
        say("ready");
        let next = Arc::new(AtomicU64::new(0));
        let workers: Vec<_> =
            (0..AT_ONCE).map(|_| tokio::spawn(ask(client.clone(), next.clone(), first, count))).collect();
        for worker in workers {
            worker.await.unwrap();
        }
    });
}

async fn ask(client: Client, next: Arc<AtomicU64>, first: u64, count: u64) {
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        if at >= count {
            return;
        }
        // Each question twice, so that equal ones are asked at the same time.
        let number = first + at / 2;
        let Ok(reply) = client.search(name(number).as_str()).await else { continue };
        // Where the store failed, the reply says so.
        if !matches!(reply.storage(), Some(Storage::NotStored(_))) {
            say(&format!("{number} {}", digest(reply.raw())));
        }
    }
}

/// Prints a line at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}
