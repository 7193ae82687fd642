//! The access log: JSON lines on standard output, without queries, answers and keys.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::{Value, json};
use tgscan_core::Credits;
use tgscan_core::store::CallId;

use super::answer::Answer;

/// The maximum number of waiting lines. Further lines are dropped and counted, so that a reader that stops reading
/// blocks no caller.
const WAITING: usize = 10_000;
/// The number of bytes per write.
const BATCH: usize = 64 * 1024;
/// The time limit for writing the remaining lines at exit.
const CLOSE: Duration = Duration::from_secs(2);

/// Writes lines on a separate thread.
pub(crate) struct Log {
    lines: Mutex<Option<SyncSender<String>>>,
    done: Mutex<Receiver<()>>,
    dropped: Arc<AtomicU64>,
}

/// The fields of a request in the log, beside those of its answer.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) name: Option<String>,
    /// The API method; no other path is logged, because it could have a query in it.
    pub(crate) method: Option<&'static str>,
    pub(crate) is_test: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
    status: u16,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    credits: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<CallId>,
    ms: f64,
}

impl Log {
    pub(crate) fn start() -> Self {
        let (lines, written) = sync_channel::<String>(WAITING);
        let (finished, done) = sync_channel(1);
        let dropped = Arc::<AtomicU64>::default();
        let counter = dropped.clone();
        std::thread::spawn(move || {
            let mut out = std::io::stdout();
            while let Ok(mut lines) = written.recv() {
                // Those that wait are written together, which costs a call of the system for many requests.
                while lines.len() < BATCH {
                    let Ok(line) = written.try_recv() else { break };
                    lines.push_str(&line);
                }
                let dropped = counter.swap(0, Ordering::Relaxed);
                if dropped > 0 {
                    let line = json!({ "time": now(), "event": "lines_dropped", "lines": dropped });
                    lines.push_str(&format!("{line}\n"));
                }
                // A closed standard output is no reason to end.
                let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
            }
            let _ = finished.send(());
        });
        Self { lines: Mutex::new(Some(lines)), done: Mutex::new(done), dropped }
    }

    pub(crate) fn event(&self, event: &'static str, mut details: Value) {
        details["event"] = event.into();
        details["time"] = now().into();
        self.write(details.to_string());
    }

    pub(crate) fn request(&self, entry: &Entry, answer: &Answer, duration: Duration) {
        let line = Line {
            time: now(),
            event: "request",
            name: entry.name.as_deref(),
            method: entry.method,
            test: entry.is_test,
            status: answer.status.as_u16(),
            code: answer.code,
            credits: answer.credits.map(|credits| match credits {
                Credits::NotCharged => 0.into(),
                Credits::Charged(credits) => credits.into(),
                Credits::Uncertain => "uncertain".into(),
            }),
            storage: answer.storage,
            call: answer.call,
            ms: (duration.as_secs_f64() * 1e6).round() / 1e3,
        };
        if let Ok(line) = serde_json::to_string(&line) {
            self.write(line);
        }
    }

    fn write(&self, mut line: String) {
        line.push('\n');
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(TrySendError::Full(_))) = lines.as_ref().map(|lines| lines.try_send(line)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the lines so far are written.
    pub(crate) fn close(&self) {
        drop(self.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.done.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(CLOSE);
    }
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}
