//! What a batch did and cost.

use std::collections::BTreeMap;
use std::fmt;

use tgscan_core::store::StoreRefusal;
use tgscan_core::{Credits, Error, ErrorKind, Storage};

use super::work::Found;
use crate::exit::{Code, code_of};

#[derive(Default)]
pub(crate) struct Bill {
    repeated: u64,
    /// In the output file already.
    before: u64,
    /// Accounts by how they ended.
    pub(crate) new: u64,
    pub(crate) stored: u64,
    unknown: u64,
    not_stored: u64,
    failed: BTreeMap<Code, (u64, &'static str)>,
    uncertain: u64,
    pub(crate) charged: u64,
    /// Why no more accounts were looked up.
    pub(crate) stopped: Option<Code>,
}

impl Bill {
    pub(crate) fn new(repeated: u64, before: usize) -> Self {
        Self { repeated, before: before as u64, ..Self::default() }
    }

    pub(crate) fn add(&mut self, result: &Result<Found, Error>) {
        let credits = match result {
            Ok(found) => {
                match &found.reply {
                    None => self.unknown += 1,
                    Some(_) if found.is_stored() => self.stored += 1,
                    Some(reply) => {
                        self.new += 1;
                        self.not_stored += u64::from(matches!(reply.storage(), Some(Storage::NotStored(_))));
                    }
                }
                found.reply.as_ref().map_or(Credits::NotCharged, |reply| reply.credits)
            }
            Err(error) => {
                self.failed.entry(code_of(error)).or_insert((0, reason(error))).0 += 1;
                error.credits()
            }
        };
        self.charged = self.charged.saturating_add(credits.charged());
        self.uncertain += u64::from(credits == Credits::Uncertain);
    }

    /// How many accounts are done, whichever way.
    pub(crate) fn done(&self) -> u64 {
        self.new + self.stored + self.unknown + self.failures()
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().map(|(count, _)| count).sum()
    }

    /// How the batch ends.
    pub(crate) fn code(&self, has_bad_lines: bool) -> Code {
        let worst = [Code::Uncertain, Code::Undecodable, Code::Network, Code::Other, Code::Usage];
        let failed = || worst.into_iter().find(|code| self.failed.contains_key(code));
        let uncertain = (self.uncertain > 0).then_some(Code::Uncertain);
        let bad = if has_bad_lines { Code::Usage } else { Code::Done };
        self.stopped.or(uncertain).or_else(failed).unwrap_or(bad)
    }
}

/// Why calls of one exit code fail, in the bill.
fn reason(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Store(StoreRefusal::Uncertain { .. }) => "uncertain since an earlier run, not sent",
        _ => match code_of(error) {
            Code::Uncertain => "uncertain: no answer, and maybe charged",
            Code::Refused => "the API key was refused",
            Code::NoCredits => "no credits, or the limit is reached",
            Code::Network => "network or service, nothing charged",
            Code::Undecodable => "the answer is not as documented",
            Code::Usage => "the service refused the account as invalid",
            _ => "other reasons",
        },
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<(u64, String)> = vec![
            (self.new, "searched".into()),
            (self.stored, "answered from the store".into()),
            (self.unknown, "unknown by the free check, not searched".into()),
            (self.before, "in the output already".into()),
            (self.repeated, "repeated in the list".into()),
        ];
        lines.extend(self.failed.values().map(|(count, reason)| (*count, format!("failed: {reason}"))));
        lines.push((self.not_stored, "answers could not be stored".into()));
        for (count, what) in lines.iter().filter(|(count, _)| *count > 0) {
            writeln!(f, "{count:>9}  {what}")?;
        }
        write!(f, "{:>9}  credits charged", self.charged)?;
        if self.uncertain > 0 {
            write!(f, "\n{:>9}  calls may have been charged; see `tgscan store uncertain`", self.uncertain)?;
        }
        match self.stopped {
            Some(Code::Refused) => f.write_str("\nstopped: the service refuses the API key"),
            Some(Code::NoCredits) => f.write_str("\nstopped: no credits are left, or the limit is reached"),
            Some(_) => f.write_str("\nstopped: the store failed"),
            None => Ok(()),
        }
    }
}
