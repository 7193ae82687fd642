//! The state of a running gateway: the store, the transport, and the clients of the configuration in effect.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use tgscan_core::error::InvalidApiKey;
use tgscan_core::store::{Selection, Store, StorePolicy};
use tgscan_core::{Api, ApiKey, Book, Budget, Client, Drained, Reserve, RetryPolicy};
use tgscan_transport_hyper::{BuildError, HyperTransport};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::config::{Config, Key, Kind, Location};
use super::local_key::LocalKey;
use super::log::Log;
use super::metrics::Watch;
use super::recorder::Registry;
use super::routes::{Route, routes};
use super::{metrics, tls};
use crate::exit::Failure;
use crate::{location, settings, words};

/// The time limit for the store to answer a readiness check.
const READY: Duration = Duration::from_secs(2);

pub(crate) struct Gateway {
    pub(crate) routes: Vec<Route>,
    pub(crate) log: Arc<Log>,
    transport: HyperTransport,
    store: Arc<dyn Store>,
    metrics: Registry,
    state: RwLock<Arc<State>>,
    /// The clients of earlier configurations, whose calls may be running.
    retired: Mutex<Vec<Retired>>,
    is_draining: AtomicBool,
}

/// A configuration in effect.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) keys: Vec<LocalKey>,
    /// Without budgets.
    live: Client,
    test: Option<Client>,
    pub(crate) tls: Option<TlsAcceptor>,
}

/// Clients that begin no calls once their state is gone.
#[derive(Clone)]
struct Retired {
    state: Weak<State>,
    clients: Vec<Client>,
}

impl Gateway {
    /// Opens the store, and prepares everything but the listener.
    pub(crate) async fn open(config: Config, log: Log) -> Result<Self, Failure> {
        let log = Arc::new(log);
        let transport = transport(&config)?;
        let store = open(&config).await?;
        let state = Arc::new(State::new(config, &transport, &store, &log)?);
        Ok(Self {
            routes: routes(),
            log,
            transport,
            store,
            metrics: metrics::install()?,
            state: RwLock::new(state),
            retired: Mutex::default(),
            is_draining: AtomicBool::new(false),
        })
    }

