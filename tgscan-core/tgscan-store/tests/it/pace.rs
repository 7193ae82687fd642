//! The service's pauses and the rate limit, for clients with and without a store.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_executor::block_on;
use futures_util::future::{join, join_all, join3};
use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response};
use tgscan_core::transport::SendBy;
use tgscan_core::{Api, ApiKey, Client, Credits, RetryPolicy, Timer, transport_fn};
use tgscan_mock::VirtualTimer;

use crate::support::{Subject, policy, with_each_store};

const ANSWER: &str = r#"{"status":"ok","result":{"meta":{"known_num_groups":0,"num_groups":0,"op_cost":1}}}"#;

const BALANCE: &str = r#"{"status":"ok","result":{"num_credits":5}}"#;

/// A service on a virtual clock, which refuses its first attempts with a 429.
struct Service {
    timer: VirtualTimer,
    /// When each attempt began, in milliseconds.
    begun: Arc<Mutex<Vec<u128>>>,
    client: Client,
}

impl Service {
    /// Refuses the first attempts with these values of `Retry-After`.
    fn new(refusals: &'static [Option<&'static str>]) -> Self {
        let (timer, begun) = (VirtualTimer::new(), Arc::new(Mutex::new(Vec::new())));
        let (clock, starts) = (timer.clone(), begun.clone());
        let transport = transport_fn(move |request: Request<Bytes>| {
            let late = request.extensions().get::<SendBy>().is_some_and(SendBy::has_passed);
            assert!(!late, "the claim was not renewed");
            let mut starts = starts.lock().unwrap();
            let refusal = refusals.get(starts.len());
            starts.push(clock.now().as_millis());
            let is_balance = request.uri().path().ends_with("/balance");
            let body = if is_balance { BALANCE } else { ANSWER };
            let mut response = Response::new(Bytes::from_static(body.as_bytes()));
            if let Some(after) = refusal {
                *response.status_mut() = 429.try_into().unwrap();
                *response.body_mut() = Bytes::from_static(b"slow down");
                if let Some(after) = after {
                    response.headers_mut().insert("retry-after", after.parse().unwrap());
                }
            }
            async move { Ok(response) }
        });
        let api = Api::new(ApiKey::live("k3y").unwrap()).with_service("mock");
        let client = Client::new(api, transport, timer.clone());
        Self { timer, begun, client }
    }

    fn stored(mut self, subject: &Subject) -> Self {
        self.client = self.client.with_store(subject.store.clone(), policy());
        self
    }

    fn begun(&self) -> Vec<u128> {
        std::mem::take(&mut *self.begun.lock().unwrap())
    }
}

fn name(number: u32) -> String {
    format!("name_{number}")
}

#[test]
fn refused_attempt_pauses_all_calls_of_the_client() {
    let service = Service::new(&[Some("3")]);
    block_on(async {
        assert_eq!(service.client.paused_for(), None);
        let first = service.client.clone();
        let others = async {
            // They begin while the first one waits.
            service.timer.sleep(Duration::from_secs(1)).await;
            assert_eq!(service.client.paused_for(), Some(Duration::from_secs(2)));
            let one = service.client.balance();
            let clone = service.client.clone();
            let two = clone.search("name_2");
            let three = service.client.search("name_3");
            let (_, two, three) = join3(one, two, three).await;
            (two.unwrap().attempts, three.unwrap().attempts)
        };
        let (first, others) = join(first.search("name_1"), others).await;
        assert_eq!((first.unwrap().attempts, others), (2, (1, 1)));
    });
    assert_eq!(service.begun(), [0, 3000, 3000, 3000, 3000]);
    assert_eq!(service.client.paused_for(), None);
    let totals = service.client.ledger().book().totals();
    assert_eq!((totals.charged, totals.in_flight, totals.uncertain), (3, 0, 0));
}

