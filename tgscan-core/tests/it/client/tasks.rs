//! Calls that run in separate tasks.

use std::sync::mpsc;

use tgscan_core::call::{CallSummary, Observer};

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
        if duration != Duration::from_secs(5) {
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

/// Waits, in the hook of a finished call, until the test continues.
struct Slow(Mutex<(mpsc::Sender<()>, mpsc::Receiver<()>)>);

impl Observer for Slow {
    fn call_finished(&self, _: &CallSummary<'_>) {
        let channels = self.0.lock().unwrap();
        channels.0.send(()).unwrap();
        channels.1.recv().unwrap();
    }
}

#[test]
fn answer_that_arrived_before_the_deadline_is_returned_although_its_observer_takes_longer() {
    let ((entered, has_entered), (go_on, waits)) = (mpsc::channel(), mpsc::channel());
    let (has_entered, threads) = (Mutex::new(has_entered), Arc::new(Mutex::new(Vec::new())));
    let spawned = threads.clone();
    let client = Client::new(live(), Script::new([Ok(response(200, SIMILAR))]).transport(), Deadline)
        .with_deadline(Duration::from_secs(5))
        .with_observer(Slow(Mutex::new((entered, waits))))
        .with_spawn(move |task| {
            spawned.lock().unwrap().push(std::thread::spawn(|| block_on(task)));
            has_entered.lock().unwrap().recv().unwrap();
        });
    let mut call = Box::pin(client.similar_groups(groups()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(
        call.as_mut().poll(&mut context).is_pending(),
        "the deadline has passed, and the answer is there"
    );
    go_on.send(()).unwrap();
    block_on(call).unwrap();
    threads.lock().unwrap().drain(..).for_each(|thread| thread.join().unwrap());
}
