//! Changes of the settings while the mock runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::account::KeyState;
use super::builder::check_keys;
use super::object::from_object;
use super::step::MOST_LATENCY_MS;
use super::{InvalidMock, MethodCost, Mock, costs};

/// What the control paths change; what is left out stays as it is.
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
    /// Makes a change, or says what is wrong with it and makes none.
    pub(crate) fn change(&self, change: Change) -> Result<(), InvalidMock> {
        // Held to the end: another change must begin with what this one makes.
        let mut state = self.state();
        let mut settings = (*self.engine.settings()).clone();
        if let Some(seed) = change.seed {
            settings.seed = seed;
            settings.world = settings.world.with_seed(seed);
        }
        if let Some(latency) = change.latency_ms {
            if latency > MOST_LATENCY_MS {
                return Err(InvalidMock(format!("`latency_ms` is a number from 0 to {MOST_LATENCY_MS}")));
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
        // They were written with the seed and the costs of before.
        state.kept = super::Kept::default();
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
    fn two_changes_at_once_are_both_made() {
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
