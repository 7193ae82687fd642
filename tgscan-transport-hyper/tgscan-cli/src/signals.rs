//! Signals that ask the program to end.

use crate::exit::{Code, Failure};

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
}

/// The signals that arrive from now on.
#[cfg(unix)]
pub(crate) struct Signals(
    tokio::signal::unix::Signal,
    tokio::signal::unix::Signal,
    tokio::signal::unix::Signal,
);

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(Code::Other, format!("signals cannot be received: {error}")))
        };
        Ok(Self(
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ))
    }

    /// Waits for the next one. Can be dropped and called again without losing any.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.0.recv() => Signal::Interrupt,
            _ = self.1.recv() => Signal::Terminate,
            _ = self.2.recv() => Signal::Hangup,
        }
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

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}
