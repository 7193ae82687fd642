//! How the program ends, and why.

use std::fmt;
use std::io;
use std::process::ExitCode;

use tgscan_core::bytes::Bytes;
use tgscan_core::store::{StoreError, StoreRefusal};
use tgscan_core::{Credits, Error, ErrorKind, Refusal};

use crate::args::Global;
use crate::{connect, help, words};

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
    /// As shells report the signals.
    HungUp = 129,
    Interrupted = 130,
    Terminated = 143,
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
        Self::new(Code::Other, format!("the store failed: {}", words::translated(&error.to_string())))
    }
}

impl Failure {
    /// Why a call failed; with the origin of the key, if the service refuses it.
    pub(crate) fn of_call(error: &Error, global: &Global) -> Self {
        let mut failure = Self { code: code_of(error), text: explain(error, global) };
        if error.refusal() == Some(Refusal::InvalidKey) {
            failure.text += &format!(". The key is from {}", connect::key_source(global));
        }
        failure
    }

    /// Adds to the text.
    pub(crate) fn and(mut self, more: &str) -> Self {
        self.text += more;
        self
    }
}

/// Why `--max-credits` refuses a call.
pub(crate) const LIMIT_REACHED: &str = "--max-credits leaves no room for this call; nothing was sent";

/// What was received and may have been paid for, without an answer that can be read.
pub(crate) fn received(error: &Error) -> Option<&Bytes> {
    // Pages of gateways are no answers.
    let response = error.response().filter(|response| response.status().is_success())?;
    let is_paid = error.attempts() > 0 && error.credits() != Credits::NotCharged;
    Some(response.body()).filter(|body| is_paid && !body.is_empty())
}

/// A number with its noun.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The exit code of a call that failed.
pub(crate) fn code_of(error: &Error) -> Code {
    if error.credits() == Credits::Uncertain {
        return Code::Uncertain;
    }
    match error.kind() {
        ErrorKind::InvalidQuery(_) => Code::Usage,
        ErrorKind::CapReached(_) => Code::NoCredits,
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
pub(crate) fn explain(error: &Error, global: &Global) -> String {
    let cost = match error.credits() {
        Credits::NotCharged => "nothing was charged".to_owned(),
        Credits::Uncertain => "it may have been charged".to_owned(),
        Credits::Charged(credits) => format!("it cost {}", counted(credits, "credit")),
    };
    match error.kind() {
        ErrorKind::CapReached(_) => LIMIT_REACHED.to_owned(),
        ErrorKind::Store(StoreRefusal::Uncertain { call, charged: Some(credits), .. }) => format!(
            "call {call} asked the same, cost {} and brought no usable answer; nothing was sent. To ask again and pay \
             again: --pay-again, or first `{}`",
            counted(*credits, "credit"),
            help::command(global, &format!("store resolve {call} {credits}")),
        ),
        ErrorKind::Store(StoreRefusal::Uncertain { call, .. }) => format!(
            "call {call} asked the same and may have been charged; nothing was sent. `{}` finds out (free), then ask again",
            help::command(global, "store reconcile")
        ),
        ErrorKind::Store(StoreRefusal::InFlight { call, age }) => format!(
            "call {call} asked the same {} s ago and is still in flight; nothing was sent. Try again later",
            age.as_secs()
        ),
        ErrorKind::Store(StoreRefusal::Held) => {
            "a comparison with the balance is going on and did not end; nothing was sent. Try again later"
                .to_owned()
        }
        ErrorKind::Store(StoreRefusal::ClaimLost) => {
            "another process took this call over while it waited; `tgscan store uncertain` shows how it ended"
                .to_owned()
        }
        ErrorKind::Store(StoreRefusal::NotStored) => {
            "the store has no answer that is young enough, and `--stored-only` sends nothing".to_owned()
        }
        ErrorKind::Store(StoreRefusal::Failed(error)) => {
            format!("the store failed, so nothing was sent: {}", words::translated(&error.to_string()))
        }
        ErrorKind::Api(refused) => match refused.refusal() {
            Refusal::InvalidKey => format!("the service refuses the API key; {cost}"),
            Refusal::NoCredits => format!("the balance does not cover the call; {cost}"),
            _ => format!("{refused}; {cost}"),
        },
        ErrorKind::Decode(decode) => format!("the answer is not as documented: {decode}; {cost}"),
        ErrorKind::Transport(failed) => format!("{}; {cost}", words::translated(&failed.to_string())),
        ErrorKind::UnexpectedResponse(unexpected) => format!("{unexpected}; {cost}"),
        ErrorKind::InvalidQuery(invalid) => invalid.to_string(),
        _ => words::translated(&error.to_string()),
    }
}
