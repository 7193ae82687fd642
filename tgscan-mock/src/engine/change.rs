//! Changes to the settings of a running mock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account::KeyState;
use super::builder::check_keys;
use super::object::from_object;
use super::step::{MOST_LATENCY_MS, milliseconds};
use super::{InvalidMock, MethodCost, Mock, State, costs};

/// Changes of settings. Missing fields keep their values.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Change {
    /// Balance in credits, limited to a quadrillion.
    #[schemars(range(min = i64::MIN, max = i64::MAX))]
    credits: Option<i64>,
    /// Seed of all later answers.
    #[schemars(range(max = u64::MAX))]
    seed: Option<u64>,
    /// Latency of each answer in milliseconds.
    #[schemars(range(max = MOST_LATENCY_MS))]
    latency_ms: Option<u64>,
    /// Costs by API method; missing methods keep theirs.
    #[serde(default)]
    #[schemars(schema_with = "costs::schema::<MethodCost>")]
    costs: BTreeMap<String, MethodCost>,
    /// All live keys, replacing the earlier ones. A key is visible ASCII and has one kind.
    live_keys: Option<Vec<String>>,
    /// All test keys, replacing the earlier ones. A key is visible ASCII and has one kind.
    test_keys: Option<Vec<String>>,
    /// All revoked keys, replacing the earlier ones. A key is visible ASCII and has one kind.
    revoked_keys: Option<Vec<String>>,
    /// Whether requests that no expectation accepts are answered as without expectations, instead of refused.
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

/// Settings, account and counts. `granted - spent = credits`, always.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "State")]
pub(crate) struct CurrentState {
    seed: u64,
    latency_ms: u64,
    /// Costs by API method.
    #[schemars(schema_with = "costs::schema::<costs::CurrentCost>")]
    costs: BTreeMap<String, costs::CurrentCost>,
    num_live_keys: usize,
    num_test_keys: usize,
    num_revoked_keys: usize,
    /// Whether requests that no expectation accepts are answered as without expectations.
    answers_unexpected: bool,
    credits: i64,
    spent: u64,
    granted: i64,
    charged_calls: u64,
    /// Number of recorded requests.
    requests: usize,
    /// Number of requests that were dropped from the recording.
    dropped_requests: u64,
    /// Number of remaining steps of the script.
    faults_left: usize,
}

impl Mock {
    pub(crate) fn current_state(&self) -> CurrentState {
        let settings = self.engine.settings();
        let keys = |kind| settings.keys.iter().filter(|(_, state)| *state == kind).count();
        let State { account, recording, script, .. } = &*self.state();
        CurrentState {
            seed: settings.world.seed,
            latency_ms: milliseconds(settings.latency.unwrap_or_default()),
            costs: costs::current(&settings.costs),
            num_live_keys: keys(KeyState::Live),
            num_test_keys: keys(KeyState::Test),
            num_revoked_keys: keys(KeyState::Revoked),
            answers_unexpected: settings.answers_unexpected,
            credits: account.credits,
            spent: account.spent,
            granted: account.granted,
            charged_calls: account.charged_calls,
            requests: recording.kept.len(),
            dropped_requests: recording.dropped,
            faults_left: script.left(),
        }
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
            assert_eq!((mock.seed(), mock.current_state().latency_ms), (number, number));
        }
    }
}
