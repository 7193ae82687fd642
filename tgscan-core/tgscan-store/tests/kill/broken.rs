//! Stores that are broken on purpose, as proof that the audit catches it.

use std::time::Duration;

use tgscan_core::store::{Call, Changes, Row as _};

use crate::over::Change;

/// How a child changes its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is right, and confirms claims for a shorter time only.
    None,
    /// Answers are not written.
    LosesAnswers,
    /// Calls of dead processes are taken for free.
    FreesDeadClaims,
    /// Claims are taken for confirmed however long the process was suspended.
    TrustsOldClaims,
}

impl Fault {
    /// Those that kills show.
    pub(crate) const OF_KILLS: [Self; 2] = [Self::LosesAnswers, Self::FreesDeadClaims];
    const ALL: [Self; 3] = [Self::LosesAnswers, Self::FreesDeadClaims, Self::TrustsOldClaims];

    pub(crate) fn label(self) -> String {
        format!("{self:?}")
    }

    pub(crate) fn labelled(label: &str) -> Self {
        Self::ALL.into_iter().find(|fault| fault.label() == label).unwrap_or(Self::None)
    }
}

impl Change for Fault {
    fn changes(&self, changes: &mut Changes) {
        match self {
            Self::None => {}
            Self::TrustsOldClaims => {
                for call in changes.calls.iter_mut().filter_map(|(_, call)| call.as_mut()) {
                    // The record says no more than that of a right store, so that comparisons do not wait.
                    let mut row: serde_json::Value = serde_json::from_slice(&call.to_bytes()).unwrap();
                    row["s"] = row["c"].clone();
                    *call = Call::from_bytes(call.id, row.to_string().as_bytes()).unwrap();
                }
            }
            Self::LosesAnswers => changes.answers.retain(|(_, answer)| answer.is_none()),
            Self::FreesDeadClaims => {
                let is_dead = |before: &Call, after: &Call| {
                    before.entry.is_in_flight() && after.entry.is_uncertain() && !after.is_answered
                };
                for (before, after) in &mut changes.calls {
                    if matches!((&before, &after), (Some(before), Some(after)) if is_dead(before, after)) {
                        *after = None;
                    }
                }
            }
        }
    }

    fn fence(&self, fence: Duration) -> Duration {
        if *self == Self::TrustsOldClaims {
            return Duration::from_secs(3600);
        }
        fence.min(Duration::from_millis(300))
    }
}
