//! `tgscan-mock serve`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use tgscan_mock::data::Profile;
use tgscan_mock::{Mock, MockServer, ServerOptions};

/// Flags of `serve`.
#[derive(Args)]
pub(crate) struct Serve {
    /// Address to listen on; port 0 takes a free one, which is printed
    #[arg(long, default_value = "127.0.0.1:8089")]
    address: SocketAddr,
    /// Allow an address that other machines can reach
    #[arg(long)]
    expose: bool,
    /// Seed of all answers: the same seed and query give the same answer
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Credits on the balance
    #[arg(long, default_value_t = 1000)]
    credits: i64,
    /// How the data looks
    #[arg(long, value_enum, default_value_t = ProfileName::Typical)]
    profile: ProfileName,
    /// Live API key; may be given more than once
    #[arg(long, value_name = "KEY", default_value = Mock::LIVE_KEY)]
    live_key: Vec<String>,
    /// Test API key; may be given more than once
    #[arg(long, value_name = "KEY", default_value = Mock::TEST_KEY)]
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
}

#[derive(Clone, Copy, ValueEnum)]
enum ProfileName {
    /// Like real Telegram data
    Typical,
    /// Legal, and as unpleasant as that allows
    Hostile,
}

impl Serve {
    /// Serves until the process is told to stop.
    pub(crate) fn run(self) -> Result<(), String> {
        let mut builder = Mock::builder().seed(self.seed).credits(self.credits).profile(match self.profile {
            ProfileName::Typical => Profile::Typical,
            ProfileName::Hostile => Profile::Hostile,
        });
        for key in self.live_key {
            builder = builder.live_key(key);
        }
        for key in self.test_key {
            builder = builder.test_key(key);
        }
        for key in self.revoked_key {
            builder = builder.revoked_key(key);
        }
        let mock = builder.build().map_err(|error| error.to_string())?;

        let mut options = ServerOptions::new().address(self.address);
        if self.expose {
            options = options.exposed();
        }
        if self.tls || self.ca.is_some() || !self.san.is_empty() {
            options = options.https(self.san);
        }
        // Listened for before anything starts, so that no signal falls between.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start the runtime: {error}"))?;
        let stop = runtime.block_on(async { stop_signal() })?;

        let server = MockServer::start(&mock, &options).map_err(|error| error.to_string())?;
        if let (Some(path), Some(pem)) = (&self.ca, server.ca_pem()) {
            write(path, pem)?;
        }
        say(&format!("listening on {}", server.url()))?;
        // Last, because whoever waits for this file takes it as the sign that everything is ready.
        if let Some(path) = &self.port_file {
            write(path, &format!("{}\n", server.address().port()))?;
        }
        runtime.block_on(stop);
        drop(server);
        say("stopped")
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Prints a line for scripts to read, at once.
fn say(line: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| format!("cannot print: {error}"))
}

/// Ends at the first SIGTERM or Ctrl-C.
fn stop_signal() -> Result<impl Future<Output = ()>, String> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
        let (mut terminate, mut interrupt) =
            (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        // Without a listener it cannot be stopped politely, only killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
