//! Changes to the settings of a running mock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::account::KeyState;
use super::builder::check_keys;
use super::object::from_object;
use super::step::MOST_LATENCY_MS;
use super::{InvalidMock, MethodCost, Mock, Settings, costs};

/// A change from the control paths. Missing fields keep their values.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Change {
    pub(crate) credits: Option<i64>,
    seed: Option<u64>,
    latency_ms: Option<u64>,
    #[serde(default)]
    costs: BTreeMap<String, MethodCost>,
    live_keys: Option<Vec<String>>,
    test_keys: Option<Vec<String>>,
    revoked_keys: Option<Vec<String>>,
    answers_unexpected: Option<bool>,
}

from_object!(Change);

impl Mock {
    /// Applies a change completely, or not at all if it is invalid.
    pub(crate) fn change(&self, change: Change) -> Result<(), InvalidMock> {
        // Locked to the end, so that concurrent changes do not overwrite each other.
        let mut state = self.state();
        let mut settings = (*self.engine.settings()).clone();
        if let Some(seed) = change.seed {
            settings.seed = seed;
            settings.world = settings.world.with_seed(seed);
        }
        if let Some(latency) = change.latency_ms {
            if latency > MOST_LATENCY_MS {
                return Err(InvalidMock(format!(
                    "`latency_ms` must be a number from 0 to {MOST_LATENCY_MS}"
                )));
            }
            settings.latency = Some(Duration::from_millis(latency)).filter(|latency| !latency.is_zero());
        }
        settings.answers_unexpected = change.answers_unexpected.unwrap_or(settings.answers_unexpected);
        costs::set(&mut settings.costs, &change.costs).map_err(InvalidMock)?;
        for (kind, keys) in [
            (KeyState::Live, change.live_keys),
            (KeyState::Test, change.test_keys),
            (KeyState::Revoked, change.revoked_keys),
        ] {
            let Some(keys) = keys else { continue };
            settings.keys.retain(|(_, state)| *state != kind);
            settings.keys.extend(keys.into_iter().map(|key| (key, kind)));
        }
        check_keys(&settings.keys)?;
        self.engine.set(Arc::new(settings));
        if let Some(credits) = change.credits {
            state.account.set_credits(credits);
        }
        Ok(())
    }
}

impl Mock {
    /// Returns the settings that a change can set, and the numbers of keys instead of the keys.
    pub(crate) fn settings_json(&self) -> Value {
        let settings = self.engine.settings();
        let keys = |kind| settings.keys.iter().filter(|(_, state)| *state == kind).count();
        json!({
            "seed": settings.seed,
            "latency_ms": milliseconds(&settings),
            "costs": costs::to_json(&settings.costs),
            "num_live_keys": keys(KeyState::Live),
            "num_test_keys": keys(KeyState::Test),
            "num_revoked_keys": keys(KeyState::Revoked),
            "answers_unexpected": settings.answers_unexpected,
        })
    }
}

fn milliseconds(settings: &Settings) -> u64 {
    let latency = settings.latency.unwrap_or_default().as_millis();
    u64::try_from(latency).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrent_changes_are_both_applied() {
        let mock = Mock::new();
        let change = |json: String| mock.change(serde_json::from_str(&json).unwrap()).unwrap();
        for number in 1..1000 {
            std::thread::scope(|scope| {
                scope.spawn(|| change(format!(r#"{{"seed": {number}}}"#)));
                scope.spawn(|| change(format!(r#"{{"latency_ms": {number}}}"#)));
            });
            assert_eq!((mock.seed(), milliseconds(&mock.engine.settings())), (number, number));
        }
    }
}
