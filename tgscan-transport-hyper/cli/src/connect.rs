//! From flags to a client and a store.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tgscan_core::store::{Lookup, Store, StorePolicy};
use tgscan_core::{Api, ApiKey, Client, Ledger, Reserve, Transport};
use tgscan_store::FileStore;
use tgscan_transport_hyper::HyperTransport;

use crate::args::{Global, LookupFlags};
use crate::exit::{Code, Failure};

const API_KEY: &str = "TGSCAN_API_KEY";

/// What a call sets aside under `--max-credits` while no price is known.
const RESERVE: Reserve = Reserve::OneAtATime;

/// A client as the flags say.
pub(crate) async fn client(global: &Global) -> Result<Client, Failure> {
    with_policy(global, |transport| transport, false, given_policy(global)?).await
}

/// A client that connects while the caller does something else, and with something around its transport.
pub(crate) async fn warm_client<T: Transport + 'static>(
    global: &Global,
    wrap: impl FnOnce(HyperTransport) -> T,
) -> Result<Client, Failure> {
    with_policy(global, wrap, true, given_policy(global)?).await
}

/// A client that compares the store with the balance, and asks nothing through it.
pub(crate) async fn client_to_reconcile(global: &Global) -> Result<Client, Failure> {
    let policy = StorePolicy::new(&global.account, Duration::ZERO, Duration::ZERO);
    with_policy(global, |transport| transport, false, Some(policy)).await
}

async fn with_policy<T: Transport + 'static>(
    global: &Global,
    wrap: impl FnOnce(HyperTransport) -> T,
    is_warm: bool,
    policy: Option<StorePolicy>,
) -> Result<Client, Failure> {
    let key = api_key(global)?;
    let client = without_store(global, key, wrap, is_warm)?;
    Ok(match (store(global).await?, policy) {
        (Some(store), Some(policy)) => client.with_store(store, policy),
        _ => client,
    })
}

fn without_store<T: Transport + 'static>(
    global: &Global,
    key: ApiKey,
    wrap: impl FnOnce(HyperTransport) -> T,
    is_warm: bool,
) -> Result<Client, Failure> {
    let ledger = global.max_credits.map_or_else(Ledger::new, |cap| Ledger::with_cap(cap, RESERVE));
    let api = Api::with_base_url(&global.base_url, key)
        .map_err(|error| Failure::usage(format!("--base-url: {error}")))?
        .with_ledger(ledger);
    let mut transport = HyperTransport::builder().gzip(true).proxy_from_environment(true);
    if let Some(path) = &global.ca {
        let pem = std::fs::read(path);
        transport = transport.extra_roots_pem(
            pem.map_err(|error| Failure::usage(format!("--ca {}: {error}", path.display())))?,
        );
    }
    let transport = transport.build().map_err(|error| Failure::usage(error.to_string()))?;
    if is_warm {
        let (warming, to) = (transport.clone(), api.clone());
        // If it fails, the first call will say so.
        tokio::spawn(async move { warming.warm_up(&to).await });
    }
    // Its timer, its seed and its tasks, whatever carries the calls.
    let client = transport.clone().client(api);
    Ok(client.with_transport(wrap(transport)))
}

/// The store of `--store`.
pub(crate) async fn store(global: &Global) -> Result<Option<Arc<dyn Store>>, Failure> {
    let Some(location) = &global.store else {
        for (flag, is_given) in
            [("--max-age", global.max_age.is_some()), ("--keep-for", global.keep_for.is_some())]
        {
            if is_given {
                return Err(Failure::usage(format!("{flag} needs --store FILE")));
            }
        }
        return Ok(None);
    };
    if location.starts_with("postgres://") || location.starts_with("postgresql://") {
        return postgres(location).await.map(Some);
    }
    // Opening may read much, and may wait for a disk.
    let location = location.clone();
    let opened = tokio::task::spawn_blocking(move || FileStore::open(location)).await;
    let opened = opened.map_err(|_| Failure::new(Code::Other, "the store cannot be opened"))?;
    Ok(Some(Arc::new(opened.map_err(|error| Failure::new(Code::Other, format!("--store: {error}")))?)))
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str) -> Result<Arc<dyn Store>, Failure> {
    let connected = tgscan_store::PostgresStore::connect(url).await;
    Ok(Arc::new(connected.map_err(|error| Failure::new(Code::Other, format!("--store: {error}")))?))
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: &str) -> Result<Arc<dyn Store>, Failure> {
    Err(Failure::usage(
        "--store: this program was built without PostgreSQL; build it with the feature `postgres`",
    ))
}

/// The policy of `--store`, if it is given.
fn given_policy(global: &Global) -> Result<Option<StorePolicy>, Failure> {
    if global.store.is_none() {
        return Ok(None);
    }
    let need = |flag: &str, example: &str, time: Option<Duration>| {
        time.ok_or_else(|| Failure::usage(format!("--store needs {flag} too, such as {flag} {example}")))
    };
    let max_age = need("--max-age", "7days", global.max_age)?;
    let keep_for = need("--keep-for", "30days", global.keep_for)?;
    Ok(Some(StorePolicy::new(&global.account, max_age, keep_for)))
}

/// Which answers the flags accept.
pub(crate) fn lookup(global: &Global, flags: LookupFlags) -> Result<Lookup, Failure> {
    if (flags.fresh || flags.stored_only) && global.store.is_none() {
        let flag = if flags.fresh { "--fresh" } else { "--stored-only" };
        return Err(Failure::usage(format!("{flag} needs --store FILE")));
    }
    Ok(match flags {
        LookupFlags { fresh: true, .. } => Lookup::New,
        LookupFlags { stored_only: true, .. } => Lookup::Stored,
        _ => Lookup::StoredOrNew,
    })
}

/// The API key from a file, the environment, or whoever sits at the terminal; never an argument, which others on a machine
/// can read.
fn api_key(global: &Global) -> Result<ApiKey, Failure> {
    let text = if let Some(path) = &global.key_file {
        let text = std::fs::read_to_string(path);
        text.map_err(|error| Failure::usage(format!("--key-file {}: {error}", path.display())))?
    } else if let Some(text) = std::env::var_os(API_KEY) {
        text.into_string().map_err(|_| Failure::usage(format!("{API_KEY} is not text")))?
    } else if std::io::stdin().is_terminal() {
        let typed = rpassword::prompt_password("API key: ");
        typed.map_err(|error| Failure::usage(format!("the API key cannot be read: {error}")))?
    } else {
        return Err(Failure::usage(format!("no API key: set {API_KEY}, or give a file with --key-file")));
    };
    let key = if global.test_key { ApiKey::test(text.trim()) } else { ApiKey::live(text.trim()) };
    key.map_err(|error| Failure::usage(format!("the API key is invalid: {error}")))
}
