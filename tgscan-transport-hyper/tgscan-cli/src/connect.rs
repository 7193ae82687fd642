//! Creates the client and the store that the flags select.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tgscan_core::store::{Account, AccountName, Lookup, Question, Store, StoreError, StorePolicy};
use tgscan_core::types::ApiMethod;
use tgscan_core::{Api, ApiKey, Client, Error, KeyKind, Transport, TransportError, transport_fn};
use tgscan_transport_hyper::HyperTransport;

use crate::args::{Global, LookupFlags};
use crate::exit::{Code, Failure};
use crate::limit::Limit;
use crate::location::is_database;
use crate::settings::{API_KEY, KEEP_FOR, MAX_AGE};
use crate::show::escape;
use crate::verbose::Verbose;
use crate::{files, location, print, settings, words};

/// The account of a store without `--account`.
const DEFAULT_ACCOUNT: &str = "default";

/// The page that issues API keys.
pub(crate) const KEY_PAGE: &str = "https://tgdev.io/tgscan/api";

/// Creates the client that the flags select, without a store.
pub(crate) fn client_without_store(global: &Global) -> Result<Client, Failure> {
    without_store(global, api_key(global)?, |transport| transport)
}

/// Creates a client that compares the store with the balance and sends no questions, and returns it with its account.
pub(crate) async fn client_to_reconcile(global: &Global) -> Result<(Client, Account), Failure> {
    let store = existing_store(global).await?;
    let client = client_without_store(global)?;
    let (known, service) = (store.accounts().await?, client.api().service());
    let name = AccountName::new(label(global), service);
    if !known.contains(&name) {
        return Err(no_account(&format!("{} at {}", escape(&name.label), escape(&name.service)), &known));
    }
    let policy = StorePolicy::new(label(global), Duration::ZERO, Duration::ZERO);
    Ok((client.with_store(store.clone(), policy), Account::new(store, name)))
}

/// Creates a client with a key that is not configured yet, and without a store.
pub(crate) fn client_with_key(global: &Global, key: &str) -> Result<Client, Failure> {
    without_store(global, parse_key(global, key)?, |transport| transport)
}

/// Creates a client that uses only stored answers: it sends nothing, and needs no key.
pub(crate) async fn stored_only_client(global: &Global) -> Result<Client, Failure> {
    let store = existing_store(global).await?;
    let nothing = transport_fn(|_| async {
        Err(TransportError::never_sent("`--stored-only` sends nothing").with_trusted_text())
    });
    let client = Client::new(keyless_api(global)?, nothing, tgscan_transport_hyper::TokioTimer::new());
    Ok(client.with_store(store, policy(global)).with_lookup(Lookup::Stored))
}

/// Creates a client whose transport is wrapped by `wrap`.
pub(crate) async fn client_through<T: Transport + 'static>(
    global: &Global,
    wrap: impl FnOnce(Arc<dyn Transport>) -> T,
) -> Result<Client, Failure> {
    let client = without_store(global, api_key(global)?, wrap)?;
    Ok(match &global.store {
        Some(location) => client.with_store(location::open(location, "--store").await?, policy(global)),
        None => client,
    })
}

/// Records a first balance before anything is spent, so that later ones can resolve uncertain calls. Free.
///
/// Called once before the jobs begin: with `Client::with_auto_reconcile`, all jobs would do this concurrently.
pub(crate) async fn see_balance(client: &Client) -> Result<(), Error> {
    let Some(account) = client.account() else { return Ok(()) };
    // If the store fails, the call reports it.
    if account.book().await.is_ok_and(|book| book.balance().is_none()) {
        client.reconcile().await?;
    }
    Ok(())
}

/// Creates a client over the same store that uses only stored answers, of any age.
pub(crate) fn any_stored(global: &Global, client: &Client) -> Client {
    let Some(account) = client.account() else { return client.clone() };
    let keep_for = global.keep_for.unwrap_or(KEEP_FOR);
    let policy = StorePolicy::new(label(global), keep_for, keep_for);
    client.clone().with_store(account.store().clone(), policy).with_lookup(Lookup::Stored)
}

/// Creates an API whose key is never sent; only its kind matters.
pub(crate) fn keyless_api(global: &Global) -> Result<Api, Failure> {
    let key = if global.test_key { ApiKey::test("none") } else { ApiKey::live("none") };
    api(global, key.map_err(|error| Failure::usage(error.to_string()))?)
}

