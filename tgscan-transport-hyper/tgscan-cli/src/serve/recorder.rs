//! A recorder of metrics, and their text for Prometheus.
//!
//! Instead of `metrics-exporter-prometheus`, which brings 30 crates for summaries and idle series: a gateway with a fixed
//! set of labels needs neither.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// Bounds of the histograms, in seconds: from a stored answer to a call that is given up.
const BOUNDS: [f64; 14] =
    [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// The metrics of a process. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Registry(Arc<Shared>);

#[derive(Default)]
struct Shared {
    counters: RwLock<HashMap<Key, Arc<Number>>>,
    gauges: RwLock<HashMap<Key, Arc<Number>>>,
    histograms: RwLock<HashMap<Key, Arc<Buckets>>>,
    help: RwLock<HashMap<String, String>>,
}

/// A counter's value, or the bits of a gauge's.
#[derive(Default)]
struct Number(AtomicU64);

#[derive(Default)]
struct Buckets {
    /// The number of values up to each bound, and above the last one.
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// The bits of their sum.
    sum: Number,
}

impl Number {
    fn change(&self, change: impl Fn(f64) -> f64) {
        let next = |bits| Some(change(f64::from_bits(bits)).to_bits());
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    fn gauge(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl CounterFn for Number {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

impl GaugeFn for Number {
    fn increment(&self, value: f64) {
        self.change(|now| now + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|now| now - value);
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        let at = BOUNDS.iter().position(|bound| value <= *bound).unwrap_or(BOUNDS.len());
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum.change(|sum| sum + value);
    }
}

/// Returns the value of a key, and creates it if necessary.
fn find<T: Default>(values: &RwLock<HashMap<Key, Arc<T>>>, key: &Key) -> Arc<T> {
    if let Some(value) = values.read().unwrap_or_else(PoisonError::into_inner).get(key) {
        return value.clone();
    }
    values.write().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default().clone()
}

impl Registry {
    fn describe(&self, name: &KeyName, help: &SharedString) {
        let mut all = self.0.help.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.as_str().to_owned(), help.to_string());
    }

    /// Removes the gauges of this name that `is_kept` does not select.
    pub(crate) fn retain_gauges(&self, name: &str, is_kept: impl Fn(&Key) -> bool) {
        let mut gauges = self.0.gauges.write().unwrap_or_else(PoisonError::into_inner);
        gauges.retain(|key, _| key.name() != name || is_kept(key));
    }

    /// Returns the text for Prometheus, by name and labels.
    pub(crate) fn render(&self) -> String {
        let mut families = BTreeMap::new();
        let shared = &self.0;
        lines(&shared.counters, "counter", &mut families, |number, name, labels| {
            format!("{name}{} {}\n", braced(labels, ""), number.0.load(Ordering::Relaxed))
        });
        lines(&shared.gauges, "gauge", &mut families, |number, name, labels| {
            format!("{name}{} {}\n", braced(labels, ""), number.gauge())
        });
        lines(&shared.histograms, "histogram", &mut families, histogram);
        let help = shared.help.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (name, (kind, series)) in families {
            if let Some(help) = help.get(&name) {
                let _ = writeln!(text, "# HELP {name} {help}");
            }
            let _ = writeln!(text, "# TYPE {name} {kind}");
            text.extend(series.into_values());
        }
        text
    }
}

/// By name: the type, and by labels the lines.
type Families = BTreeMap<String, (&'static str, BTreeMap<String, String>)>;

fn lines<T>(
    values: &RwLock<HashMap<Key, Arc<T>>>,
    kind: &'static str,
    families: &mut Families,
    write: impl Fn(&T, &str, &str) -> String,
) {
    for (key, value) in values.read().unwrap_or_else(PoisonError::into_inner).iter() {
        let labels: Vec<_> =
            key.labels().map(|label| format!("{}=\"{}\"", label.key(), escape(label.value()))).collect();
        let labels = labels.join(",");
        let family = families.entry(key.name().to_owned()).or_insert_with(|| (kind, BTreeMap::new()));
        family.1.insert(labels.clone(), write(value, key.name(), &labels));
    }
}

fn histogram(buckets: &Buckets, name: &str, labels: &str) -> String {
    let mut text = String::new();
    let mut count = 0;
    let bounds = BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
    for (bound, bucket) in bounds.zip(&buckets.counts) {
        count += bucket.load(Ordering::Relaxed);
        let _ = writeln!(text, "{name}_bucket{} {count}", braced(labels, &format!("le=\"{bound}\"")));
    }
    let _ = writeln!(text, "{name}_sum{} {}", braced(labels, ""), buckets.sum.gauge());
    let _ = writeln!(text, "{name}_count{} {count}", braced(labels, ""));
    text
}

fn braced(labels: &str, more: &str) -> String {
    match (labels, more) {
        ("", "") => String::new(),
        (labels, "") => format!("{{{labels}}}"),
        ("", more) => format!("{{{more}}}"),
        (labels, more) => format!("{{{labels},{more}}}"),
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl Recorder for Registry {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(find(&self.0.counters, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(find(&self.0.gauges, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(find(&self.0.histograms, key))
    }
}

#[cfg(test)]
mod tests {
    use metrics::{counter, describe_counter, gauge, histogram, with_local_recorder};

    use super::*;

    #[test]
    fn text_is_as_prometheus_reads_it() {
        let registry = Registry::default();
        with_local_recorder(&registry, || {
            describe_counter!("b_total", "What b is.");
            counter!("b_total", "name" => "two").increment(2);
            counter!("b_total", "name" => "a \"quoted\"\\\n").increment(1);
            counter!("b_total", "name" => "two").increment(3);
            gauge!("a").set(2.5);
            gauge!("a").decrement(1.0);
            for value in [0.0001, 0.0005, 0.3, 100.0] {
                histogram!("c_seconds", "method" => "search").record(value);
            }
        });
        let text = registry.render();
        let expected = "# TYPE a gauge\na 1.5\n# HELP b_total What b is.\n# TYPE b_total counter\n\
                        b_total{name=\"a \\\"quoted\\\"\\\\\\n\"} 1\nb_total{name=\"two\"} 5\n# TYPE c_seconds histogram\n\
                        c_seconds_bucket{method=\"search\",le=\"0.0002\"} 1\n\
                        c_seconds_bucket{method=\"search\",le=\"0.0005\"} 2\n";
        assert!(text.starts_with(expected), "{text}");
        for line in [
            "c_seconds_bucket{method=\"search\",le=\"0.25\"} 2\n",
            "c_seconds_bucket{method=\"search\",le=\"0.5\"} 3\n",
            "c_seconds_bucket{method=\"search\",le=\"+Inf\"} 4\n",
            "c_seconds_sum{method=\"search\"} 100.3006\n",
            "c_seconds_count{method=\"search\"} 4\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
