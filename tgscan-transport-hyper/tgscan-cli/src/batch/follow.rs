//! Takes the results of the jobs, and writes them.

use std::time::{Duration, Instant};

use tgscan_core::{Client, Error, Refusal, Storage};
use tokio::sync::mpsc;

use super::Batch;
use super::bill::Stop;
use super::input::Account;
use super::order::Order;
use super::output::{Unwritten, Writer};
use super::work::{self, Ending, Found};
use crate::exit::{Code, Failure};
use crate::explain::{explain, received};
use crate::files::UNWRITTEN;
use crate::show::Show;
use crate::signals::{Signal, WRITE_LIMIT};

/// The time to wait, after a second signal, for results of calls that have ended, and for each write.
const LAST: Duration = Duration::from_millis(100);

impl Batch<'_> {
    /// Takes and writes results until all jobs have ended or a second signal arrives. After a second signal, returns the
    /// number of calls in flight.
    pub(super) async fn follow<A: Show>(
        &mut self,
        client: &Client,
        mut endings: mpsc::Receiver<Ending<A>>,
        mut order: Order<Ending<A>>,
        mut writer: Writer<A>,
    ) -> Option<u64> {
        let mut tick = tokio::time::interval(crate::waiting::TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut has_ended = false;
        let is_abandoned = loop {
            writer.start();
            let writing_since = writer.writing_since();
            if has_ended && writing_since.is_none() {
                break false;
            }
            // Before a signal, a reader may take any time.
            let give_up = writing_since.zip(self.signalled_at).map(|(began, at)| began.max(at) + WRITE_LIMIT);
            tokio::select! {
                biased;
                signal = self.signals.next() => {
                    if self.stop_at(signal) {
                        break true;
                    }
                }
                written = writer.written(), if writing_since.is_some() => self.note_written(written),
                ending = endings.recv(), if !has_ended => {
                    if let Some(ending) = ending {
                        order.add(ending.number, ending);
                        while let Some(ending) = order.take() {
                            self.end(ending, &mut writer);
                        }
                    } else {
                        has_ended = true;
                        // A stopped call has no result, so the results after it still wait for their turn.
                        order.rest().for_each(|ending| self.end(ending, &mut writer));
                    }
                }
                () = until(give_up) => self.give_up(&mut writer),
                _ = tick.tick() => self.progress.tick(&self.bill, client.paused_for()),
            }
        };
        let mut in_flight = None;
        if is_abandoned {
            // These calls have ended, and may have been paid for.
            while let Ok(Some(ending)) = tokio::time::timeout(LAST, endings.recv()).await {
                order.add(ending.number, ending);
            }
            in_flight = Some(client.drain(Duration::ZERO).await.calls);
            order.rest().for_each(|ending| self.end(ending, &mut writer));
            writer.start();
            while writer.writing_since().is_some() {
                match tokio::time::timeout(LAST, writer.written()).await {
                    Ok(written) => self.note_written(written),
                    Err(_) => self.give_up(&mut writer),
                }
                writer.start();
            }
        }
        self.sync(writer).await;
        in_flight
    }

    /// Waits until the rows are on the disk.
    async fn sync<A: Show>(&mut self, writer: Writer<A>) {
        let (sink, sync_aside) = (writer.into_sink(), self.set_aside.sync());
        let mut stopped_by = self.bill.signal();
        let sync = move || {
            let rows = sink.map_or(Ok(()), |sink| sink.sync());
            rows.and(sync_aside().map_err(|error| {
                Failure::new(Code::Other, format!("answers set aside may not be on the disk: {error}"))
            }))
        };
        let synced = self.signals.finish_write(&mut stopped_by, sync).await;
        if let (Some(signal), None) = (stopped_by, self.signalled_at) {
            self.stop_at(signal);
        }
        let failure = match synced {
            Some(synced) => synced.err(),
            None => {
                Some(Failure::new(self.signal_code(), "the rows may not be on the disk: it does not respond"))
            }
        };
        self.failure = self.failure.take().or(failure);
    }

    /// Stops writing, because nothing takes the rows.
    fn give_up<A: Show>(&mut self, writer: &mut Writer<A>) {
        let endings = writer.abandon();
        self.note_written(Err((Failure::stalled(self.signal_code()), endings)));
    }

    /// Records that rows were written. If not, sets their answers aside.
    fn note_written<A: Show>(&mut self, written: Result<(), Unwritten<A>>) {
        let Err((failure, endings)) = written else { return };
        self.fail(failure);
        for ending in &endings {
            self.keep_unwritten(ending);
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
        self.stop(Stop::Output);
    }

    /// Returns the exit code of the signal that stopped the batch.
    fn signal_code(&self) -> Code {
        self.bill.signal().map_or(Code::Other, Signal::code)
    }

    fn stop(&mut self, why: Stop) {
        self.control.stop();
        self.bill.stopped.get_or_insert(why);
    }

    /// Stops at a signal. Returns whether it is the second one.
    pub(super) fn stop_at(&mut self, signal: Signal) -> bool {
        if self.signalled_at.is_some() {
            return true;
        }
        self.signalled_at = Some(Instant::now());
        self.control.stop();
        self.bill.stopped = Some(Stop::Signal(signal));
        self.progress.say("stopping: calls in flight end first; Ctrl-C again stops immediately");
        false
    }

    fn end<A: Show>(&mut self, ending: Ending<A>, writer: &mut Writer<A>) {
        let account = &ending.account;
        let Some(result) = &ending.result else { return self.stop(Stop::Limit) };
        let is_shown = self.bill.add(result);
        match result {
            Ok(found) if found.is_mismatched() => self.keep_mismatched(account, found),
            Ok(_) => self.write(ending, writer),
            Err(error) => {
                if is_shown {
                    let (line, query) = (account.first.line, account.query.as_str());
                    self.progress.say(&format!("line {line}: {query}: {}", explain(error, self.global)));
                }
                self.keep_received(account, error);
                if work::is_final(error) {
                    self.stop(match error.refusal() {
                        Some(Refusal::InvalidKey) => Stop::Key,
                        Some(_) => Stop::Balance,
                        None => Stop::Store,
                    });
                }
            }
        }
        self.progress.update(&self.bill);
    }

    /// Writes rows, unless writing has failed.
    fn write<A: Show>(&mut self, ending: Ending<A>, writer: &mut Writer<A>) {
        if self.failure.is_some() {
            return self.keep_unwritten(&ending);
        }
        let added = writer.add(ending);
        self.note_written(added);
    }

    /// Sets aside a new answer that cannot be written, unless it is in a store.
    fn keep_unwritten<A>(&mut self, ending: &Ending<A>) {
        let Some(Ok(found)) = &ending.result else { return };
        let Some(reply) = found.reply.as_ref().filter(|_| !found.is_stored()) else { return };
        if reply.storage().is_some_and(|storage| matches!(storage, Storage::Stored)) {
            self.bill.only_stored += 1;
            return;
        }
        self.keep(&ending.account, UNWRITTEN, found.credits(), reply.raw());
    }

    fn keep_mismatched<A>(&mut self, account: &Account, found: &Found<A>) {
        let Some(reply) = &found.reply else { return };
        let (line, query) = (account.first.line, account.query.as_str());
        self.progress.say(&format!(
            "line {line}: {query}: the answer is to another question and may be another account's; it is set aside and not written"
        ));
        self.keep(account, "it answers another question", found.credits(), reply.raw());
    }

    /// Sets aside a response that cannot be read and may have been paid for.
    fn keep_received(&mut self, account: &Account, error: &Error) {
        if let Some(body) = received(error) {
            self.keep(account, "it cannot be read", error.credits().charged(), body);
        }
    }

    fn keep(&mut self, account: &Account, why: &str, credits: u64, body: &[u8]) {
        if self.set_aside.keep(&account.query.as_str(), why, credits, body).is_err() {
            let body = String::from_utf8_lossy(body);
            self.progress.say(&format!("not written: {}: {}", account.query.as_str(), body.trim_end()));
        }
    }
}

/// Waits until this time, or forever.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
