//! Metrics for Prometheus: of calls, by the SDK's own observer; of requests; and of the book, read when they are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use metrics::{Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use serde_json::json;
use tgscan_core::Book;
use tgscan_core::account::BudgetUse;
use tgscan_core::call::{AttemptSummary, CallSummary, MetricsObserver, Observer};
use tgscan_core::{Client, Period};

use super::config::{Config, Key};
use super::log::Log;
use super::recorder::Registry;
use crate::exit::{Code, Failure};

pub(crate) fn install() -> Result<Registry, Failure> {
    let registry = Registry::default();
    metrics::set_global_recorder(registry.clone())
        .map_err(|error| Failure::new(Code::Other, format!("cannot set up metrics: {error}")))?;
    describe_counter!("tgscan_calls_total", "Finished calls.");
    describe_histogram!("tgscan_call_duration_seconds", Unit::Seconds, "Duration of calls.");
    describe_counter!("tgscan_attempts_total", "Requests sent to the service.");
    describe_counter!("tgscan_credits_charged_total", "Credits that calls certainly cost.");
    describe_counter!("tgscan_uncertain_calls_total", "Calls that ended without a known cost.");
    describe_counter!("tgscan_budget_warnings_total", "Budgets that reached 80% or were used up.");
    describe_counter!("tgscan_requests_total", "Requests to the gateway.");
    describe_gauge!("tgscan_connections", "Open connections.");
    describe_gauge!("tgscan_store_up", "Whether the store answers.");
    describe_gauge!("tgscan_account_credits", "Credits of the account's book.");
    describe_gauge!("tgscan_cap_left_credits", "Credits left under the cap.");
    describe_gauge!("tgscan_budget_left_credits", "Credits left in a budget.");
    Ok(registry)
}

/// Counts a request by its outcome.
pub(crate) fn count(code: &'static str) {
    counter!("tgscan_requests_total", "code" => code).increment(1);
}

/// Counts a connection until it is dropped.
pub(crate) struct Connection(());

impl Connection {
    pub(crate) fn open() -> Self {
        gauge!("tgscan_connections").increment(1);
        Self(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        gauge!("tgscan_connections").decrement(1);
    }
}

/// Records whether the store answers, and the totals of its book at its time. Removes budgets that are no longer
/// configured.
pub(crate) fn record_book(registry: &Registry, book: Option<&(Book, u64)>, config: &Config) {
    registry.retain_gauges("tgscan_budget_left_credits", |gauge| {
        let is_same = |name: &str, period| gauge.labels().map(Label::value).eq([name, period]);
        config.keys.iter().any(|key| budgets(key).any(|(_, _, period)| is_same(&key.name, period)))
    });
    gauge!("tgscan_store_up").set(if book.is_some() { 1.0 } else { 0.0 });
    let Some((book, now)) = book else { return };
    let totals = book.totals();
    for (state, credits) in [
        ("charged", totals.charged),
        ("in_flight", totals.in_flight),
        ("uncertain", totals.uncertain),
        ("unexplained", totals.unexplained),
    ] {
        gauge!("tgscan_account_credits", "state" => state).set(number(credits));
    }
    gauge!("tgscan_cap_left_credits").set(number(totals.remaining(config.cap)));
    for key in &config.keys {
        for (limit, period, name) in budgets(key) {
            let left = book.budget_at(&key.name, period, *now).remaining(limit);
            let left = number(left);
            gauge!("tgscan_budget_left_credits", "name" => key.name.clone(), "period" => name).set(left);
        }
    }
}

/// The budgets of a key: limit, period, and the period's name.
pub(crate) fn budgets(key: &Key) -> impl Iterator<Item = (u64, Period, &'static str)> {
    let all = [
        (key.total, Period::Total, "total"),
        (key.per_day, Period::Day, "day"),
        (key.per_month, Period::Month, "month"),
    ];
    all.into_iter().filter_map(|(limit, period, name)| Some((limit?, period, name)))
}

#[expect(clippy::cast_precision_loss, reason = "a metric has no more digits")]
fn number(credits: u64) -> f64 {
    credits as f64
}

/// Observes the calls of a local key.
pub(crate) struct Watch(Arc<Watched>);

struct Watched {
    metrics: MetricsObserver,
    name: String,
    log: Arc<Log>,
}

struct CallWatch {
    watched: Arc<Watched>,
    /// Whether the call was dropped before it was claimed, so that nothing was sent.
    is_unsent: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) fn new(name: &str, log: &Arc<Log>) -> Self {
        let metrics = MetricsObserver::new().with_label("name", name.to_owned());
        Self(Arc::new(Watched { metrics, name: name.to_owned(), log: log.clone() }))
    }

    /// Returns a client for one call, and a flag that is set if the call is dropped before it was claimed.
    pub(crate) fn one_call(&self, client: &Client) -> (Client, Arc<AtomicBool>) {
        let is_unsent = Arc::<AtomicBool>::default();
        let watch = CallWatch { watched: self.0.clone(), is_unsent: is_unsent.clone() };
        (client.clone().with_observer(watch), is_unsent)
    }
}

impl Observer for CallWatch {
    fn call_finished(&self, call: &CallSummary<'_>) {
        self.watched.metrics.call_finished(call);
    }

    fn attempt_finished(&self, attempt: &AttemptSummary<'_>) {
        self.watched.metrics.attempt_finished(attempt);
    }

    fn call_dropped(&self, call: &CallSummary<'_>) {
        // A claimed call continues in its task.
        self.is_unsent.store(call.attempts == 0, Ordering::Relaxed);
        self.watched.metrics.call_dropped(call);
    }

    fn budget_used(&self, usage: &BudgetUse) {
        let Watched { metrics, name, log } = &*self.watched;
        metrics.budget_used(usage);
        let period = usage.budget.as_ref().map(|(_, period)| format!("{period:?}").to_lowercase());
        let details = json!({
            "name": name,
            "budget": usage.budget.as_ref().map_or("cap", |(label, _)| label),
            "period": period,
            "limit": usage.limit,
            "used": usage.used,
            "level": if usage.is_exhausted { "exhausted" } else { "nearly" },
        });
        log.event("budget_warning", details);
    }
}
