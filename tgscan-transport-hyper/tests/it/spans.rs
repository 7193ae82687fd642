//! Spans and events as a subscriber receives them, at every level and from every crate.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tgscan_core::types::Search;
use tgscan_transport_hyper::traced;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest};
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::Current;

use crate::server::{Server, response};
use crate::tls_server::{Authority, BOTH, Ending, TlsServer, for_host};
use crate::{KEY, QUERY, api, impatient};

/// Records every span with its parent, every field and every event, at every level.
#[derive(Clone, Default)]
struct Everything {
    lines: Arc<Mutex<String>>,
    /// The spans by number, starting at 1, and the numbers of the entered ones.
    spans: Arc<Mutex<(Vec<&'static Metadata<'static>>, Vec<u64>)>>,
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Everything {
    fn line(&self, name: &str, write: impl FnOnce(&mut Line<'_>)) {
        let mut lines = self.lines.lock().unwrap();
        lines.push_str(name);
        write(&mut Line(&mut lines));
        lines.push('\n');
    }

    fn take(&self) -> String {
        std::mem::take(&mut self.lines.lock().unwrap())
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut spans = self.spans.lock().unwrap();
        let (all, entered) = &mut *spans;
        let parent = entered.last().map(|number| all[usize::try_from(*number).unwrap() - 1].name());
        self.line(span.metadata().name(), |line| {
            span.record(line);
            write!(line.0, " parent={parent:?}").unwrap();
        });
        all.push(span.metadata());
        Id::from_u64(all.len().try_into().unwrap())
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.line("recorded", |line| values.record(line));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.line(event.metadata().target(), |line| event.record(line));
    }

    fn enter(&self, span: &Id) {
        self.spans.lock().unwrap().1.push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        // Another thread may have entered a span meanwhile.
        let entered = &mut self.spans.lock().unwrap().1;
        let at = entered.iter().rposition(|number| *number == span.into_u64());
        entered.remove(at.unwrap());
    }

    fn current_span(&self) -> Current {
        let spans = self.spans.lock().unwrap();
        let (all, entered) = &*spans;
        entered.last().map_or(Current::none(), |number| {
            Current::new(Id::from_u64(*number), all[usize::try_from(*number).unwrap() - 1])
        })
    }
}

/// A global subscriber that keeps all callsites enabled. Without one, a thread without a subscriber that reaches a span first
/// disables it for all threads.
struct Undecided;

impl Subscriber for Undecided {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Records the spans and events of this thread.
fn collecting(everything: &Everything) -> DefaultGuard {
    // An error means that another test has set it.
    let _ = tracing::subscriber::set_global_default(Undecided);
    tracing::subscriber::set_default(everything.clone())
}

const BODY: &str =
    r#"{"status":"ok","result":{"meta":{"search_query":"private_answer","op_cost":3},"groups":[]}}"#;

fn assert_private(seen: &str) {
    for secret in [KEY, QUERY, "private_answer", "path_t0ken"] {
        assert!(!seen.contains(secret), "{seen}");
    }
}

fn assert_seen(seen: &str, fields: &[&str]) {
    for field in fields {
        assert!(seen.contains(field), "{field} is not in {seen}");
    }
}

#[tokio::test]
async fn spans_name_call_and_attempt_and_contain_no_secret() {
    let everything = Everything::default();
    let _collecting = collecting(&everything);
    let server = Server::answering(response("200 OK", "", BODY)).await;
    let client = crate::transport().client(api(&format!("{}/path_t0ken", server.url())));
    let _ = traced(&client, Search { query: QUERY.parse().unwrap() }).await;
    let seen = everything.take();
    assert_seen(
        &seen,
        &[
            "tgscan.call otel.name=\"search\" tgscan.method=\"search\"",
            "tgscan.attempt otel.name=\"POST\" otel.kind=\"client\" http.request.method=\"POST\"",
            "http.request.resend_count=0 server.address=\"127.0.0.1\"",
            &format!("server.port={}", server.address.port()),
            "tgscan.method=\"search\"",
            "http.response.status_code=200",
            "network.protocol.version=\"1.1\"",
            &format!("http.response.body.size={}", BODY.len()),
            "tgscan.attempts=1",
            "tgscan.credits=3 credits charged",
            "tgscan.credits.charged=3",
        ],
    );
    let attempt = seen.lines().find(|line| line.starts_with("tgscan.attempt")).unwrap();
    assert!(attempt.ends_with("parent=Some(\"tgscan.call\")"), "{attempt}");
    assert_private(&seen);
}

#[tokio::test]
async fn spans_of_failures_have_type_and_delivery() {
    let everything = Everything::default();
    let _collecting = collecting(&everything);
    let stalling = Server::stalling("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nprivate_answer").await;
    let gateway = Server::answering(response("502 Bad Gateway", "", "<html>private_answer")).await;
    for (server, fields) in [
        (&stalling, ["error.type=\"timeout\"", "tgscan.delivery=response started"]),
        (&gateway, ["error.type=\"502\"", "error.type=\"not_envelope\""]),
    ] {
        let client = impatient().client(api(&format!("{}/path_t0ken", server.url())));
        traced(&client, Search { query: QUERY.parse().unwrap() }).await.unwrap_err();
        let seen = everything.take();
        assert_seen(&seen, &fields);
        assert_seen(&seen, &["otel.status_code=\"ERROR\"", "tgscan.credits=credits uncertain"]);
        assert_private(&seen);
    }
}

/// hyper, h2 and hyper-util emit events at levels that are enabled for debugging.
#[tokio::test]
async fn events_of_lower_layers_contain_no_secret() {
    let everything = Everything::default();
    let _collecting = collecting(&everything);
    let authority = Authority::new();
    let server = TlsServer::start(authority.server(&for_host("127.0.0.1"), BOTH), Ending::Complete).await;
    let client = authority.trusted().build().unwrap().client(api(&format!("{}/path_t0ken", server.url())));
    let _ = traced(&client, Search { query: QUERY.parse().unwrap() }).await;
    let seen = everything.take();
    assert_seen(&seen, &["tgscan.attempt", "tgscan.call", "h2::"]);
    assert_private(&seen);
}

/// A paid call with a deadline runs in a task, here on a thread without a subscriber.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn attempt_of_a_spawned_call_is_a_child_of_the_callers_span() {
    let everything = Everything::default();
    let _collecting = collecting(&everything);
    let server = Server::answering(response("200 OK", "", BODY)).await;
    let client = crate::transport().client(api(&server.url())).with_deadline(Duration::from_secs(60));
    let _ = traced(&client, Search { query: QUERY.parse().unwrap() }).await;
    let seen = everything.take();
    let attempt = seen.lines().find(|line| line.starts_with("tgscan.attempt")).unwrap();
    assert!(attempt.ends_with("parent=Some(\"tgscan.call\")"), "{attempt}");
}
