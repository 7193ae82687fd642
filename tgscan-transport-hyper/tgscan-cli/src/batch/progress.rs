//! Shows the progress of a batch: a bar on a terminal, else a line every few seconds.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::bill::Bill;
use crate::print;
use crate::waiting::{bar, rate_limited};

/// The interval between lines without a terminal.
const EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Progress {
    bar: ProgressBar,
    total: u64,
    /// The balance before the batch.
    balance: i64,
    lines: bool,
    began: Instant,
    last: Instant,
    pause: Option<Duration>,
}

impl Progress {
    pub(crate) fn new(total: usize, balance: i64, is_quiet: bool) -> Self {
        let bar = bar(Some(total as u64), is_quiet, "{spinner} {pos}/{len}  {wide_msg}");
        let now = Instant::now();
        let lines = !std::io::stderr().is_terminal() && !is_quiet;
        Self { bar, total: total as u64, balance, lines, began: now, last: now, pause: None }
    }

    pub(crate) fn update(&mut self, bill: &Bill) {
        self.bar.set_position(bill.done());
        if self.lines && self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            print::note(&format!("{}/{}  {}", bill.done(), self.total, self.message(bill)));
        } else if !self.bar.is_hidden() {
            self.bar.set_message(self.message(bill));
        }
    }

    /// Shows that the batch is running, even while no call ends.
    pub(crate) fn tick(&mut self, bill: &Bill, pause: Option<Duration>) {
        if let (true, Some(pause), None) = (self.lines, pause, self.pause) {
            print::note(&rate_limited(pause));
        }
        self.pause = pause;
        self.update(bill);
        self.bar.tick();
    }

    fn message(&self, bill: &Bill) -> String {
        if let Some(pause) = self.pause {
            return rate_limited(pause);
        }
        let left = self.balance.saturating_sub(i64::try_from(bill.charged).unwrap_or(i64::MAX));
        let (done, open) = (bill.done().max(1), self.total.saturating_sub(bill.done()));
        let time = Duration::from_secs(self.began.elapsed().as_secs().saturating_mul(open) / done);
        format!(
            "{} stored, {} failed, {} credits spent, {left} left, {} to go",
            bill.stored,
            bill.failures(),
            bill.charged,
            humantime::format_duration(time)
        )
    }

    /// Prints a line above the bar.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| print::note(line));
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
