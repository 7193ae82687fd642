//! `tgscan-mock serve`.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tgscan_mock::{Manner, Mock, MockServer, ServerOptions};

use crate::config::{Config, ErrorStatusName, ProfileName, RepeatName, UnknownName};
use crate::{log, print_line, warn};

const DEFAULT_PORT: u16 = 8089;

/// Flags of `serve`. Each overrides the same key of the file.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Serve {
    /// TOML file with these settings, costs and faults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on, an IP address or a name with a port; port 0 selects a free one and prints it [default:
    /// 127.0.0.1:8089]
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
    /// Kind of random data [default: typical]
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// Answer to a repeated query [default: same]
    #[arg(long, value_enum)]
    repeat: Option<RepeatName>,
    #[arg(long, value_enum, help = "HTTP status of error envelopes [default: by_cause]")]
    error_status: Option<ErrorStatusName>,
    /// Refuse bodies that are not sent as a form, as documented
    #[arg(long)]
    strict: bool,
    /// Answer as existing clients expect: errors with status 200, ids as numbers
    #[arg(long)]
    like_service: bool,
    /// Imitate the service that `tgscan probe` recorded in this file
    #[arg(long, value_name = "FILE")]
    like: Option<PathBuf>,
    /// Latency of each answer in milliseconds [default: 0]
    #[arg(long, value_name = "MS")]
    latency_ms: Option<u64>,
    /// Latest date in the data [default: 2026-01-01]
    #[arg(long, value_name = "DATE")]
    today: Option<String>,
    /// Percentage of unknown accounts [default: 0]
    #[arg(long, value_name = "PERCENT")]
    unknown_percent: Option<u64>,
    /// Response for unknown accounts [default: blank]
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
    /// Serve HTTPS, with a new certificate authority
    #[arg(long)]
    tls: bool,
    /// Further host name or IP address in the certificate; may be given more than once, implies --tls
    #[arg(long, value_name = "NAME")]
    san: Vec<String>,
    /// Write the authority's certificate to this PEM file, for clients to trust; implies --tls
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Write the port to this file, for scripts that wait for it
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,
    /// Compress answers with gzip for clients that accept it
    #[arg(long)]
    gzip: bool,
    /// Print nothing but the address
    #[arg(long)]
    quiet: bool,
}

impl Serve {
    /// Serves until the process receives a signal to stop.
    pub(crate) fn run(self) -> Result<(), String> {
        let mut config = self.settings()?;
        let manner = config.like.as_deref().map(manner).transpose()?;
        if let Some(manner) = &manner {
            manner.differences().iter().for_each(|line| warn(line));
            config.gzip = config.gzip.or(Some(manner.has_gzip()));
        }
        let mock = mock(&config, manner)?;
        let options = options(&config)?;
        let log = log::start();
        // A script that waits for the port must not find an older one.
        if let Some(path) = &config.port_file {
            let _ = std::fs::remove_file(path);
        }

        // Registered before the server starts, so that no signal is missed.
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
        print_line("stopped")
    }

    /// Returns the file's settings, overridden by the flags.
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
        config.like = self.like.or(config.like);
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

/// Reads a file of `tgscan probe`.
fn manner(path: &Path) -> Result<Manner, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| {
        let message = error.message().lines().map(str::trim).collect::<Vec<_>>().join(" ");
        format!("{}: {message}", path.display())
    })
}

fn mock(config: &Config, manner: Option<Manner>) -> Result<Mock, String> {
    let mut builder = Mock::builder();
    if let Some(manner) = manner {
        builder = builder.like(manner);
    }
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

/// Resolves an address such as `localhost:0` to its first result.
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
            warn("clients that reach this address can use the mock and read all requests");
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

/// Writes the files, then prints the address. The port file comes last, since scripts take it as the sign that the
/// server is ready.
fn announce(server: &MockServer, config: &Config) -> Result<(), String> {
    let ca = config.ca.as_deref().zip(server.ca_pem());
    if let Some((path, pem)) = ca {
        write(path, pem)?;
    }
    let port = format!("{}\n", server.address().port());
    if let Some(Err(problem)) = config.port_file.as_ref().map(|path| write(path, &port)) {
        if let Some((path, _)) = ca {
            // A start that failed leaves no files.
            let _ = std::fs::remove_file(path);
        }
        return Err(problem);
    }
    print_line(&format!("listening on {}", server.url()))?;
    if config.quiet != Some(true) {
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
