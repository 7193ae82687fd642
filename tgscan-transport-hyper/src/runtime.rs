//! Checks that the tokio runtime of a call has timers and I/O. tokio panics without them; calls return an error instead.

use std::fmt;
use std::net::{Ipv4Addr, UdpSocket};
use std::panic::catch_unwind;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Id};

/// A missing part of the tokio runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeError {
    Runtime,
    Time,
    Io,
}

impl RuntimeError {
    /// Returns the error text, which includes the remedy.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Runtime => {
                "the call runs outside a tokio runtime; run it inside one, e.g. under `#[tokio::main]`"
            }
            Self::Time => {
                "the tokio runtime has no timers, which calls need; build it with `enable_time` or `enable_all`"
            }
            Self::Io => {
                "the tokio runtime has no I/O, which calls need; build it with `enable_io` or `enable_all`"
            }
        }
    }
}

impl std::error::Error for RuntimeError {}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.remedy())
    }
}

/// The runtimes known to be incomplete, newest last. tokio reports this only by a panic, which prints a message, so each
/// runtime is checked once.
static UNUSABLE: Mutex<Vec<(Id, RuntimeError)>> = Mutex::new(Vec::new());

/// The maximum length of the list. Older runtimes are checked again.
const REMEMBERED: usize = 16;

fn remember(id: Id, error: RuntimeError) {
    let mut unusable = UNUSABLE.lock().unwrap_or_else(PoisonError::into_inner);
    if unusable.len() == REMEMBERED {
        unusable.remove(0);
    }
    unusable.push((id, error));
}

fn remembered(id: Id) -> Option<RuntimeError> {
    let unusable = UNUSABLE.lock().unwrap_or_else(PoisonError::into_inner);
    unusable.iter().find(|(of, _)| *of == id).map(|(_, error)| *error)
}

/// Returns the id of the current runtime.
pub(crate) fn current() -> Result<Id, RuntimeError> {
    Handle::try_current().map(|handle| handle.id()).map_err(|_| RuntimeError::Runtime)
}

/// Checks that the current runtime, whose id is `id`, has timers. Creates a timer, so it is too slow for every call.
pub(crate) fn check_time(id: Id) -> Result<(), RuntimeError> {
    match remembered(id) {
        Some(error) => Err(error),
        None => catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).map_err(|_| {
            remember(id, RuntimeError::Time);
            RuntimeError::Time
        }),
    }
}

/// Checks that the current runtime, whose id is `id`, has I/O. Registers a socket, so it is too slow for every call.
pub(crate) fn check_io(id: Id) -> Result<(), RuntimeError> {
    if let Some(error) = remembered(id) {
        return Err(error);
    }
    // Without a free descriptor, connecting fails too, before it needs the runtime.
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) else { return Ok(()) };
    if socket.set_nonblocking(true).is_err() {
        return Ok(());
    }
    catch_unwind(|| drop(tokio::net::UdpSocket::from_std(socket))).map_err(|_| {
        remember(id, RuntimeError::Io);
        RuntimeError::Io
    })
}
