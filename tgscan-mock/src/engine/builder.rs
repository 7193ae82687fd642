//! The mock's builder and settings.

#[cfg(feature = "server")]
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use tgscan_core::ApiKey;
use tgscan_core::types::{ApiMethod, registry::infos};

use super::account::KeyKind;
use super::costs::MethodCost;
use super::script::Script;
use super::{BUILT, Engine, Manner, Mock, Repeat, Settings, State};
use crate::VirtualTimer;
use crate::data::{Profile, TODAY, World, date, parse_date};

/// The HTTP status of error envelopes.
///
/// Assumption: the documentation does not state it, so a client must understand both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorStatus {
    /// The status that fits the cause: 400, 401, 402, 403, 404, 405 or 415.
    #[default]
    ByCause,
    /// Always 200, as from services that report errors only in the body.
    AlwaysOk,
}

impl ErrorStatus {
    pub(super) fn of(self, cause: StatusCode) -> StatusCode {
        match self {
            Self::ByCause => cause,
            Self::AlwaysOk => StatusCode::OK,
        }
    }
}

/// The response to a query for an unknown account.
///
/// Assumption: the documentation does not state it; existing clients test for both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownAccounts {
    /// A successful answer without data, at the usual cost.
    #[default]
    Blank,
    /// An error envelope, free.
    Error,
}

/// A builder for a [`Mock`]. Every setting has a default.
#[derive(Clone)]
pub struct MockBuilder {
    settings: Settings,
    today: String,
}

impl MockBuilder {
    pub(super) fn new() -> Self {
        let paid = infos().into_iter().filter(|method| method.can_cost);
        let settings = Settings {
            credits: 1000,
            profile: Profile::Typical,
            repeat: Repeat::Same,
            error_status: ErrorStatus::ByCause,
            keys: Vec::new(),
            costs: paid.map(|method| (method.name, MethodCost::default())).collect(),
            max_body_size: 64 * 1024 * 1024,
            latency: None,
            unknown: UnknownAccounts::Blank,
            is_strict: false,
            writes_numbers: false,
            manner: None,
            answers_unexpected: false,
            script: Script::default(),
            world: World::new(0, TODAY, 0),
        };
        Self { settings, today: date(TODAY) }
    }

