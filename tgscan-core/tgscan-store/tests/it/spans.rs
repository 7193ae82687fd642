//! Spans of calls with a store.

use std::sync::{Arc, Mutex};

use tgscan_core::Api;
use tgscan_core::types::Search;
use tgscan_mock::{MockServer, ServerOptions};
use tgscan_store::MemoryStore;
use tgscan_transport_hyper::{HyperTransport, traced};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::Current;

use crate::support::{mock, policy};

#[derive(Default)]
struct Seen {
    /// Spans by their number, from 1 on, and the span in which each began.
    spans: Vec<(&'static Metadata<'static>, Option<&'static str>)>,
    entered: Vec<Id>,
}

impl Seen {
    fn current(&self) -> Option<(&Id, &'static Metadata<'static>)> {
        let id = self.entered.last()?;
        Some((id, self.spans[usize::try_from(id.into_u64()).unwrap() - 1].0))
    }
}

/// Notes in which span each span begins.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Seen>>);

impl Subscriber for Spans {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut seen = self.0.lock().unwrap();
        let parent = seen.current().map(|(_, parent)| parent.name());
        seen.spans.push((span.metadata(), parent));
        Id::from_u64(seen.spans.len().try_into().unwrap())
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().entered.push(span.clone());
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().entered.pop();
    }

    fn current_span(&self) -> Current {
        let seen = self.0.lock().unwrap();
        seen.current().map_or_else(Current::none, |(id, span)| Current::new(id.clone(), span))
    }
}

#[test]
fn attempt_of_a_call_with_a_store_begins_in_the_span_of_the_call() {
    // One thread, so that the collector sees the task of the call too.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let spans = Spans::default();
    let _collecting = tracing::subscriber::set_default(spans.clone());
    runtime.block_on(async {
        let mock = mock();
        let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
        let api = Api::with_base_url(&server.url(), mock.live_key()).unwrap();
        let client = HyperTransport::builder().build().unwrap().client(api);
        let client = client.with_store(Arc::new(MemoryStore::new()), policy());
        traced(&client, Search { query: "alice_1".parse().unwrap() }).await.unwrap();
    });
    let seen = spans.0.lock().unwrap();
    let named: Vec<_> = seen.spans.iter().map(|(span, parent)| (span.name(), *parent)).collect();
    let spans: Vec<_> = named.into_iter().filter(|(name, _)| name.starts_with("tgscan")).collect();
    assert_eq!(spans, [("tgscan.call", None), ("tgscan.attempt", Some("tgscan.call"))]);
}
