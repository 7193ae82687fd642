//! `tgscan-mock serve`.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tgscan_mock::{Mock, MockServer, ServerOptions};

use crate::config::{Config, ErrorStatusName, ProfileName, RepeatName, UnknownName};
use crate::{complain, log, say};

const DEFAULT_PORT: u16 = 8089;

/// Flags of `serve`. Each goes before the same key of the file.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Serve {
    /// TOML file with any of these settings, and with costs and faults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on, by number or name; port 0 takes a free one, which is printed [default: 127.0.0.1:8089]
    #[arg(long)]
    address: Option<String>,
    /// Allow an address that other machines can reach
    #[arg(long)]
    expose: bool,
    /// Seed of all answers: the same seed and query give the same answer [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Credits on the balance [default: 1000]
    #[arg(long, allow_negative_numbers = true)]
    credits: Option<i64>,
    /// How the data looks [default: typical]
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// Which answer a repeated query gets [default: same]
    #[arg(long, value_enum)]
    repeat: Option<RepeatName>,
    #[arg(long, value_enum, help = "Under which HTTP status error envelopes come [default: by_cause]")]
    error_status: Option<ErrorStatusName>,
    /// Refuse what clients in the field do and the documentation does not
    #[arg(long)]
    strict: bool,
    /// Answer as clients in the field expect it: errors under 200, ids as numbers
    #[arg(long)]
    like_service: bool,
    /// How long each answer takes, in milliseconds [default: 0]
    #[arg(long, value_name = "MS")]
    latency_ms: Option<u64>,
    /// The day after which nothing has happened [default: 2026-01-01]
    #[arg(long, value_name = "DATE")]
    today: Option<String>,
    /// How many of a hundred accounts are unknown [default: 0]
    #[arg(long, value_name = "PERCENT")]
    unknown_percent: Option<u64>,
    /// What is answered about them [default: blank]
    #[arg(long, value_enum)]
    unknown: Option<UnknownName>,
    /// Live API key; may be given more than once [default: mock-live-key]
    #[arg(long, value_name = "KEY")]
    live_key: Vec<String>,
    /// Test API key; may be given more than once [default: mock-test-key]
    #[arg(long, value_name = "KEY")]
    test_key: Vec<String>,
    /// Key that was replaced by a newer one; may be given more than once
    #[arg(long, value_name = "KEY")]
    revoked_key: Vec<String>,
    /// Serve HTTPS, with a certificate authority made at this start
    #[arg(long)]
    tls: bool,
    /// Host name or IP address that the certificate is also for; may be given more than once, implies --tls
    #[arg(long, value_name = "NAME")]
    san: Vec<String>,
    /// Where to write the authority's certificate as PEM, for clients to trust; implies --tls
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where to write the port, for scripts that wait for it
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,
    /// Compress answers with gzip for clients that accept it
    #[arg(long)]
    gzip: bool,
    /// Print no line per request
    #[arg(long)]
    quiet: bool,
}

impl Serve {
    /// Serves until the process is told to stop.
    pub(crate) fn run(self) -> Result<(), String> {
        let config = self.settings()?;
        let mock = mock(&config)?;
        let options = options(&config)?;
        let log = log::start();
        // Whoever waits for the port must not find an older one.
        if let Some(path) = &config.port_file {
            let _ = std::fs::remove_file(path);
        }

        // Listened for before anything starts, so that no signal falls between.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start the runtime: {error}"))?;
        let stop = runtime.block_on(async { stop() })?;

        let server = MockServer::start(&mock, &options).map_err(|error| error.to_string())?;
        announce(&server, &config)?;
        runtime.block_on(stop);
        drop(server);
        if let Some(path) = &config.port_file {
            let _ = std::fs::remove_file(path);
        }
        log::finish(&log);
        say("stopped")
    }

    /// The file's settings with the flags over them.
    fn settings(self) -> Result<Config, String> {
        let mut config = self.config.as_deref().map_or_else(|| Ok(Config::default()), Config::read)?;
        let given = |keys: Vec<String>| (!keys.is_empty()).then_some(keys);
        config.address = self.address.or(config.address);
        config.expose = self.expose.then_some(true).or(config.expose);
        config.seed = self.seed.or(config.seed);
        config.credits = self.credits.or(config.credits);
        config.profile = self.profile.or(config.profile);
        config.repeat = self.repeat.or(config.repeat);
        config.error_status = self.error_status.or(config.error_status);
        config.strict = self.strict.then_some(true).or(config.strict);
        config.like_service = self.like_service.then_some(true).or(config.like_service);
        config.latency_ms = self.latency_ms.or(config.latency_ms);
        config.today = self.today.or(config.today);
        config.unknown_percent = self.unknown_percent.or(config.unknown_percent);
        config.unknown = self.unknown.or(config.unknown);
        config.live_keys = given(self.live_key).or(config.live_keys);
        config.test_keys = given(self.test_key).or(config.test_keys);
        config.revoked_keys = given(self.revoked_key).or(config.revoked_keys);
        config.tls = self.tls.then_some(true).or(config.tls);
        config.sans = given(self.san).or(config.sans);
        config.ca = self.ca.or(config.ca);
        config.port_file = self.port_file.or(config.port_file);
        config.gzip = self.gzip.then_some(true).or(config.gzip);
        config.quiet = self.quiet.then_some(true).or(config.quiet);
        Ok(config)
    }
}

