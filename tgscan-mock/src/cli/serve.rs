//! `tgscan-mock serve`.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgMatches, FromArgMatches};
use tgscan_mock::{Manner, Mock, MockBuilder, MockServer, ServerOptions};

use crate::settings::{Settings, one_line};
use crate::{log, print_line, warn};

const DEFAULT_PORT: u16 = 8089;
/// An hour, as for the control paths.
const MOST_LATENCY_MS: u64 = 60 * 60 * 1000;

/// Serves until the process receives a signal to stop.
pub(crate) fn run(flags: &ArgMatches) -> Result<(), String> {
    let file = flags.get_one::<PathBuf>("config");
    let mut settings = file.map_or_else(|| Ok(Settings::default()), |path| Settings::read(path))?;
    settings.update_from_arg_matches(flags).map_err(|error| error.to_string())?;
    let manner = settings.like.as_deref().map(manner).transpose()?;
    if let Some(manner) = &manner {
        manner.differences().iter().for_each(|line| warn(line));
        settings.gzip = settings.gzip.or(Some(manner.has_gzip()));
    }
    let mock = mock(&settings, manner)?;
    let options = options(&settings)?;
    let log = log::start();
    // A script that waits for the port must not find an older one.
    if let Some(path) = &settings.port_file {
        let _ = std::fs::remove_file(path);
    }

    // Registered before the server starts, so that no signal is missed.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let stop = runtime.block_on(async { stop() })?;

    let server = MockServer::start(&mock, &options).map_err(|error| error.to_string())?;
    announce(&server, &settings)?;
    runtime.block_on(stop);
    drop(server);
    if let Some(path) = &settings.port_file {
        let _ = std::fs::remove_file(path);
    }
    log::finish(&log);
    print_line("stopped")
}

/// Reads a file of `tgscan probe`.
fn manner(path: &Path) -> Result<Manner, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {}", path.display(), one_line(error.message())))
}

fn mock(settings: &Settings, manner: Option<Manner>) -> Result<Mock, String> {
    let mut builder = manner.into_iter().fold(Mock::builder(), MockBuilder::like);
    builder = settings.seed.into_iter().fold(builder, MockBuilder::seed);
    builder = settings.credits.into_iter().fold(builder, MockBuilder::credits);
    builder = settings.profile.into_iter().fold(builder, MockBuilder::profile);
    builder = settings.repeat.into_iter().fold(builder, MockBuilder::repeat);
    builder = if settings.strict == Some(true) { builder.strict() } else { builder };
    builder = if settings.like_service == Some(true) { builder.like_service() } else { builder };
    // After the manner of the service, which sets it too.
    builder = settings.error_status.into_iter().fold(builder, MockBuilder::error_status);
    if let Some(milliseconds) = settings.latency_ms.filter(|latency| *latency > MOST_LATENCY_MS) {
        return Err(format!("the latency is {milliseconds} ms; use 0 to {MOST_LATENCY_MS}"));
    }
    let latency = settings.latency_ms.map(Duration::from_millis);
    builder = latency.into_iter().fold(builder, MockBuilder::latency);
    builder = settings.today.iter().fold(builder, MockBuilder::today);
    let unknown_percent = settings.unknown_percent.unwrap_or_default();
    builder = builder.unknown_accounts(unknown_percent, settings.unknown.unwrap_or_default());
    builder = settings.live_keys.iter().fold(builder, MockBuilder::live_key);
    builder = settings.test_keys.iter().fold(builder, MockBuilder::test_key);
    builder = settings.revoked_keys.iter().fold(builder, MockBuilder::revoked_key);
    let mock = builder.costs(&settings.costs).and_then(|builder| {
        let builder = builder.script_steps(settings.steps.iter().cloned());
        builder.build()
    });
    mock.map_err(|error| error.to_string())
}

/// Resolves an address such as `localhost:0` to its first result.
fn address(name: &str) -> Result<SocketAddr, String> {
    let wrong = |why: String| format!("address {name:?}: {why}; use one like 127.0.0.1:8089 or localhost:0");
    let mut addresses = name.to_socket_addrs().map_err(|error| wrong(error.to_string()))?;
    addresses.next().ok_or_else(|| wrong("the name has no address".into()))
}

fn options(settings: &Settings) -> Result<ServerOptions, String> {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
    let address = settings.address.as_deref().map_or(Ok(default), address)?;
    let mut options = ServerOptions::new().address(address);
    if settings.expose == Some(true) {
        options = options.allow_remote();
        if !address.ip().is_loopback() {
            warn("clients that reach this address can use the mock and read all requests");
        }
    }
    if settings.tls == Some(true) || settings.ca.is_some() || !settings.sans.is_empty() {
        options = options.https(&settings.sans);
    }
    if settings.gzip == Some(true) {
        options = options.gzip();
    }
    if settings.quiet != Some(true) {
        options = options.log(log::line);
    }
    Ok(options)
}

/// Writes the files, then prints the address. The port file comes last, since scripts take it as the sign that the
/// server is ready.
fn announce(server: &MockServer, settings: &Settings) -> Result<(), String> {
    let ca = settings.ca.as_deref().zip(server.ca_pem());
    if let Some((path, pem)) = ca {
        write(path, pem)?;
    }
    let port = format!("{}\n", server.address().port());
    if let Some(Err(problem)) = settings.port_file.as_ref().map(|path| write(path, &port)) {
        if let Some((path, _)) = ca {
            // A start that failed leaves no files.
            let _ = std::fs::remove_file(path);
        }
        return Err(problem);
    }
    print_line(&format!("listening on {}", server.url()))?;
    if settings.quiet != Some(true) {
        warn(&format!("to see the requests and to set faults, open {}/_mock/ in a browser", server.url()));
    }
    Ok(())
}

/// Writes a file under another name first, so that scripts never read an incomplete one.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let written = std::fs::write(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&unfinished);
        format!("cannot write {}: {error}", path.display())
    })
}

/// Completes at the first SIGTERM or Ctrl-C. Call it in a runtime; signals are caught from then on.
#[cfg(unix)]
fn stop() -> Result<impl Future<Output = ()>, String> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Completes at the first Ctrl-C.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix, where it can fail")]
fn stop() -> Result<impl Future<Output = ()>, String> {
    Ok(async {
        // Without a listener, the process can only be killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