/// Returns the question of a method as the store records it.
pub(crate) fn question<M: ApiMethod>(api: &Api, method: &M) -> Question {
    let request = api.request(method.canonical().as_ref().unwrap_or(method));
    let is_live = api.key_kind() == KeyKind::Live;
    Question::new(is_live, M::NAME, String::from_utf8_lossy(request.body()).into_owned())
}

pub(crate) async fn limit<M: ApiMethod>(global: &Global, client: &Client) -> Result<Limit, Failure> {
    let book = client.book().await.map_err(|error| Failure::of_call(&error, global))?;
    let highest = book.price(M::NAME);
    Ok(Limit::new(global.max_credits, global.max_cost_per_search, highest))
}

fn without_store<T: Transport + 'static>(
    global: &Global,
    key: ApiKey,
    wrap: impl FnOnce(Arc<dyn Transport>) -> T,
) -> Result<Client, Failure> {
    let api = api(global, key)?;
    let transport = transport(global, true)?;
    // Takes the timer, the seed and the tasks from the hyper transport, even if another one carries the calls.
    let client = transport.clone().client(api);
    Ok(client.with_transport(wrap(shown(global, transport))))
}

/// Returns the API with its key, and a transport that changes no response.
pub(crate) fn for_probe(global: &Global) -> Result<(Api, Arc<dyn Transport>), Failure> {
    let (api, transport) = (api(global, api_key(global)?)?, transport(global, false)?);
    Ok((api, shown(global, transport)))
}

/// Prints requests if `--verbose` is given.
fn shown(global: &Global, transport: HyperTransport) -> Arc<dyn Transport> {
    if global.verbose { Arc::new(Verbose(transport)) } else { Arc::new(transport) }
}

fn transport(global: &Global, gzip: bool) -> Result<HyperTransport, Failure> {
    let mut transport = HyperTransport::builder().gzip(gzip).proxy_from_environment(true);
    if let Some(path) = &global.ca {
        let pem = std::fs::read(path);
        transport = transport.extra_roots_pem(
            pem.map_err(|error| Failure::usage(format!("--ca {}: {error}", path.display())))?,
        );
    }
    if let Some(timeout) = global.timeout {
        transport = transport.attempt_timeout(timeout);
    }
    transport.build().map_err(|error| Failure::usage(words::translated(&error.to_string())))
}

fn api(global: &Global, key: ApiKey) -> Result<Api, Failure> {
    Api::with_base_url(global.base_url(), key)
        .map_err(|error| Failure::usage(format!("--base-url: {}", words::translated(&error.to_string()))))
}

fn label(global: &Global) -> &str {
    global.account.as_deref().unwrap_or(DEFAULT_ACCOUNT)
}

/// Returns the account that `--account` and `--base-url` name, or the only one with that label in the store.
pub(crate) async fn account(global: &Global) -> Result<Account, Failure> {
    let store = existing_store(global).await?;
    let name = AccountName::new(label(global), keyless_api(global)?.service());
    let known = store.accounts().await?;
    if known.contains(&name) {
        return Ok(Account::new(store, name));
    }
    if known.is_empty() {
        return Err(Failure::usage("the store is empty: it has no calls yet"));
    }
    let mut same = known.iter().filter(|known| known.label == name.label);
    if let (Some(only), None) = (same.next(), same.next()) {
        return Ok(Account::new(store, only.clone()));
    }
    let (label, service) = (escape(&name.label), escape(&name.service));
    Err(no_account(&format!("{label} at {service}; choose one with --account and --base-url"), &known))
}

fn no_account(what: &str, known: &[AccountName]) -> Failure {
    let line = |name: &AccountName| format!("\n  {} at {}", escape(&name.label), escape(&name.service));
    let lines: String = known.iter().map(line).collect();
    Failure::usage(format!("the store has no account {what}:{lines}"))
}

/// Returns the accounts of the store, or those with the label of `--account` if it is given.
pub(crate) async fn accounts(global: &Global) -> Result<Vec<Account>, Failure> {
    let store = existing_store(global).await?;
    let known = store.accounts().await?;
    let mut names = known.clone();
    if let Some(label) = &global.account {
        names.retain(|name| name.label == *label);
        if names.is_empty() && !known.is_empty() {
            return Err(no_account(&escape(label), &known));
        }
    }
    Ok(names.into_iter().map(|name| Account::new(store.clone(), name)).collect())
}

/// Opens the store in effect, which must exist.
async fn existing_store(global: &Global) -> Result<Arc<dyn Store>, Failure> {
    location::open(existing_location(global)?, "--store").await
}

