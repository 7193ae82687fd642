//! `cargo xtask demo`: shows all API methods over HTTPS on loopback, and the errors of failures.

mod calls;
mod failures;

use clap::Args;
use tgscan_core::{Api, ApiKey, Client, Ledger};
use tgscan_mock::{Mock, MockServer, ServerOptions};
use tgscan_transport_hyper::{HyperTransport, HyperTransportBuilder};

/// Flags of `cargo xtask demo`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Seed of the mock's data
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

/// The initial credits of the demo's account.
const CREDITS: i64 = 100;

/// A mock behind an HTTPS server.
struct Stage {
    mock: Mock,
    server: MockServer,
}

impl Stage {
    fn new(builder: tgscan_mock::MockBuilder) -> Result<Self, String> {
        let mock = builder.build().map_err(text)?;
        let server = MockServer::start(&mock, &ServerOptions::new().https::<&str>([])).map_err(text)?;
        Ok(Self { mock, server })
    }

    /// Returns the builder of a transport that trusts the server's certificate.
    fn transport(&self) -> HyperTransportBuilder {
        HyperTransport::builder().extra_roots_pem(self.server.ca_pem().unwrap_or_default())
    }

    fn api(&self, key: ApiKey) -> Result<Api, String> {
        Api::with_base_url(&self.server.url(), key).map_err(text)
    }

    fn client(&self, key: ApiKey) -> Result<Client, String> {
        let transport = self.transport().build().map_err(text)?;
        Ok(transport.client(self.api(key)?.with_ledger(Ledger::new())))
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Runs the demo.
///
/// # Errors
/// Returns the differences from the expected results.
pub fn run(flags: &Flags) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(text)?;
    let differences = runtime.block_on(async {
        let mut differences = calls::run(flags.seed).await?;
        differences.extend(failures::run(flags.seed).await?);
        Ok::<_, String>(differences)
    })?;
    if differences.is_empty() {
        println!("\nAll results are as expected.");
        return Ok(());
    }
    Err(format!("demo: {} unexpected results:\n  {}", differences.len(), differences.join("\n  ")))
}