fn mock(config: &Config) -> Result<Mock, String> {
    let mut builder = Mock::builder();
    if let Some(seed) = config.seed {
        builder = builder.seed(seed);
    }
    if let Some(credits) = config.credits {
        builder = builder.credits(credits);
    }
    if let Some(profile) = config.profile {
        builder = builder.profile(profile.into());
    }
    if let Some(repeat) = config.repeat {
        builder = builder.repeat(repeat.into());
    }
    if config.strict == Some(true) {
        builder = builder.strict();
    }
    if config.like_service == Some(true) {
        builder = builder.like_service();
    }
    if let Some(error_status) = config.error_status {
        builder = builder.error_status(error_status.into());
    }
    if let Some(milliseconds) = config.latency_ms {
        builder = builder.latency(Duration::from_millis(milliseconds));
    }
    if let Some(today) = &config.today {
        builder = builder.today(today);
    }
    if config.unknown_percent.is_some() || config.unknown.is_some() {
        let unknown = config.unknown.map_or_else(Default::default, Into::into);
        builder = builder.unknown_accounts(config.unknown_percent.unwrap_or_default(), unknown);
    }
    for key in config.live_keys.iter().flatten() {
        builder = builder.live_key(key);
    }
    for key in config.test_keys.iter().flatten() {
        builder = builder.test_key(key);
    }
    for key in config.revoked_keys.iter().flatten() {
        builder = builder.revoked_key(key);
    }
    let mock = builder.costs(&config.costs).and_then(|builder| {
        let builder = builder.script_steps(config.steps.iter().cloned());
        builder.build()
    });
    mock.map_err(|error| error.to_string())
}

/// The address of a name, e.g. `localhost:0`; its first one.
fn address(name: &str) -> Result<SocketAddr, String> {
    let wrong = |why: String| format!("address {name:?}: {why}; give one like 127.0.0.1:8089 or localhost:0");
    let mut addresses = name.to_socket_addrs().map_err(|error| wrong(error.to_string()))?;
    addresses.next().ok_or_else(|| wrong("the name has no address".into()))
}

fn options(config: &Config) -> Result<ServerOptions, String> {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
    let address = config.address.as_deref().map_or(Ok(default), address)?;
    let mut options = ServerOptions::new().address(address);
    if config.expose == Some(true) {
        options = options.allow_remote();
        if !address.ip().is_loopback() {
            complain("everybody who reaches this address can use the mock, and read what was sent to it");
        }
    }
    if config.tls == Some(true) || config.ca.is_some() || config.sans.is_some() {
        options = options.https(config.sans.iter().flatten());
    }
    if config.gzip == Some(true) {
        options = options.gzip();
    }
    if config.quiet != Some(true) {
        options = options.log(log::line);
    }
    Ok(options)
}

/// Writes the files, then prints the address. The port's file comes after the certificate's, because whoever waits for
/// it takes it as the sign that everything is ready.
fn announce(server: &MockServer, config: &Config) -> Result<(), String> {
    let ca = config.ca.as_deref().zip(server.ca_pem());
    if let Some((path, pem)) = ca {
        write(path, pem)?;
    }
    let port = format!("{}\n", server.address().port());
    if let Some(Err(problem)) = config.port_file.as_ref().map(|path| write(path, &port)) {
        if let Some((path, _)) = ca {
            // Nothing may be left behind by a start that failed.
            let _ = std::fs::remove_file(path);
        }
        return Err(problem);
    }
    say(&format!("listening on {}", server.url()))
}

/// Writes a file under another name first, so that nobody who waits for it reads half of it.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let written = std::fs::write(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&unfinished);
        format!("cannot write {}: {error}", path.display())
    })
}

/// Ends at the first SIGTERM or Ctrl-C. Needs the reactor of a runtime; signals are caught from the call on.
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

/// Ends at the first Ctrl-C.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix, where it can fail")]
fn stop() -> Result<impl Future<Output = ()>, String> {
    Ok(async {
        // Without a listener it cannot be stopped politely, only killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
