//! An account as a JSON line.

use crate::batch::input::Account;
use crate::batch::method::Method;
use crate::batch::work::Found;
use crate::exit::Failure;
use crate::show::{Show, result_json};

/// The question and the key of all rows in a file.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) method: Method,
    pub(super) is_test: bool,
}

/// One line: the account as it is written in the list, the method, whether anything was found, its cost, and the answer as
/// received.
pub(super) fn json<A: Show>(kind: Kind, account: &Account, found: &Found<A>) -> Result<Vec<u8>, Failure> {
    let (found_any, answer) = match &found.reply {
        None => (false, "null".into()),
        Some(reply) => (!reply.answer.nothing_known(), result_json(reply)?),
    };
    let account = serde_json::Value::from(account.query.as_str().as_ref());
    let (credits, is_stored) = (found.credits(), found.is_stored());
    let (method, test) = (kind.method.name(), if kind.is_test { ",\"test\":true" } else { "" });
    let mut row = format!(
        "{{\"account\":{account},\"method\":\"{method}\"{test},\"found\":{found_any},\"credits\":{credits},\"stored\":{is_stored},\"answer\":{answer}}}"
    )
    .into_bytes();
    // A line break in JSON is never part of a text.
    row.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    row.push(b'\n');
    Ok(row)
}
