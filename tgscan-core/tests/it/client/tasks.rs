//! Calls that run in separate tasks.

use super::*;

/// A timer whose sleeps end immediately, and whose clock stands still.
struct Still;

#[tgscan_core::async_trait]
impl Timer for Still {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {}
}

#[test]
fn task_that_starts_after_its_caller_gave_up_sends_nothing() {
    let (script, tasks) = (Script::new([]), Arc::new(Mutex::new(Vec::new())));
    let spawned = tasks.clone();
    let client = Client::new(live(), script.transport(), Still)
        .with_deadline(Duration::from_secs(5))
        .with_spawn(move |task| spawned.lock().unwrap().push(task));
    let error = block_on(client.similar_groups(groups())).unwrap_err();
    assert_eq!((error.credits(), error.attempts()), (Credits::NotCharged, 0));
    // By its clock, the deadline has not passed.
    let tasks = std::mem::take(&mut *tasks.lock().unwrap());
    assert_eq!(tasks.len(), 1);
    tasks.into_iter().for_each(block_on);
    assert_eq!(script.sent(), 0);
    let totals = client.ledger().book().totals();
    assert_eq!((totals.in_flight_calls, totals.uncertain_attempts), (0, 0));
}

/// A timer whose sleeps never end, except for the one of a deadline of 5 s.
struct Deadline;

#[tgscan_core::async_trait]
impl Timer for Deadline {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, duration: Duration) {
        if duration < Duration::from_secs(5) {
            std::future::pending::<()>().await;
        }
    }
}

#[test]
fn deadline_during_a_later_attempt_or_before_it_keeps_the_bytes_of_earlier_ones() {
    deadline_keeps_the_bytes_of_earlier_attempts(Still, 2);
    deadline_keeps_the_bytes_of_earlier_attempts(Deadline, 1);
}

fn deadline_keeps_the_bytes_of_earlier_attempts(timer: impl Timer + 'static, attempts: u32) {
    let outcomes = Arc::new(Mutex::new(vec![Err(TransportError::response_started(
        response(200, &SIMILAR[..40]),
        "the connection was closed",
    ))]));
    let transport = transport_fn(move |_| {
        let outcome = outcomes.lock().unwrap().pop();
        async move {
            match outcome {
                Some(outcome) => outcome,
                None => std::future::pending().await,
            }
        }
    });
    let mut retry = RetryPolicy::default();
    retry.resend_uncertain = true;
    let tasks = Arc::new(Mutex::new(Vec::new()));
    let spawned = tasks.clone();
    let client = Client::new(live().with_retry(retry), transport, timer)
        .with_deadline(Duration::from_secs(5))
        .with_spawn(move |mut task| {
            assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            spawned.lock().unwrap().push(task);
        });
    let error = block_on(client.similar_groups(groups())).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!((error.credits(), error.attempts()), (Credits::Uncertain, attempts));
    assert_eq!(error.response().unwrap().body(), &SIMILAR.as_bytes()[..40]);
}
