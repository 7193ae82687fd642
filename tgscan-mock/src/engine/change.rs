//! Changes to the settings of a running mock.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account::{Account, KeyKind};
use super::builder::check_keys;
use super::fault::milliseconds;
use super::object::from_object;
use super::step::{MOST_LATENCY_MS, checked_latency};
use super::{InvalidMock, MethodCost, Mock, Repeat, State, costs};
use crate::data::World;

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
    /// Answer to a repeated query.
    #[schemars(with = "Option<String>", extend("enum" = ["same", "varied", null]))]
    repeat: Option<Repeat>,
    /// Costs by API method; missing methods keep theirs.
    #[serde(default)]
    #[schemars(schema_with = "costs::schema")]
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
        let mut settings = (*state.settings).clone();
        if let Some(seed) = change.seed {
            let World { today, unknown_percent, .. } = settings.world;
            settings.world = World::new(seed, today, unknown_percent);
        }
        if let Some(latency) = change.latency_ms {
            let latency = checked_latency(latency).map_err(InvalidMock)?;
            settings.latency = Some(latency).filter(|latency| !latency.is_zero());
        }
        settings.repeat = change.repeat.unwrap_or(settings.repeat);
        settings.answers_unexpected = change.answers_unexpected.unwrap_or(settings.answers_unexpected);
        costs::set(&mut settings.costs, &change.costs).map_err(InvalidMock)?;
        for (kind, keys) in [
            (KeyKind::Live, change.live_keys),
            (KeyKind::Test, change.test_keys),
            (KeyKind::Revoked, change.revoked_keys),
        ] {
            let Some(keys) = keys else { continue };
            settings.keys.retain(|(_, state)| *state != kind);
            settings.keys.extend(keys.into_iter().map(|key| (key, kind)));
        }
        check_keys(&settings.keys)?;
        state.settings = Arc::new(settings);
        if let Some(credits) = change.credits {
            state.account.set_credits(credits);
        }
        Ok(())
    }

    pub(crate) fn current_state(&self) -> CurrentState {
        CurrentState::of(&self.state())
    }
}

/// Settings, account and counts. `granted - spent = credits`, always.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "State")]
pub(crate) struct CurrentState {
    seed: u64,
    latency_ms: u64,
    /// Answer to a repeated query.
    #[schemars(with = "String", extend("enum" = ["same", "varied"]))]
    repeat: Repeat,
    /// Costs by API method.
    #[schemars(schema_with = "costs::schema")]
    costs: costs::Costs,
    num_live_keys: usize,
    num_test_keys: usize,
    num_revoked_keys: usize,
    /// Whether requests that no expectation accepts are answered as without expectations.
    answers_unexpected: bool,
    #[serde(flatten)]
    account: Account,
    /// Number of recorded requests.
    requests: usize,
    /// Number of requests that were dropped from the recording.
    dropped_requests: u64,
    /// Number of remaining steps of the script.
    faults_left: usize,
}

impl CurrentState {
    pub(super) fn of(State { settings, account, recording, script, .. }: &State) -> Self {
        let keys = |kind| settings.keys.iter().filter(|(_, known)| *known == kind).count();
        Self {
            seed: settings.world.seed,
            latency_ms: milliseconds(settings.latency.unwrap_or_default()),
            repeat: settings.repeat,
            costs: settings.costs.clone(),
            num_live_keys: keys(KeyKind::Live),
            num_test_keys: keys(KeyKind::Test),
            num_revoked_keys: keys(KeyKind::Revoked),
            answers_unexpected: settings.answers_unexpected,
            account: account.clone(),
            requests: recording.kept.len(),
            dropped_requests: recording.dropped,
            faults_left: script.left(),
        }
    }
}
