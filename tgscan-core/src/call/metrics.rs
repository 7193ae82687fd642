//! Metrics of calls, through the facade of the `metrics` crate.

use std::borrow::Cow;

use ::metrics::{Label, SharedString};

use super::{AttemptSummary, CallSummary, Observer};
use crate::account::{BudgetUse, Period};
use crate::{Credits, ErrorKind};

/// An [`Observer`] that records metrics with the program's recorder.
///
/// Names follow the conventions of Prometheus. All metrics have the labels of [`with_label`](Self::with_label), and all
/// but the last have the label `method`.
///
/// | metric | type | further labels | counts |
/// |---|---|---|---|
/// | `tgscan_calls_total` | counter | `outcome` | finished calls |
/// | `tgscan_call_duration_seconds` | histogram | `outcome` | the duration of finished calls |
/// | `tgscan_attempts_total` | counter | `outcome` | finished attempts |
/// | `tgscan_credits_charged_total` | counter | | credits certainly charged |
/// | `tgscan_uncertain_calls_total` | counter | | uncertain calls |
/// | `tgscan_budget_warnings_total` | counter | `budget`, `period` (both absent for the cap), `level` | calls of [`Observer::budget_used`]; `level` is `nearly` or `exhausted` |
///
/// `outcome` is `ok`, `cached` for an answer from the store, `dropped` for a call whose future was dropped, or the kind
/// of error: `invalid_query`, `cap_reached`, `store`, `transport`, `refused` (by the service), `unexpected_response`,
/// `decode`.
///
/// ```
/// use tgscan_core::call::MetricsObserver;
///
/// let observer = MetricsObserver::new().with_label("tenant", "7");
/// // client.with_observer(observer)
/// ```
#[derive(Clone, Debug, Default)]
pub struct MetricsObserver {
    labels: Vec<Label>,
}

impl MetricsObserver {
    /// Creates an observer without labels.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a label to every metric. Do not use queries or people as values: each value creates a permanent time
    /// series.
    #[must_use]
    pub fn with_label(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        let value = SharedString::from(value.into());
        self.labels.push(Label::new(name, value));
        self
    }

    fn labels(&self, more: &[(&'static str, &'static str)]) -> Vec<Label> {
        let more = more.iter().map(|(name, value)| Label::from_static_parts(name, value));
        self.labels.iter().cloned().chain(more).collect()
    }

    fn finished(&self, call: &CallSummary<'_>, outcome: &'static str) {
        let labels = self.labels(&[("method", call.method), ("outcome", outcome)]);
        ::metrics::counter!("tgscan_calls_total", labels.clone()).increment(1);
        ::metrics::histogram!("tgscan_call_duration_seconds", labels).record(call.duration.as_secs_f64());
        let labels = || self.labels(&[("method", call.method)]);
        match call.credits {
            Credits::Charged(credits) => {
                ::metrics::counter!("tgscan_credits_charged_total", labels()).increment(credits);
            }
            Credits::Uncertain => ::metrics::counter!("tgscan_uncertain_calls_total", labels()).increment(1),
            Credits::NotCharged => {}
        }
    }
}

impl Observer for MetricsObserver {
    fn call_finished(&self, call: &CallSummary<'_>) {
        let outcome = match call.error {
            None if call.is_from_store() => "cached",
            None => "ok",
            Some(error) => kind(error.kind()),
        };
        self.finished(call, outcome);
    }

    fn attempt_finished(&self, attempt: &AttemptSummary<'_>) {
        let outcome = attempt.error.map_or("ok", |error| kind(error.kind()));
        let labels = self.labels(&[("method", attempt.method), ("outcome", outcome)]);
        ::metrics::counter!("tgscan_attempts_total", labels).increment(1);
    }

    fn call_dropped(&self, call: &CallSummary<'_>) {
        self.finished(call, "dropped");
    }

    fn budget_used(&self, usage: &BudgetUse) {
        let level = if usage.is_exhausted { "exhausted" } else { "nearly" };
        let mut labels = self.labels(&[("level", level)]);
        if let Some((label, period)) = &usage.budget {
            labels.push(Label::new("budget", label.clone()));
            labels.push(Label::from_static_parts("period", name(*period)));
        }
        ::metrics::counter!("tgscan_budget_warnings_total", labels).increment(1);
    }
}

fn name(period: Period) -> &'static str {
    match period {
        Period::Total => "total",
        Period::Day => "day",
        Period::Month => "month",
    }
}

fn kind(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidQuery(_) => "invalid_query",
        ErrorKind::CapReached(_) => "cap_reached",
        ErrorKind::Store(_) => "store",
        ErrorKind::Transport(_) => "transport",
        ErrorKind::Api(_) => "refused",
        ErrorKind::UnexpectedResponse(_) => "unexpected_response",
        ErrorKind::Decode(_) => "decode",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use ::metrics::{
        Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, Unit,
    };
    use bytes::Bytes;
    use http::Response;

    use super::*;
    use crate::{Api, ApiKey, Budget, Client, Reserve, transport_fn};

    /// Records a line for each value.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    struct Line(Lines, String);

    impl CounterFn for Line {
        fn increment(&self, value: u64) {
            self.0.0.lock().unwrap().push(format!("{} {value}", self.1));
        }
        fn absolute(&self, _: u64) {}
    }

    impl HistogramFn for Line {
        fn record(&self, value: f64) {
            self.0.0.lock().unwrap().push(format!("{} {value}", self.1));
        }
    }

    impl Lines {
        fn line(&self, key: &Key) -> Arc<Line> {
            let labels: Vec<_> =
                key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            Arc::new(Line(self.clone(), format!("{}{{{}}}", key.name(), labels.join(","))))
        }
    }

    impl Recorder for Lines {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.line(key))
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }
        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(self.line(key))
        }
    }

    struct Stopped;

    #[crate::async_trait]
    impl crate::Timer for Stopped {
        fn now(&self) -> Duration {
            Duration::ZERO
        }
        async fn sleep(&self, _: Duration) {}
    }

    #[test]
    fn counts_calls_by_method_and_outcome() {
        let answer = r#"{"status":"ok","result":{"user":{"id":1},"meta":{"known_num_groups":0,"num_groups":0,"op_cost":2}}}"#;
        let transport =
            transport_fn(move |_| async move { Ok(Response::new(Bytes::from_static(answer.as_bytes()))) });
        let client = Client::new(Api::new(ApiKey::live("k3y").unwrap()), transport, Stopped)
            .with_budget(Budget::new("team", 3, Period::Total, Reserve::PerCall(2)))
            .with_observer(MetricsObserver::new().with_label("name", "a"));
        let lines = Lines::default();
        ::metrics::with_local_recorder(&lines, || {
            let _ = futures_executor::block_on(client.search("private_name"));
            let _ = futures_executor::block_on(client.search("private_name"));
        });
        let lines = lines.0.lock().unwrap();
        assert_eq!(
            *lines,
            [
                "tgscan_budget_warnings_total{name=a,level=exhausted,budget=team,period=total} 1",
                "tgscan_attempts_total{name=a,method=search,outcome=ok} 1",
                "tgscan_calls_total{name=a,method=search,outcome=ok} 1",
                "tgscan_call_duration_seconds{name=a,method=search,outcome=ok} 0",
                "tgscan_credits_charged_total{name=a,method=search} 2",
                "tgscan_calls_total{name=a,method=search,outcome=cap_reached} 1",
                "tgscan_call_duration_seconds{name=a,method=search,outcome=cap_reached} 0",
            ]
        );
    }
}
