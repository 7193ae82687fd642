//! The command line of the gateway.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Args)]
pub(crate) struct ServeCommand {
    /// Configuration file; a running gateway reloads it on SIGHUP
    #[arg(long, global = true, value_name = "FILE", default_value = "gateway.toml")]
    pub(crate) config: PathBuf,
    /// Listen on an address that other machines can reach; needs TLS, or --plain
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// Serve other machines without TLS: anyone on the network path can read keys, queries and answers
    #[arg(long, requires = "allow_remote")]
    pub(crate) plain: bool,
    #[command(subcommand)]
    pub(crate) command: Option<ServeSubcommand>,
}

#[derive(Subcommand)]
pub(crate) enum ServeSubcommand {
    /// Check the configuration file without starting the gateway
    Check,
    /// Manage the local keys, which programs send to the gateway
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Print the OpenAPI document of the gateway
    Openapi,
}

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Create a local key, print it once, and add its hash to the configuration file
    Add(AddKey),
}

#[derive(Args)]
pub(crate) struct AddKey {
    /// Name of the key: 1 to 64 letters, digits, `.`, `_` and `-`; also the label of its budgets
    pub(crate) name: String,
    /// Spend at most N credits with this key
    #[arg(long, value_name = "N")]
    pub(crate) total: Option<u64>,
    /// Spend at most N credits per day (UTC) with this key
    #[arg(long, value_name = "N")]
    pub(crate) per_day: Option<u64>,
    /// Spend at most N credits per calendar month (UTC) with this key
    #[arg(long, value_name = "N")]
    pub(crate) per_month: Option<u64>,
    /// Allow only this API method; repeatable
    #[arg(long = "method", value_name = "METHOD")]
    pub(crate) methods: Vec<String>,
    /// Create a key for the test methods, which return random data and cost nothing
    #[arg(long)]
    pub(crate) test: bool,
}
