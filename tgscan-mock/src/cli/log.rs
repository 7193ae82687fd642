//! The log of `serve`, on its own thread, so that a full pipe does not delay answers.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use crate::warn;

/// The largest number of waiting lines. Further lines are dropped and counted.
const LINES: usize = 1000;
/// The limit for writing the last lines when the server stops.
const FINISH_LIMIT: Duration = Duration::from_millis(500);

static LOG: OnceLock<SyncSender<Option<String>>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Starts the log. The receiver ends when all lines are written.
pub(crate) fn start() -> Receiver<()> {
    let (lines, waiting) = sync_channel(LINES);
    let (written, all_written) = channel();
    let _ = LOG.set(lines);
    std::thread::spawn(move || {
        while let Ok(Some(line)) = waiting.recv() {
            warn(&line);
            match DROPPED.swap(0, Ordering::Relaxed) {
                0 => {}
                dropped => {
                    warn(&format!("{dropped} lines were dropped, because the log was not read in time"));
                }
            }
        }
        let _ = written.send(());
    });
    all_written
}

/// Logs a line, unless too many lines are waiting.
pub(crate) fn line(line: &str) {
    let sent = LOG.get().map(|log| log.try_send(Some(line.to_owned())));
    if matches!(sent, Some(Err(TrySendError::Full(_)))) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits until the remaining lines are written, up to a limit.
pub(crate) fn finish(all_written: &Receiver<()>) {
    if LOG.get().is_some_and(|log| log.try_send(None).is_ok()) {
        let _ = all_written.recv_timeout(FINISH_LIMIT);
    }
}
