//! How the program ends, and why.

use std::fmt;
use std::io;
use std::process::ExitCode;

use tgscan_core::store::{StoreError, StoreRefusal};
use tgscan_core::{Credits, Error, ErrorKind, Refusal};

/// An exit code; `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Code {
    Done = 0,
    Other = 1,
    Usage = 2,
    Refused = 3,
    NoCredits = 4,
    Network = 5,
    Uncertain = 6,
    Undecodable = 7,
    /// As the shell says after Ctrl-C.
    Interrupted = 130,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Why the program ends, in the words of the command line.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    text: String,
}

impl Failure {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Code::Usage, text)
    }

    /// The reader of the output went away, which is no failure.
    pub(crate) fn closed_pipe() -> Self {
        Self::new(Code::Done, "")
    }

    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::closed_pipe();
        }
        Self::new(Code::Other, format!("the output cannot be written: {error}"))
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// Whether there is nothing to say.
    pub(crate) fn is_quiet(&self) -> bool {
        self.text.is_empty()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Code::Other, format!("the store failed: {error}"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { code: code_of(&error), text: explain(&error) }
    }
}

/// The exit code of a call that failed.
pub(crate) fn code_of(error: &Error) -> Code {
    if error.credits() == Credits::Uncertain {
        return Code::Uncertain;
    }
    match error.kind() {
        ErrorKind::InvalidQuery(_) => Code::Usage,
        ErrorKind::CapReached(_) | ErrorKind::Store(StoreRefusal::CapReached(_)) => Code::NoCredits,
        ErrorKind::Store(StoreRefusal::Uncertain { .. } | StoreRefusal::InFlight { .. }) => Code::Uncertain,
        ErrorKind::Api(refused) => match refused.refusal() {
            Refusal::InvalidKey => Code::Refused,
            Refusal::NoCredits => Code::NoCredits,
            Refusal::BadQuery => Code::Usage,
            Refusal::TooManyRequests | Refusal::Unavailable => Code::Network,
            _ => Code::Other,
        },
        ErrorKind::Transport(_) | ErrorKind::UnexpectedResponse(_) => Code::Network,
        ErrorKind::Decode(_) => Code::Undecodable,
        _ => Code::Other,
    }
}

/// What happened, in a line, with flags where the SDK speaks of functions.
pub(crate) fn explain(error: &Error) -> String {
    let cost = match error.credits() {
        Credits::NotCharged => "nothing was charged".to_owned(),
        other => other.to_string(),
    };
    match error.kind() {
        ErrorKind::CapReached(reached) => {
            let cap = reached.ledger.cap.unwrap_or(u64::MAX);
            format!("the limit of {cap} credits leaves no room (`--max-credits`); nothing was sent")
        }
        ErrorKind::Store(StoreRefusal::Uncertain { call, charged, .. }) => {
            let what = match charged {
                Some(credits) => format!("cost {credits} credits and brought no answer"),
                None => "may have been charged".to_owned(),
            };
            format!(
                "an earlier call with this question {what}; nothing was sent. See `tgscan store uncertain`, and settle \
                 it with `tgscan store reconcile` or `tgscan store settle {call} CREDITS`"
            )
        }
        ErrorKind::Store(StoreRefusal::NotStored) => {
            "the store has no answer that is young enough, and `--stored-only` sends nothing".to_owned()
        }
        ErrorKind::Store(StoreRefusal::Failed(error)) => {
            format!("the store failed, so nothing was sent: {error}")
        }
        ErrorKind::Api(refused) => match refused.refusal() {
            Refusal::InvalidKey => format!("the service refuses the API key; {cost}"),
            Refusal::NoCredits => format!("the balance does not cover the call; {cost}"),
            _ => format!("{refused}; {cost}"),
        },
        ErrorKind::Decode(_) => {
            format!(
                "the answer came, but is not as documented ({cost}); `--raw` prints it as it came: {error}"
            )
        }
        _ => error.to_string(),
    }
}
