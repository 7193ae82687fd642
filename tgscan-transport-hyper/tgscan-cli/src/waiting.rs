//! Shows on a terminal that the program is waiting.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The time before the line appears.
const SILENCE: Duration = Duration::from_secs(1);
/// The interval between two drawings.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Creates a bar on a terminal, and a hidden one elsewhere. `{wide_msg}` in its template is cut to the width of the terminal,
/// which is queried for each drawing.
pub(crate) fn bar(length: Option<u64>, is_quiet: bool, template: &str) -> ProgressBar {
    let is_shown = std::io::stderr().is_terminal() && !is_quiet;
    let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(length, target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// A line that appears after a second.
pub(crate) struct Waiting {
    bar: ProgressBar,
    began: Instant,
}

impl Waiting {
    pub(crate) fn new(is_quiet: bool) -> Self {
        Self { bar: bar(None, is_quiet, "{spinner} {wide_msg}"), began: Instant::now() }
    }

    /// Draws the line; all requests wait for `pause`, if there is one.
    pub(crate) fn tick(&self, pause: Option<Duration>) {
        let waited = self.began.elapsed();
        if waited < SILENCE {
            return;
        }
        self.bar.set_message(match pause {
            Some(pause) => rate_limited(pause),
            None => format!("waiting for the answer: {} s", waited.as_secs()),
        });
        self.bar.tick();
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Describes the reason and the length of a pause.
pub(crate) fn rate_limited(pause: Duration) -> String {
    format!("rate limited: continuing in {} s", pause.as_millis().div_ceil(1000))
}
