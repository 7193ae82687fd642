//! Ends output that may block, also after a signal.

use crate::print;
use crate::signals::{Signal, Signals, WRITE_LIMIT};

impl Signals {
    /// Runs a function that may block because of its output. After a signal, waits for up to [`WRITE_LIMIT`] or until
    /// the next signal, then returns `None` and leaves the function to its thread. Sets `stopped_by` to the signal.
    pub(crate) async fn finish_write<T: Send + 'static>(
        &mut self,
        stopped_by: &mut Option<Signal>,
        write: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let mut writing = tokio::task::spawn_blocking(write);
        while stopped_by.is_none() {
            tokio::select! {
                written = &mut writing => return written.ok(),
                signal = self.next() => *stopped_by = Some(signal),
            }
        }
        tokio::select! {
            written = tokio::time::timeout(WRITE_LIMIT, &mut writing) => written.ok()?.ok(),
            _ = self.next() => None,
        }
    }
}

/// Waits until all notes are printed. After a signal, waits only for a while.
pub(crate) async fn finish_notes(mut stopped_by: Option<Signal>) {
    let Some(done) = print::notes() else { return };
    let Ok(mut signals) = Signals::listen() else { return };
    signals.finish_write(&mut stopped_by, move || _ = done.recv()).await;
}
