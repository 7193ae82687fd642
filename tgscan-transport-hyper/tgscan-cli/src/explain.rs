//! Explains failed calls in the words of the command line.

use tgscan_core::bytes::Bytes;
use tgscan_core::store::StoreRefusal;
use tgscan_core::{Credits, Error, ErrorKind, Refusal};

use crate::args::Global;
use crate::exit::{Code, Failure, counted};
use crate::{connect, help, words};

impl Failure {
    /// Explains a failed call, with the source of the key if the service refuses it.
    pub(crate) fn of_call(error: &Error, global: &Global) -> Self {
        let failure = Self::new(code_of(error), explain(error, global));
        if error.refusal() == Some(Refusal::InvalidKey) {
            return failure.and(&format!(". The key is from {}", connect::key_source(global)));
        }
        failure
    }
}

/// The text when `--max-credits` refuses a call.
pub(crate) const LIMIT_REACHED: &str = "--max-credits leaves no room for this call; nothing was sent";

/// Returns the response of a call that may have been charged, if its answer cannot be read.
pub(crate) fn received(error: &Error) -> Option<&Bytes> {
    // Pages of gateways are no answers.
    let response = error.response().filter(|response| response.status().is_success())?;
    let is_paid = error.attempts() > 0 && error.credits() != Credits::NotCharged;
    Some(response.body()).filter(|body| is_paid && !body.is_empty())
}

/// Returns the exit code of a failed call.
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

/// Describes an error in one line, with flags in place of the SDK's functions.
pub(crate) fn explain(error: &Error, global: &Global) -> String {
    let cost = match error.credits() {
        Credits::NotCharged => "nothing was charged".to_owned(),
        Credits::Uncertain => "it may have been charged".to_owned(),
        Credits::Charged(credits) => format!("it cost {}", counted(credits, "credit")),
    };
    match error.kind() {
        ErrorKind::CapReached(_) => LIMIT_REACHED.to_owned(),
        ErrorKind::Store(StoreRefusal::Uncertain { call, charged: Some(credits), .. }) => format!(
            "call {call} asked the same, cost {} and returned no usable answer; nothing was sent. To ask again and pay \
             again: --pay-again, or first `{}`",
            counted(*credits, "credit"),
            help::command(global, &format!("store resolve {call} {credits}")),
        ),
        ErrorKind::Store(StoreRefusal::Uncertain { call, .. }) => format!(
            "call {call} asked the same and may have been charged; nothing was sent. `{}` determines its cost (free); then ask again",
            help::command(global, "store reconcile")
        ),
        ErrorKind::Store(StoreRefusal::InFlight { call, age }) => format!(
            "call {call} asked the same {} s ago and is still in flight; nothing was sent. Try again later",
            age.as_secs()
        ),
        ErrorKind::Store(StoreRefusal::ComparisonRunning) => {
            "a comparison with the balance has not ended; nothing was sent. Try again later".to_owned()
        }
        ErrorKind::Store(StoreRefusal::ClaimLost) => format!(
            "another process took this call over while it waited; `{}` shows how it ended",
            help::command(global, "store uncertain")
        ),
        ErrorKind::Store(StoreRefusal::NotStored) => {
            "the store has no answer that is recent enough, and `--stored-only` sends nothing".to_owned()
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
