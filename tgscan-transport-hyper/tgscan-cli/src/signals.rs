//! Signals that ask the program to end.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::exit::{Code, Failure};

/// The time to wait, after a signal, for a write to end. A reader may have stopped reading.
pub(crate) const WRITE_LIMIT: Duration = Duration::from_secs(3);

/// A signal that asks the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// `kill`, `docker stop`.
    Terminate,
    /// The terminal or the connection to it was closed.
    Hangup,
}

impl Signal {
    /// The exit code, as shells report it.
    pub(crate) fn code(self) -> Code {
        match self {
            Self::Interrupt => Code::Interrupted,
            Self::Terminate => Code::Terminated,
            Self::Hangup => Code::HungUp,
        }
    }

    /// Returns the signal with an exit code.
    pub(crate) fn of(code: Code) -> Option<Self> {
        [Self::Interrupt, Self::Terminate, Self::Hangup].into_iter().find(|signal| signal.code() == code)
    }
}

/// Makes a write beyond the limit on the size of files (`ulimit -f`) fail, as on a full disk, instead of ending the program.
#[cfg(unix)]
pub(crate) fn ignore_file_limit() {
    // SIGXFSZ of Linux and BSD. Its handler stays installed.
    _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(25));
}

#[cfg(not(unix))]
pub(crate) fn ignore_file_limit() {}

/// The pager: not started, running, or ended.
static PAGER: AtomicU8 = AtomicU8::new(0);
const RUNNING: u8 = 1;
const ENDED: u8 = 2;

/// A pager that may be running. Meanwhile, Ctrl-C is for the pager.
pub(crate) struct Paging(());

impl Paging {
    pub(crate) fn begin() -> Self {
        PAGER.store(RUNNING, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Paging {
    fn drop(&mut self) {
        PAGER.store(ENDED, Ordering::Relaxed);
    }
}

/// Returns whether an interrupt is for the pager: while it runs, and once after its end, because the interrupt may be
/// noticed late.
fn is_for_pager() -> bool {
    PAGER.compare_exchange(ENDED, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        || PAGER.load(Ordering::Relaxed) == RUNNING
}

/// A mask of the signals that were ignored when the program began, as with `nohup`. They stay ignored. Known on Linux only.
#[cfg(unix)]
static IGNORED: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
});

/// The signals that arrive from now on; `None` for an ignored one.
#[cfg(unix)]
pub(crate) struct Signals([Option<tokio::signal::unix::Signal>; 3]);

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind: SignalKind| {
            if (*IGNORED >> (kind.as_raw_value() - 1)) & 1 == 1 {
                return Ok(None);
            }
            signal(kind)
                .map(Some)
                .map_err(|error| Failure::new(Code::Other, format!("signals cannot be received: {error}")))
        };
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    /// Waits for the next one that is not for a pager. Can be dropped and called again without losing any.
    pub(crate) async fn next(&mut self) -> Signal {
        let [interrupt, terminate, hangup] = &mut self.0;
        loop {
            let signal = tokio::select! {
                () = received(interrupt) => Signal::Interrupt,
                () = received(terminate) => Signal::Terminate,
                () = received(hangup) => Signal::Hangup,
            };
            if signal != Signal::Interrupt || !is_for_pager() {
                return signal;
            }
        }
    }
}

#[cfg(unix)]
async fn received(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

/// The signals that arrive from now on.
#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self)
    }

    /// Waits for the next one that is not for a pager.
    pub(crate) async fn next(&mut self) -> Signal {
        loop {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            if !is_for_pager() {
                return Signal::Interrupt;
            }
        }
    }
}