    /// Returns the configuration in effect.
    pub(crate) fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a new configuration into effect, or keeps the old one.
    pub(crate) fn reload(&self, config: Config) -> Result<(), Failure> {
        let changes = self.state().config.fixed_changes(&config);
        if !changes.is_empty() {
            return Err(Failure::usage(format!("a change of {} needs a restart", changes.join(", "))));
        }
        let new = Arc::new(State::new(config, &self.transport, &self.store, &self.log)?);
        let old = std::mem::replace(&mut *self.state.write().unwrap_or_else(PoisonError::into_inner), new);
        let retired = Retired { state: Arc::downgrade(&old), clients: old.clients() };
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).push(retired);
        Ok(())
    }

    /// Forgets the clients of earlier configurations that have no calls any more.
    pub(crate) async fn forget_retired(&self) {
        let retired = || self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        // Removed only afterwards: `drain`, which may run at the same time, waits for all of them.
        let all = retired().clone();
        for Retired { state, clients } in all {
            if state.strong_count() == 0 && is_idle(&clients).await {
                retired().retain(|other| !other.state.ptr_eq(&state));
            }
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// Begins no further calls.
    pub(crate) fn close(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Waits until this time for calls in flight and for the store. Returns the calls and settlements that are left.
    pub(crate) async fn drain(&self, until: Instant) -> Drained {
        let retired = std::mem::take(&mut *self.retired.lock().unwrap_or_else(PoisonError::into_inner));
        let mut clients = self.state().clients();
        clients.extend(retired.into_iter().flat_map(|retired| retired.clients));
        let mut left = Drained::default();
        for client in clients {
            let drained = client.drain(until.saturating_duration_since(Instant::now())).await;
            left.calls += drained.calls;
            left.unwritten += drained.unwritten;
            left.lost += drained.lost;
        }
        left
    }

    /// Returns whether calls can be made, or why not.
    pub(crate) async fn readiness(&self) -> Result<(), &'static str> {
        if self.is_draining() {
            return Err("shutting down");
        }
        self.book().await.map(drop).ok_or("the store is unavailable")
    }

    /// Returns the client that calls without a budget.
    pub(crate) fn client(&self) -> Client {
        self.state().live.clone()
    }

    /// Returns the metrics as Prometheus reads them.
    pub(crate) async fn metrics(&self) -> String {
        let book = self.book().await;
        metrics::record_book(&self.metrics, book.as_ref(), &self.state().config);
        self.metrics.render()
    }

    /// Returns the book and the store's time, in milliseconds since 1970.
    async fn book(&self) -> Option<(Book, u64)> {
        let client = self.client();
        let row = self.store.read(client.account()?.name(), Selection::Account);
        let found = tokio::time::timeout(READY, row).await.ok()?.ok()?;
        Some((found.account.book, found.now))
    }
}

async fn is_idle(clients: &[Client]) -> bool {
    for client in clients {
        if client.drain(Duration::ZERO).await != Drained::default() {
            return false;
        }
    }
    true
}

impl State {
    fn new(
        config: Config,
        transport: &HyperTransport,
        store: &Arc<dyn Store>,
        log: &Arc<Log>,
    ) -> Result<Self, Failure> {
        let service = &config.service;
        let api = |key| {
            let api = Api::with_base_url(&service.base_url, key);
            let api = api.map_err(|error| {
                Failure::usage(format!("service.base_url: {}", words::translated(&error.to_string())))
            })?;
            // So that most calls end before the deadline of their callers.
            let mut retry = RetryPolicy::default();
            retry.max_elapsed = config.limits.deadline / 2;
            Ok::<_, Failure>(api.with_retry(retry))
        };
        let policy = StorePolicy::new(&*config.account, config.max_age, config.keep_for);
        let live = api(live_key(&config)?)?;
        let live = transport.clone().client(live).with_store(store.clone(), policy).with_wait_at_cap();
        let live = live.with_cap(config.cap, Reserve::PerCall(config.reserve));
        let test = match &service.test_key_file {
            Some(path) => Some(transport.clone().client(api(valid(ApiKey::test(read(path)?.trim()))?)?)),
            None => None,
        };
        let keys = config.keys.iter().filter_map(|key| {
            let client = match key.kind {
                Kind::Live => Some(with_budgets(live.clone(), key, config.reserve)),
                Kind::Test => test.clone(),
            };
            Some(LocalKey {
                name: key.name.clone(),
                hash: key.hash.clone(),
                kind: key.kind,
                methods: key.methods.clone(),
                client: client?,
                watch: Watch::new(&key.name, log),
            })
        });
        let keys = keys.collect();
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        Ok(Self { config, keys, live, test, tls })
    }

    fn clients(&self) -> Vec<Client> {
        [Some(self.live.clone()), self.test.clone()].into_iter().flatten().collect()
    }
}

/// The budgets of a key have its name as their label, so that they last when the key is replaced.
fn with_budgets(client: Client, key: &Key, reserve: u64) -> Client {
    metrics::budgets(key).fold(client, |client, (limit, period, _)| {
        client.with_budget(Budget::new(&*key.name, limit, period, Reserve::PerCall(reserve)))
    })
}

fn transport(config: &Config) -> Result<HyperTransport, Failure> {
    let mut builder = HyperTransport::builder().gzip(true).proxy_from_environment(true);
    if let Some(path) = &config.service.ca {
        builder = builder.extra_roots_pem(read(path)?);
    }
    let wrong = |error: BuildError| error.to_string().replace("`extra_roots_pem`", "`service.ca`");
    builder.build().map_err(|error| Failure::usage(wrong(error)))
}

fn live_key(config: &Config) -> Result<ApiKey, Failure> {
    let text = match &config.service.key_file {
        Some(path) => read(path)?,
        None => settings::text_of(settings::API_KEY)?.ok_or_else(|| {
            Failure::usage("no API key: set TGSCAN_API_KEY, or `service.key_file` in the configuration")
        })?,
    };
    valid(ApiKey::live(text.trim()))
}

fn valid(key: Result<ApiKey, InvalidApiKey>) -> Result<ApiKey, Failure> {
    key.map_err(|error| Failure::usage(format!("the API key is invalid: {error}")))
}

fn read(path: &std::path::Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path);
    text.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// Opens the store of a configuration, or of the environment.
async fn open(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    let location = match &config.store {
        Some(location) => Some(location.clone()),
        None => settings::text_of("TGSCAN_STORE")?.map(Location),
    };
    let Some(location) = location else {
        return Err(Failure::usage(
            "no store: set `store` in the configuration, or TGSCAN_STORE, to a file or postgres://…",
        ));
    };
    location::open(&location.0, "the store").await
}
