//! Changes to the settings of a running mock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::account::KeyState;
use super::builder::check_keys;
use super::object::from_object;
use super::step::MOST_LATENCY_MS;
use super::{InvalidMock, MethodCost, Mock, costs};

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
            assert_eq!((mock.seed(), mock.latency()), (number, Duration::from_millis(number)));
        }
    }
}