    /// Sets the seed of all answers. Default: 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.world.seed = seed;
        self
    }

    /// Sets the credits on the balance. Default: 1,000.
    #[must_use]
    pub fn credits(mut self, credits: i64) -> Self {
        self.settings.credits = credits;
        self
    }

    /// Sets the kind of random data. Default: [`Profile::Typical`].
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.settings.profile = profile;
        self
    }

    /// Sets the answer to a repeated query. Default: [`Repeat::Same`].
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.settings.repeat = repeat;
        self
    }

    /// Sets the HTTP status of error envelopes. Default: [`ErrorStatus::ByCause`].
    #[must_use]
    pub fn error_status(mut self, error_status: ErrorStatus) -> Self {
        self.settings.error_status = error_status;
        self
    }

    /// Adds a live key. Without one, [`Mock::LIVE_KEY`] is the live key.
    #[must_use]
    pub fn live_key(self, key: impl Into<String>) -> Self {
        self.key(key, KeyKind::Live)
    }

    /// Adds a test key. Without one, [`Mock::TEST_KEY`] is the test key.
    #[must_use]
    pub fn test_key(self, key: impl Into<String>) -> Self {
        self.key(key, KeyKind::Test)
    }

    /// Adds a key that was replaced by a newer one.
    #[must_use]
    pub fn revoked_key(self, key: impl Into<String>) -> Self {
        self.key(key, KeyKind::Revoked)
    }

    fn key(mut self, key: impl Into<String>, state: KeyKind) -> Self {
        self.settings.keys.push((key.into(), state));
        self
    }

    /// Sets the cost of a call of `M` in credits, whatever it finds. Default: 1, and one more for each 50 groups in the
    /// answer. Free methods stay free.
    ///
    /// Assumption: the provider says of its bot that the cost of a request depends on the amount of data found; the
    /// documentation of the API states no price.
    #[must_use]
    pub fn cost<M: ApiMethod>(mut self, credits: u64) -> Self {
        self.settings.costs.entry(M::NAME).or_default().usual = Some(credits);
        self
    }

    /// Sets the cost of a call with this request, in credits.
    #[must_use]
    pub fn cost_of<M: ApiMethod>(mut self, request: &M, credits: u64) -> Self {
        // A request that does not serialise cannot be sent, so its cost does not matter.
        if let Ok(form) = serde_html_form::to_string(request) {
            self.settings.costs.entry(M::NAME).or_default().set_query(&form, credits);
        }
        self
    }

    /// Sets the costs of methods by name, with costs that were read from a file.
    ///
    /// # Errors
    /// If a name is not a paid method, or if a query is invalid.
    #[cfg(feature = "server")]
    #[doc(hidden)]
    pub fn costs(mut self, costs: &BTreeMap<String, MethodCost>) -> Result<Self, InvalidMock> {
        super::costs::set(&mut self.settings.costs, costs).map_err(InvalidMock)?;
        Ok(self)
    }

    /// Makes a percentage of accounts unknown, and sets the response to queries for them. The seed determines which.
    /// Default: 0.
    #[must_use]
    pub fn unknown_accounts(mut self, percent: u64, unknown: UnknownAccounts) -> Self {
        (self.settings.world.unknown_percent, self.settings.unknown) = (percent, unknown);
        self
    }

    /// Sets the latest date in the data, which is also the date at which [`Mock::timer`] begins. Default: `2026-01-01`.
    #[must_use]
    pub fn today(mut self, date: impl Into<String>) -> Self {
        self.today = date.into();
        self
    }

    /// Refuses bodies without the content type `application/x-www-form-urlencoded`, as the documentation requires. By
    /// default they are accepted, since existing clients send them and the service seems to accept them.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.settings.is_strict = true;
        self
    }

    /// Answers as existing clients expect where that differs from the documentation: error envelopes have status 200,
    /// and `id_history[].id` is a number.
    ///
    /// Assumption: these clients work with the live service, so it answers like this.
    #[must_use]
    pub fn like_service(mut self) -> Self {
        self.settings.error_status = ErrorStatus::AlwaysOk;
        self.settings.writes_numbers = true;
        self
    }

    /// Imitates a service that `tgscan probe` recorded: its refusals, its headers, and the fields and types of its
    /// answers. `tgscan-mock serve --like` prints the parts that are not imitated.
    #[must_use]
    pub fn like(mut self, manner: Manner) -> Self {
        self.settings.is_strict = manner.is_strict().unwrap_or(self.settings.is_strict);
        self.settings.manner = Some(manner);
        self
    }

    /// Scripts the first requests as [`Mock::script_steps`] does, and again after each [`Mock::reset`].
    #[doc(hidden)]
    #[must_use]
    pub fn script_steps(mut self, steps: impl IntoIterator<Item = super::ScriptStep>) -> Self {
        self.settings.script.extend(steps);
        self
    }

    /// Sets the largest body that the in-process transport accepts, in bytes. Default: 64 MiB, as for the hyper
    /// transport.
    #[must_use]
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.settings.max_body_size = bytes;
        self
    }

    /// Sets the time from a request to its answer. Default: zero. Over a socket it is real time; in process it is
    /// virtual time of [`Mock::timer`], during which other tasks run. Without a latency, a call in process completes
    /// without yielding.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.settings.latency = Some(latency);
        self
    }

    /// Builds the mock.
    ///
    /// # Errors
    /// If the credits are negative, or a key, date or percentage is invalid, or a key is given twice.
    pub fn build(mut self) -> Result<Mock, InvalidMock> {
        if self.settings.credits < 0 {
            return Err(InvalidMock(format!("the credits are {}; use 0 or more", self.settings.credits)));
        }
        let Some(today) = parse_date(&self.today) else {
            return Err(InvalidMock(format!("today is {:?}; use a date from 2016-01-01 on", self.today)));
        };
        let World { seed, unknown_percent, .. } = self.settings.world;
        if unknown_percent > 100 {
            return Err(InvalidMock(format!(
                "the percentage of unknown accounts is {unknown_percent}; use 0 to 100"
            )));
        }
        check_keys(&self.settings.keys)?;
        // Not earlier, because `like` adds fields.
        self.settings.script.first(usize::MAX).try_for_each(|step| step.check_field(&self.settings))?;
        self.settings.world = World::new(seed, today, unknown_percent);
        Ok(self.with_default_keys())
    }

    /// Builds a mock without checks, with default keys if no keys were given.
    pub(super) fn with_default_keys(self) -> Mock {
        let mut settings = self.settings;
        for (key, kind) in [(Mock::LIVE_KEY, KeyKind::Live), (Mock::TEST_KEY, KeyKind::Test)] {
            let is_given = settings.keys.iter().any(|(known, state)| *state == kind || known == key);
            if !is_given {
                settings.keys.push((key.to_owned(), kind));
            }
        }
        let timer = VirtualTimer::beginning(settings.world.today);
        let start = Arc::new(settings);
        let engine = Engine {
            state: Mutex::new(State::new(start.clone())),
            start,
            timer,
            #[cfg(feature = "server")]
            changed: tokio::sync::Notify::new(),
        };
        Mock { engine: Arc::new(engine), verifier: AtomicU64::new(BUILT) }
    }
}

/// Checks that each key is valid and has one kind.
pub(super) fn check_keys(keys: &[(String, KeyKind)]) -> Result<(), InvalidMock> {
    for (index, (key, _)) in keys.iter().enumerate() {
        ApiKey::live(key.as_str()).map_err(|error| InvalidMock(error.to_string()))?;
        if keys[..index].iter().any(|(other, _)| other == key) {
            let number = index + 1;
            return Err(InvalidMock(format!(
                "API key number {number} is given twice; each key has one kind"
            )));
        }
    }
    Ok(())
}

impl fmt::Debug for MockBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the keys, which are secrets.
        f.debug_struct("MockBuilder")
            .field("seed", &self.settings.world.seed)
            .field("credits", &self.settings.credits)
            .field("profile", &self.settings.profile)
            .finish_non_exhaustive()
    }
}

/// Invalid settings of a mock. The message says how to correct them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidMock(pub(crate) String);

impl std::error::Error for InvalidMock {}

impl fmt::Display for InvalidMock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