#[test]
fn pause_without_a_retry_after_is_the_backoff_and_a_longer_one_is_cut() {
    let service = Service::new(&[None, Some("3600")]);
    let (first, second) = block_on(async {
        join(service.client.search("name_1"), async {
            service.timer.sleep(Duration::from_millis(1)).await;
            service.client.search("name_2").await
        })
        .await
    });
    // The backoff ends, and both are sent again; the first one gives up at the long pause.
    let begun = service.begun();
    assert_eq!(begun.len(), 3, "{begun:?}");
    assert!((1..=250).contains(&begun[1]) && begun[2] == begun[1] + 30_000, "{begun:?}");
    let results = [first, second];
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(
        results.iter().find_map(|result| result.as_ref().err()).unwrap().credits(),
        Credits::NotCharged
    );
}

fn rate_limit_spaces_the_attempts_of_all_clones(open: fn() -> Subject) {
    let subject = open();
    let service = Service::new(&[]).stored(&subject);
    let client = service.client.clone().with_rate_limit(4, Duration::from_secs(1));
    let calls = (0..9).map(|number| {
        let client = client.clone();
        async move { client.search(name(number)).await.unwrap().attempts }
    });
    let attempts = block_on(join_all(calls));
    assert_eq!(attempts, [1; 9]);
    assert_eq!(service.begun(), [0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000]);
    // Stored answers do not count and do not wait.
    let before = service.timer.now();
    block_on(async { join_all((0..9).map(|number| client.search(name(number)))).await });
    assert_eq!((service.begun(), service.timer.now()), (vec![], before));
}

// With a file, time passes while another thread claims.
#[test]
fn claim_is_renewed_if_its_turn_comes_late() {
    // The transport of the service refuses attempts whose claim is old.
    let service = Service::new(&[Some("29")]).stored(&Subject::memory());
    let (first, second) = block_on(async {
        join(service.client.search("name_1"), async {
            service.timer.sleep(Duration::from_secs(1)).await;
            service.client.search("name_2").await
        })
        .await
    });
    assert_eq!((first.unwrap().attempts, second.unwrap().attempts), (2, 1));
    assert_eq!(service.begun(), [0, 29_000, 29_000]);
    let totals = block_on(service.client.book()).unwrap().totals();
    assert_eq!((totals.charged, totals.in_flight, totals.uncertain), (2, 0, 0));
}

#[test]
fn waiting_call_that_ends_costs_nothing() {
    let service = Service::new(&[Some("29")]).stored(&Subject::memory());
    let patient = service.client.clone();
    let hurried = patient.clone().with_deadline(Duration::from_secs(5));
    let mut brief = RetryPolicy::default();
    brief.max_elapsed = Duration::from_secs(9);
    let brief = patient.clone().with_retry(brief);
    block_on(async {
        let others = async {
            service.timer.sleep(Duration::from_secs(1)).await;
            for (client, says) in
                [(&hurried, "the deadline of the call"), (&brief, "`max_elapsed` of the call")]
            {
                let error = client.search("name_2").await.unwrap_err();
                assert!(error.to_string().contains(says), "{error}");
                assert_eq!((error.credits(), error.attempts()), (Credits::NotCharged, 0));
            }
            assert_eq!(service.timer.now(), Duration::from_secs(1), "they fail immediately");
            // A dropped call is not uncertain.
            let mut dropped = Box::pin(patient.search("name_3"));
            let timeout = service.timer.sleep(Duration::from_secs(7));
            futures_util::future::select(dropped.as_mut(), timeout).await;
        };
        join(patient.search("name_1"), others).await.0.unwrap();
    });
    assert_eq!(service.begun(), [0, 29_000]);
    // Its questions can be asked.
    block_on(patient.search("name_2")).unwrap();
    block_on(patient.search("name_3")).unwrap();
    let totals = block_on(patient.book()).unwrap().totals();
    assert_eq!((totals.charged, totals.in_flight, totals.uncertain), (3, 0, 0));
}

fn free_call_is_sent_again_after_a_long_pause(open: fn() -> Subject) {
    let service = Service::new(&[Some("20")]).stored(&open());
    service.timer.advance(Duration::from_secs(100));
    let reply = block_on(service.client.user_check("name_1")).unwrap();
    assert_eq!((reply.attempts, service.begun()), (2, vec![100_000, 120_000]));
}

with_each_store! {
    rate_limit_spaces_the_attempts_of_all_clones,
    free_call_is_sent_again_after_a_long_pause,
}
