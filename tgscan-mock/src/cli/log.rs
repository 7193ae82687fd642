//! The log of `serve`: on a thread of its own, so that nobody who does not read it holds up an answer.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use crate::complain;

/// How many lines wait to be read; those beyond are counted.
const LINES: usize = 1000;
/// How long the last lines are waited for when the server stops.
const PATIENCE: Duration = Duration::from_millis(500);

static LOG: OnceLock<SyncSender<Option<String>>> = OnceLock::new();
static MISSED: AtomicU64 = AtomicU64::new(0);

/// Starts the log. The receiver hears when all of it is written.
pub(crate) fn start() -> Receiver<()> {
    let (lines, waiting) = sync_channel(LINES);
    let (written, all_written) = channel();
    let _ = LOG.set(lines);
    std::thread::spawn(move || {
        while let Ok(Some(line)) = waiting.recv() {
            complain(&line);
            match MISSED.swap(0, Ordering::Relaxed) {
                0 => {}
                missed => complain(&format!("{missed} lines were not read in time and are left out")),
            }
        }
        let _ = written.send(());
    });
    all_written
}

/// Logs a line, unless too many wait already.
pub(crate) fn line(line: &str) {
    let sent = LOG.get().map(|log| log.try_send(Some(line.to_owned())));
    if matches!(sent, Some(Err(TrySendError::Full(_)))) {
        MISSED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits for the lines that are left, if somebody reads them.
pub(crate) fn finish(all_written: &Receiver<()>) {
    if LOG.get().is_some_and(|log| log.try_send(None).is_ok()) {
        let _ = all_written.recv_timeout(PATIENCE);
    }
}