/// Reads the file of the store in effect, which may be damaged. For a database, the error has this reason.
pub(crate) async fn read_store_file<T: Send + 'static>(
    global: &Global,
    reason: &str,
    read: fn(String) -> Result<T, StoreError>,
) -> Result<T, Failure> {
    let location = existing_location(global)?.to_owned();
    if is_database(&location) {
        return Err(Failure::usage(format!("this needs --store FILE; {reason}")));
    }
    location::check_is_file(Path::new(&location), "--store")?;
    let read = tokio::task::spawn_blocking(move || read(location)).await;
    let read = read.map_err(|_| Failure::new(Code::Other, "the store cannot be read"))?;
    read.map_err(|error| location::failed("--store", &error))
}

fn existing_location(global: &Global) -> Result<&str, Failure> {
    match global.store.as_deref() {
        Some(location) if !is_database(location) && !Path::new(location).exists() => {
            Err(Failure::usage(format!("--store {}: there is no such file", escape(location))))
        }
        Some(location) => Ok(location),
        None => Err(Failure::usage("this needs --store FILE, --store postgres://…, or `tgscan init`")),
    }
}

fn policy(global: &Global) -> StorePolicy {
    let max_age = global.max_age.unwrap_or(MAX_AGE);
    let policy = StorePolicy::new(label(global), max_age, global.keep_for.unwrap_or(KEEP_FOR));
    if global.pay_again { policy.pay_again_after(Duration::ZERO) } else { policy }
}

/// Returns which answers the flags accept.
pub(crate) fn lookup(global: &Global, flags: LookupFlags) -> Result<Lookup, Failure> {
    require_store(global, &[("--fresh", flags.fresh), ("--stored-only", flags.stored_only)])?;
    Ok(match flags {
        LookupFlags { fresh: true, .. } => Lookup::New,
        LookupFlags { stored_only: true, .. } => Lookup::Stored,
        _ => Lookup::StoredOrNew,
    })
}

/// Refuses flags that have no effect without a store.
pub(crate) fn require_store(global: &Global, flags: &[(&str, bool)]) -> Result<(), Failure> {
    match flags.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) if global.store.is_none() => {
            Err(Failure::usage(format!("{flag} needs --store FILE, or `tgscan init`")))
        }
        _ => Ok(()),
    }
}

/// Reads the API key from a file, the environment, or the terminal; never from an argument, which other users of the
/// machine can read.
fn api_key(global: &Global) -> Result<ApiKey, Failure> {
    let text = if let Some(path) = &global.key_file {
        read_key_file(path)?
    } else if let Some(text) = settings::text_of(API_KEY)? {
        text
    } else if std::io::stdin().is_terminal() {
        let typed = rpassword::prompt_password("API key: ");
        typed.map_err(|error| Failure::usage(format!("the API key cannot be read: {error}")))?
    } else {
        return Err(Failure::usage(format!(
            "no API key: run `tgscan init`, set {API_KEY}, or pass a file with --key-file; {KEY_PAGE} issues keys"
        )));
    };
    parse_key(global, &text)
}

pub(crate) fn parse_key(global: &Global, text: &str) -> Result<ApiKey, Failure> {
    let key = if global.test_key { ApiKey::test(text.trim()) } else { ApiKey::live(text.trim()) };
    key.map_err(|error| {
        Failure::usage(format!("the API key from {} is invalid: {error}", key_source(global)))
    })
}

/// Describes the source of the API key.
pub(crate) fn key_source(global: &Global) -> String {
    match &global.key_file {
        Some(path) => format!("the file {}", escape(&path.display().to_string())),
        None if settings::has_key() => format!("the environment variable {API_KEY}"),
        None => "the terminal".to_owned(),
    }
}

/// Whether the key is the one of the configuration file, which `tgscan init` replaces.
pub(crate) fn is_key_from_init(global: &Global) -> bool {
    let is_given = global.given.iter().any(|(flag, _)| *flag == "--key-file");
    let variable = std::env::var_os("TGSCAN_KEY_FILE").is_some_and(|path| !path.is_empty());
    global.key_file.is_some() && !is_given && !variable
}

fn read_key_file(path: &Path) -> Result<String, Failure> {
    let fail = |error| Failure::usage(format!("the key file {}: {error}", path.display()));
    let mut file = std::fs::File::open(path).map_err(fail)?;
    if files::is_exposed(&file) {
        let path = escape(&path.display().to_string());
        print::note(&format!(
            "warning: other users can read the key file {path}; `chmod 600 {path}` prevents that"
        ));
    }
    let mut text = String::new();
    // A key is short; another file may be endless.
    (&mut file).take(64 * 1024).read_to_string(&mut text).map_err(fail)?;
    Ok(text)
}
