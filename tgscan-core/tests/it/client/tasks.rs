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
