//! The result and the cost of a batch.

use std::collections::BTreeMap;
use std::fmt::Write;

use tgscan_core::store::StoreRefusal;
use tgscan_core::{Credits, Error, ErrorKind, Storage};

use super::work::Found;
use crate::args::Global;
use crate::exit::{Code, counted};
use crate::explain::code_of;
use crate::signals::Signal;
use crate::{connect, help};

/// The maximum number of accounts to name for each reason of failure.
const NAMED: u64 = 5;

/// The reason that a batch stopped before the end of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Key,
    Balance,
    Limit,
    Store,
    Signal(Signal),
    Output,
}

#[derive(Default)]
pub(crate) struct Bill {
    is_search: bool,
    repeated: u64,
    /// Accounts that were already in the output file.
    before: u64,
    /// The number of accounts to look up in this run.
    total: u64,
    /// Accounts by result.
    pub(crate) new: u64,
    pub(crate) stored: u64,
    unknown: u64,
    not_stored: u64,
    mismatched: u64,
    failed: BTreeMap<Reason, u64>,
    uncertain: u64,
    pub(crate) charged: u64,
    pub(crate) stopped: Option<Stop>,
    /// Answers that could not be written to the output, and are in the store.
    pub(crate) only_stored: u64,
    /// Whether the next command must accept stored answers, so that it does not pay again.
    pub(crate) next_uses_stored: bool,
}

