//! How far a batch is: a bar on a terminal, else a line now and then.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::bill::Bill;
use crate::print;

/// How often a line is printed where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Progress {
    bar: ProgressBar,
    total: u64,
    /// The balance before the batch.
    balance: i64,
    lines: bool,
    began: Instant,
    last: Instant,
}

impl Progress {
    pub(crate) fn new(total: usize, balance: i64, is_quiet: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target = if is_terminal && !is_quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len}  {msg}  {eta} to go") {
            bar.set_style(style);
        }
        let now = Instant::now();
        Self { bar, total: total as u64, balance, lines: !is_terminal && !is_quiet, began: now, last: now }
    }

    pub(crate) fn update(&mut self, bill: &Bill) {
        self.bar.set_position(bill.done());
        if self.lines && self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            let message = self.message(bill);
            let (done, open) = (bill.done().max(1), self.total.saturating_sub(bill.done()));
            let left = self.began.elapsed().as_secs().saturating_mul(open) / done;
            let left = humantime::format_duration(Duration::from_secs(left));
            print::note(&format!("{}/{}  {message}  {left} to go", bill.done(), self.total));
        } else if !self.bar.is_hidden() {
            self.bar.set_message(self.message(bill));
        }
    }

    fn message(&self, bill: &Bill) -> String {
        let left = self.balance.saturating_sub(i64::try_from(bill.charged).unwrap_or(i64::MAX));
        format!(
            "{} stored, {} failed, {} credits spent, {left} left",
            bill.stored,
            bill.failures(),
            bill.charged
        )
    }

    /// Says something above the bar.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| print::note(line));
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
