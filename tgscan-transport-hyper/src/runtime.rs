//! What the tokio runtime of a call must have. tokio panics where something is missing; calls get an error instead.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Handle, Id};

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    Runtime,
    Time,
    Io,
}

impl Lack {
    /// What to do about it.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Runtime => {
                "there is no tokio runtime here; call from inside one, such as under `#[tokio::main]`"
            }
            Self::Time => {
                "the tokio runtime has no timers, which every call needs; build it with `enable_time` or `enable_all`"
            }
            Self::Io => {
                "the tokio runtime has no I/O, which every call needs; build it with `enable_io` or `enable_all`"
            }
        }
    }
}

impl std::error::Error for Lack {}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.remedy())
    }
}

/// The runtimes that were found to lack something, the latest last. tokio tells by a panic alone, which prints a message
/// and so should happen once per runtime.
static LACKING: Mutex<Vec<(Id, Lack)>> = Mutex::new(Vec::new());

/// More runtimes than this are asked again.
const REMEMBERED: usize = 16;

fn remember(id: Id, lack: Lack) {
    let mut lacking = LACKING.lock().unwrap_or_else(PoisonError::into_inner);
    if lacking.len() == REMEMBERED {
        lacking.remove(0);
    }
    lacking.push((id, lack));
}

fn remembered(id: Id) -> Option<Lack> {
    let lacking = LACKING.lock().unwrap_or_else(PoisonError::into_inner);
    lacking.iter().find(|(of, _)| *of == id).map(|(_, lack)| *lack)
}

/// The current runtime.
pub(crate) fn current() -> Result<Id, Lack> {
    Handle::try_current().map(|handle| handle.id()).map_err(|_| Lack::Runtime)
}

/// Finds out whether the current runtime, which is this one, has timers. Not for every call: it makes one.
pub(crate) fn check_time(id: Id) -> Result<(), Lack> {
    match remembered(id) {
        Some(lack) => Err(lack),
        None => catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).map_err(|_| {
            remember(id, Lack::Time);
            Lack::Time
        }),
    }
}

/// A future that opens sockets, and ends with an error where the runtime has no I/O.
pub(crate) struct NeedsIo<F>(pub(crate) F);

impl<F, Output, E> Future for NeedsIo<F>
where
    F: Future<Output = Result<Output, E>> + Unpin,
    E: From<Lack>,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let id = current()?;
        if let Some(lack) = remembered(id) {
            return Poll::Ready(Err(lack.into()));
        }
        // After a panic, nobody polls the future again.
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.0).poll(context))) {
            Ok(poll) => poll,
            Err(panic) if is_about_io(&*panic) => {
                remember(id, Lack::Io);
                Poll::Ready(Err(Lack::Io.into()))
            }
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// Whether this is tokio's "IO is disabled. Call `enable_io` on the runtime builder to enable IO."
fn is_about_io(panic: &(dyn Any + Send)) -> bool {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .is_some_and(|text| text.contains("`enable_io`"))
}