/// Why calls failed: the exit code, and the line of the bill.
type Reason = (Code, &'static str);

const UNCERTAIN_BEFORE: Reason = (Code::Uncertain, "not sent: may have been charged in an earlier run");
const CHARGED_BEFORE: Reason =
    (Code::Uncertain, "not sent: charged in an earlier run without a usable answer");

fn reason_of(error: &Error) -> Reason {
    let code = match error.kind() {
        ErrorKind::Store(StoreRefusal::Uncertain { charged: None, .. } | StoreRefusal::InFlight { .. }) => {
            return UNCERTAIN_BEFORE;
        }
        ErrorKind::Store(StoreRefusal::Uncertain { .. }) => return CHARGED_BEFORE,
        _ => code_of(error),
    };
    let text = match code {
        Code::Uncertain => "failed: no answer, and maybe charged",
        Code::Refused => "failed: the service refuses the API key",
        Code::NoCredits => "failed: the balance does not cover them",
        Code::Network => "failed: network or service, nothing charged",
        Code::Undecodable => "failed: the answer is not as documented",
        Code::Usage => "failed: the service refuses the account as invalid",
        _ => "failed for other reasons",
    };
    (code, text)
}

impl Bill {
    pub(crate) fn new(is_search: bool, repeated: u64, before: usize, total: usize) -> Self {
        Self { is_search, repeated, before: before as u64, total: total as u64, ..Self::default() }
    }

    /// Counts an account. Returns whether its error should be shown: later ones of the same kind are only counted.
    pub(crate) fn add<A>(&mut self, result: &Result<Found<A>, Error>) -> bool {
        let (credits, is_shown) = match result {
            Ok(found) => {
                match &found.reply {
                    None => self.unknown += 1,
                    Some(_) if found.is_stored() => self.stored += 1,
                    Some(_) if found.is_mismatched() => self.mismatched += 1,
                    Some(reply) => {
                        self.new += 1;
                        self.not_stored += u64::from(matches!(reply.storage(), Some(Storage::NotStored(_))));
                    }
                }
                (found.reply.as_ref().map_or(Credits::NotCharged, |reply| reply.credits), false)
            }
            Err(error) => {
                let count = self.failed.entry(reason_of(error)).or_default();
                *count += 1;
                (error.credits(), *count <= NAMED)
            }
        };
        self.charged = self.charged.saturating_add(credits.charged());
        self.uncertain += u64::from(credits == Credits::Uncertain);
        is_shown
    }

    /// Returns the number of accounts that are done, whatever the result.
    pub(crate) fn done(&self) -> u64 {
        self.new + self.stored + self.unknown + self.mismatched + self.failures()
    }

    pub(crate) fn signal(&self) -> Option<Signal> {
        match self.stopped {
            Some(Stop::Signal(signal)) => Some(signal),
            _ => None,
        }
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Returns the exit code.
    pub(crate) fn code(&self, has_bad_lines: bool) -> Code {
        let stopped = self.stopped.and_then(|stop| match stop {
            Stop::Key => Some(Code::Refused),
            Stop::Balance | Stop::Limit => Some(Code::NoCredits),
            Stop::Store => Some(Code::Other),
            Stop::Signal(signal) => Some(signal.code()),
            // The error of the output has its own exit code.
            Stop::Output => None,
        });
        let uncertain = (self.uncertain > 0).then_some(Code::Uncertain);
        let mismatched = (self.mismatched > 0).then_some(Code::Undecodable);
        let worst = [Code::Uncertain, Code::Undecodable, Code::Network, Code::Other, Code::Usage];
        let failed = || worst.into_iter().find(|code| self.failed.keys().any(|reason| reason.0 == *code));
        let bad = if has_bad_lines { Code::Usage } else { Code::Done };
        stopped.or(uncertain).or_else(failed).or(mismatched).unwrap_or(bad)
    }

    /// Returns the lines of the bill. `in_flight` is the number of calls that have not ended.
    pub(crate) fn text(&self, global: &Global, in_flight: u64) -> String {
        let mut lines: Vec<(u64, &str)> = vec![
            (self.new, if self.is_search { "searched" } else { "answered" }),
            (self.stored, "answered from the store"),
            (self.unknown, "unknown by the free check, not searched"),
            (self.before, "in the output already"),
            (self.repeated, "repeated in the list"),
            (self.mismatched, "answers to another question, set aside"),
        ];
        lines.extend(self.failed.iter().map(|(reason, count)| (*count, reason.1)));
        lines.push((self.not_stored, "answers could not be stored yet"));
        lines.push((self.only_stored, "answers are in the store and not in the output"));
        lines.push((self.total.saturating_sub(self.done()), "not looked up"));
        let mut text = String::new();
        for (count, what) in lines.into_iter().filter(|(count, _)| *count > 0) {
            let _ = writeln!(text, "{count:>9}  {what}");
        }
        let _ = write!(
            text,
            "{:>9}  {} charged",
            self.charged,
            if self.charged == 1 { "credit" } else { "credits" }
        );
        let uncertain = self.uncertain + in_flight;
        if uncertain > 0 {
            let _ = write!(
                text,
                "\n{uncertain:>9}  {} may have been charged",
                if uncertain == 1 { "call" } else { "calls" }
            );
        }
        text + &self.next(global, uncertain)
    }

    /// Returns the reason that the batch stopped, and the next command.
    fn next(&self, global: &Global, uncertain: u64) -> String {
        let stopped = match self.stopped {
            Some(Stop::Key) => {
                let source = connect::key_source(global);
                Some(format!("the service refuses the API key from {source}; replace it before you continue"))
            }
            Some(Stop::Balance) => Some("no credits are left; buy some before you continue".to_owned()),
            Some(Stop::Limit) => {
                let limit = global.max_credits.unwrap_or_default();
                Some(format!("--max-credits {limit} leaves no room for another search"))
            }
            Some(Stop::Store) => Some("the store failed".to_owned()),
            Some(Stop::Output) => Some("the output could not be written".to_owned()),
            Some(Stop::Signal(_)) => Some("stopped by a signal".to_owned()),
            None => None,
        };
        let mut text = stopped.as_ref().map(|why| format!("\nstopped: {why}")).unwrap_or_default();
        let before = self.failed.get(&UNCERTAIN_BEFORE).copied().unwrap_or(0);
        let is_unclear = uncertain + before > 0;
        let mut commands = Vec::new();
        if self.stopped == Some(Stop::Key) && connect::is_key_from_init(global) {
            commands.push(help::init_again(global));
        }
        if is_unclear && global.store.is_some() {
            commands.push(help::command(global, "store reconcile"));
        }
        if let Some(count) = self.failed.get(&CHARGED_BEFORE).filter(|_| !is_unclear) {
            let _ = write!(text, "\n--pay-again asks and pays again for {}", counted(*count, "account"));
            commands.push(help::command(global, "store uncertain"));
        } else if is_unclear || stopped.is_some() || self.failures() > 0 {
            // Accounts that are done cost nothing again.
            commands.push(help::again(global, self.next_uses_stored));
        }
        if !commands.is_empty() {
            let _ = write!(text, "\nnext: {}", commands.join(" && "));
        }
        text
    }
}
