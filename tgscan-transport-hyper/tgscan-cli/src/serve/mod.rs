//! The gateway: speaks the service's own protocol, so that a program in any language gets the promises of this SDK by
//! changing its base URL and its key. `SERVE.md` is its page.
//!
//! The SDK does everything about credits: each local key has a [`Client`](tgscan_core::Client) with the key's budgets,
//! all over one store. The gateway checks keys, limits the resources of callers, and turns replies and errors into
//! responses.
//!
//! Built on hyper's connections rather than axum, because a dozen fixed paths need no router, and all limits apply to
//! connections. HTTP/1.1 only: clients of the service speak it, and it has no streams that a caller could reset
//! rapidly.

mod answer;
pub(crate) mod args;
mod config;
mod http;
mod key_hash;
mod keys;
mod listen;
mod local_key;
mod log;
mod metrics;
mod recorder;
mod routes;
mod state;
mod tls;

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::print;
use args::{KeysCommand, ServeCommand, ServeSubcommand};
use config::Config;
use log::Log;
use state::Gateway;

pub(crate) async fn run(global: &Global, command: ServeCommand) -> Result<Code, Failure> {
    refuse_flags(global)?;
    match &command.command {
        None => serve(&command).await,
        Some(ServeSubcommand::Check) => {
            let config = Config::read(&command.config)?;
            check_address(&config, &command)?;
            print::note("the configuration is valid");
            Ok(Code::Done)
        }
        Some(ServeSubcommand::Keys(KeysCommand::Add(add))) => keys::add(&command.config, add),
        Some(ServeSubcommand::Openapi) => print::bytes(http::OPENAPI.as_bytes()).map(|()| Code::Done),
    }
}

/// Refuses the flags of other commands, because a flag without effect could be a cap.
fn refuse_flags(global: &Global) -> Result<(), Failure> {
    let given = [
        ("--key-file", global.key_file.is_some()),
        ("--test-key", global.test_key),
        ("--base-url", global.base_url.is_some()),
        ("--ca", global.ca.is_some()),
        ("--max-credits", global.max_credits.is_some()),
        ("--max-cost-per-search", global.max_cost_per_search.is_some()),
        ("--profile", global.profile.is_some()),
        ("--store", global.store.is_some()),
        ("--no-store", global.no_store),
        ("--max-age", global.max_age.is_some()),
        ("--keep-for", global.keep_for.is_some()),
        ("--account", global.account.is_some()),
        ("--pay-again", global.pay_again),
        ("--timeout", global.timeout.is_some()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => Err(Failure::usage(format!(
            "`tgscan serve` takes no {flag}: its settings are in its configuration file"
        ))),
        None => Ok(()),
    }
}

/// Requires both the address and a flag before other machines can reach the gateway.
fn check_address(config: &Config, command: &ServeCommand) -> Result<(), Failure> {
    let address = config.listen;
    if command.plain && config.tls.is_some() {
        return Err(Failure::usage("--plain: the configuration has `[tls]`; remove one of them"));
    }
    if address.ip().is_loopback() {
        return Ok(());
    }
    if !command.allow_remote {
        return Err(Failure::usage(format!(
            "{address} is not a loopback address: listen on 127.0.0.1, or allow other machines with --allow-remote"
        )));
    }
    if config.tls.is_none() && !command.plain {
        return Err(Failure::usage(format!(
            "{address} is not a loopback address, and without TLS anyone on the network path can read keys, queries and \
             answers: add `[tls]` to the configuration, or accept that with --plain"
        )));
    }
    Ok(())
}

async fn serve(command: &ServeCommand) -> Result<Code, Failure> {
    let config = Config::read(&command.config)?;
    check_address(&config, command)?;
    let address = config.listen;
    let gateway = Arc::new(Gateway::open(config, Log::start()).await?);
    let listener = TcpListener::bind(address).await;
    let failed = |error| Failure::new(Code::Other, format!("cannot listen on {address}: {error}"));
    let listener = listener.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    // From now on signals are handled, and no longer end the process.
    let (stopped, reloading) = (stopped(), reload_on_signal(gateway.clone(), command.config.clone()));
    gateway.log.event("listening", json!({ "address": address.to_string() }));
    let reloading = tokio::spawn(reloading);
    let reconciling = tokio::spawn(reconcile(gateway.clone()));
    let (has_ended, until) = listen::serve(gateway.clone(), listener, stopped).await;
    reloading.abort();
    reconciling.abort();
    let left = gateway.drain(until).await;
    let is_whole = has_ended && left == tgscan_core::Drained::default();
    gateway.log.event(
        "stopped",
        json!({ "calls_left": left.calls, "unwritten": left.unwritten, "lost": left.lost }),
    );
    gateway.log.close();
    Ok(if is_whole { Code::Done } else { Code::Uncertain })
}

/// Reads the configuration again at each SIGHUP.
#[cfg(unix)]
fn reload_on_signal(
    gateway: Arc<Gateway>,
    path: std::path::PathBuf,
) -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::unix::{SignalKind, signal};
    let hangups = signal(SignalKind::hangup());
    async move {
        let Ok(mut hangups) = hangups else { return };
        while hangups.recv().await.is_some() {
            reload(&gateway, &path);
            gateway.forget_retired().await;
        }
    }
}

#[cfg(not(unix))]
async fn reload_on_signal(_: Arc<Gateway>, _: std::path::PathBuf) {}

#[cfg(unix)]
fn reload(gateway: &Gateway, path: &Path) {
    match Config::read(path).and_then(|config| gateway.reload(config)) {
        Ok(()) => gateway.log.event("reloaded", json!({})),
        // The old configuration stays in effect.
        Err(failure) => gateway.log.event("reload_refused", json!({ "problem": failure.to_string() })),
    }
}

/// Resolves uncertain calls by comparing with the balance, at the configured interval.
async fn reconcile(gateway: Arc<Gateway>) {
    let Some(every) = gateway.state().config.service.reconcile_every else { return };
    loop {
        let client = gateway.client();
        let is_due = client
            .book()
            .await
            .is_ok_and(|book| book.balance().is_none() || book.totals().uncertain_attempts > 0);
        if is_due {
            let details = match client.reconcile().await {
                Ok(report) => json!({ "outcome": format!("{:?}", report.outcome) }),
                Err(error) => json!({ "error": error.to_string() }),
            };
            gateway.log.event("reconciled", details);
        }
        tokio::time::sleep(every).await;
    }
}

/// Waits for SIGTERM or SIGINT. A second one ends the process.
#[cfg(unix)]
fn stopped() -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            return std::future::pending().await;
        };
        let mut next = async move || {
            tokio::select! {
                _ = terminate.recv() => Code::Terminated,
                _ = interrupt.recv() => Code::Interrupted,
            }
        };
        next().await;
        tokio::spawn(async move { std::process::exit(next().await as i32) });
    }
}

#[cfg(not(unix))]
async fn stopped() {
    let _ = tokio::signal::ctrl_c().await;
}
