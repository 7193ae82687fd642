//! The settings of `serve`: a TOML file, and flags that override it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error};
use serde_json::{Map, Value};
use tgscan_mock::data::Profile;
use tgscan_mock::{ErrorStatus, MethodCost, Repeat, ScriptStep, UnknownAccounts};
use toml::Spanned;

/// The settings. Each flag overrides the same key of the file. Unknown keys are errors, since they are misspelt.
#[derive(Args, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// TOML file with these settings, costs and faults
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// Address to listen on, an IP address or a name with a port; port 0 selects a free port, which is printed
    /// [default: 127.0.0.1:8089]
    #[arg(long)]
    pub(crate) address: Option<String>,
    /// Allow an address that other machines can reach
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) expose: Option<bool>,
    /// Seed of all answers: the same seed and query give the same answer [default: 0]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Credits on the balance [default: 1000]
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) credits: Option<i64>,
    /// Kind of random data: typical, extreme or undocumented [default: typical]
    #[arg(long, value_parser = named::<Profile>)]
    pub(crate) profile: Option<Profile>,
    /// Answer to a repeated query: the same or a varied one [default: same]
    #[arg(long, value_parser = named::<Repeat>)]
    pub(crate) repeat: Option<Repeat>,
    #[arg(long, value_parser = named::<ErrorStatus>)]
    #[arg(help = "HTTP status of error envelopes: by_cause, or always_ok for 200 [default: by_cause]")]
    pub(crate) error_status: Option<ErrorStatus>,
    /// Refuse bodies without the content type of a form, which the documentation requires
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) strict: Option<bool>,
    /// Answer as existing clients expect: errors with status 200, ids as numbers
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) like_service: Option<bool>,
    /// Imitate the service that `tgscan probe` recorded in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) like: Option<PathBuf>,
    /// Latency of each answer in milliseconds [default: 0]
    #[arg(long, value_name = "MS")]
    pub(crate) latency_ms: Option<u64>,
    /// Latest date in the data [default: 2026-01-01]
    #[arg(long, value_name = "DATE")]
    pub(crate) today: Option<String>,
    /// Percentage of unknown accounts [default: 0]
    #[arg(long, value_name = "PERCENT")]
    pub(crate) unknown_percent: Option<u64>,
    /// Response for unknown accounts: a blank answer or an error [default: blank]
    #[arg(long, value_parser = named::<UnknownAccounts>)]
    pub(crate) unknown: Option<UnknownAccounts>,
    /// Live API key; may be given more than once [default: mock-live-key]
    #[arg(long = "live-key", value_name = "KEY")]
    pub(crate) live_keys: Vec<String>,
    /// Test API key; may be given more than once [default: mock-test-key]
    #[arg(long = "test-key", value_name = "KEY")]
    pub(crate) test_keys: Vec<String>,
    /// Key that was replaced by a newer one; may be given more than once
    #[arg(long = "revoked-key", value_name = "KEY")]
    pub(crate) revoked_keys: Vec<String>,
    /// Serve HTTPS, with a new certificate authority
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) tls: Option<bool>,
    /// Additional host name or IP address in the certificate; may be given more than once, implies --tls
    #[arg(long = "san", value_name = "NAME")]
    pub(crate) sans: Vec<String>,
    /// Write the authority's certificate to this PEM file, for clients to trust; implies --tls
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Write the port to this file, for scripts that wait for it
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,
    /// Compress answers with gzip for clients that accept it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) gzip: Option<bool>,
    /// Print nothing but the address
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) quiet: Option<bool>,
    /// Costs by API method.
    #[arg(skip)]
    pub(crate) costs: BTreeMap<String, MethodCost>,
    /// Script steps in order. Parsed one by one, so that an error names its line.
    #[arg(skip)]
    faults: Vec<Spanned<Map<String, Value>>>,
    #[arg(skip)]
    #[serde(skip)]
    pub(crate) steps: Vec<ScriptStep>,
}

impl Settings {
    /// Reads the file. The error is one line, with its position in the file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {name}: {error}"))?;
        let at = |start: usize, message: &str| {
            let line = text[..start].matches('\n').count() + 1;
            format!("{name}, line {line}: {}", one_line(message))
        };
        let mut settings: Self = toml::from_str(&text)
            .map_err(|error| at(error.span().map_or(0, |span| span.start), error.message()))?;
        for step in std::mem::take(&mut settings.faults) {
            let start = step.span().start;
            let step = serde_json::from_value(Value::Object(step.into_inner()));
            settings.steps.push(step.map_err(|error| at(start, &error.to_string()))?);
        }
        Ok(settings)
    }
}

/// Reads a value by its name in the file.
pub(crate) fn named<T: DeserializeOwned>(name: &str) -> Result<T, Error> {
    T::deserialize(name.into_deserializer())
}

/// Joins the lines of an error.
pub(crate) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
