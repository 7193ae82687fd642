//! Writes rows on a thread, because the reader of the output may stop reading.

use std::time::Instant;

use tokio::task::JoinHandle;

use super::{Format, Output, Sink};
use crate::batch::work::Ending;
use crate::exit::{Code, Failure};
use crate::show::Show;

/// The error of writing, and the accounts whose rows are not certainly written.
pub(crate) type Unwritten<A> = (Failure, Vec<Ending<A>>);

/// The rows that are being written.
struct Writing<A> {
    thread: JoinHandle<(Sink, Result<(), Failure>)>,
    endings: Vec<Ending<A>>,
    since: Instant,
}

/// An output whose rows are written one after another, while the caller continues.
pub(crate) struct Writer<A> {
    /// `None` while a thread uses it, and after that thread was left behind.
    sink: Option<Sink>,
    format: Format,
    writing: Option<Writing<A>>,
    /// The rows to write next, and the accounts that they are about.
    next_rows: Vec<u8>,
    next: Vec<Ending<A>>,
}

impl<A: Show> Writer<A> {
    pub(crate) fn new(output: Output) -> Self {
        let Output { sink, format } = output;
        Self { sink: Some(sink), format, writing: None, next_rows: Vec::new(), next: Vec::new() }
    }

    /// Adds the rows of an account to those that are written next. If they cannot be formatted, returns the account.
    pub(crate) fn add(&mut self, ending: Ending<A>) -> Result<(), Unwritten<A>> {
        let Some(Ok(found)) = &ending.result else { return Ok(()) };
        match self.format.rows(&ending.account, found) {
            Ok(rows) => self.next_rows.extend(rows),
            Err(failure) => return Err((failure, vec![ending])),
        }
        self.next.push(ending);
        Ok(())
    }

    /// Begins to write the rows that were added, unless others are being written.
    pub(crate) fn start(&mut self) {
        if self.next.is_empty() {
            return;
        }
        let Some(mut sink) = self.sink.take() else { return };
        let rows = std::mem::take(&mut self.next_rows);
        let thread = tokio::task::spawn_blocking(move || {
            let written = sink.write(&rows);
            (sink, written)
        });
        let endings = std::mem::take(&mut self.next);
        self.writing = Some(Writing { thread, endings, since: Instant::now() });
    }

    /// Waits for the rows that are being written. If that fails, returns their accounts and those of the rows that wait.
    /// Can be dropped and called again.
    pub(crate) async fn written(&mut self) -> Result<(), Unwritten<A>> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let result = match (&mut writing.thread).await {
            Ok((sink, result)) => {
                self.sink = Some(sink);
                result
            }
            Err(_) => Err(Failure::new(Code::Other, "the output cannot be written")),
        };
        if let Err(failure) = result {
            return Err((failure, self.abandon()));
        }
        self.writing = None;
        Ok(())
    }

    /// Returns since when rows are being written.
    pub(crate) fn writing_since(&self) -> Option<Instant> {
        self.writing.as_ref().map(|writing| writing.since)
    }

    /// Stops writing, and returns the accounts whose rows are not certainly written.
    pub(crate) fn abandon(&mut self) -> Vec<Ending<A>> {
        self.next_rows.clear();
        let mut unwritten = self.writing.take().map(|writing| writing.endings).unwrap_or_default();
        unwritten.append(&mut self.next);
        unwritten
    }

    /// Returns the output, unless a thread uses it.
    pub(crate) fn into_sink(self) -> Option<Sink> {
        self.sink
    }
}
