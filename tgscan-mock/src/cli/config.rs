//! The settings of `serve`: a TOML file, and flags that override it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::{Map, Value};
use tgscan_mock::data::Profile;
use tgscan_mock::types::ApiMethod;
use tgscan_mock::{ErrorStatus, MethodCost, Repeat, ScriptStep, UnknownAccounts};
use toml::Spanned;

/// The file. Unknown keys are errors, since they are misspelt.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) address: Option<String>,
    pub(crate) expose: Option<bool>,
    pub(crate) seed: Option<u64>,
    pub(crate) credits: Option<i64>,
    pub(crate) profile: Option<ProfileName>,
    pub(crate) repeat: Option<RepeatName>,
    pub(crate) error_status: Option<ErrorStatusName>,
    pub(crate) strict: Option<bool>,
    pub(crate) like_service: Option<bool>,
    pub(crate) like: Option<PathBuf>,
    pub(crate) latency_ms: Option<u64>,
    pub(crate) today: Option<String>,
    pub(crate) unknown_percent: Option<u64>,
    pub(crate) unknown: Option<UnknownName>,
    pub(crate) live_keys: Option<Vec<String>>,
    pub(crate) test_keys: Option<Vec<String>>,
    pub(crate) revoked_keys: Option<Vec<String>>,
    pub(crate) tls: Option<bool>,
    pub(crate) sans: Option<Vec<String>>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) port_file: Option<PathBuf>,
    pub(crate) gzip: Option<bool>,
    pub(crate) quiet: Option<bool>,
    /// Costs by API method.
    #[serde(default)]
    pub(crate) costs: BTreeMap<String, MethodCost>,
    /// Script steps in order. Parsed one by one, so that an error names its line.
    #[serde(default)]
    faults: Vec<Spanned<Map<String, Value>>>,
    #[serde(skip)]
    pub(crate) steps: Vec<ScriptStep>,
}

/// [`Profile`] by name.
#[derive(Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProfileName {
    /// Like real Telegram data
    Typical,
    /// As unusual as the documentation allows
    Extreme,
    /// Beyond the documentation, but accepted by a tolerant reader
    Undocumented,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Typical => Self::Typical,
            ProfileName::Extreme => Self::Extreme,
            ProfileName::Undocumented => Self::Undocumented,
        }
    }
}

/// [`Repeat`] by name.
#[derive(Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RepeatName {
    /// The same answer every time
    Same,
    /// Another answer each time
    Varied,
}

impl From<RepeatName> for Repeat {
    fn from(name: RepeatName) -> Self {
        match name {
            RepeatName::Same => Self::Same,
            RepeatName::Varied => Self::Varied,
        }
    }
}

/// [`ErrorStatus`] by name, on the command line and in the file.
#[derive(Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum ErrorStatusName {
    /// The status for the cause, such as 401
    ByCause,
    /// Always 200
    AlwaysOk,
}

impl From<ErrorStatusName> for ErrorStatus {
    fn from(name: ErrorStatusName) -> Self {
        match name {
            ErrorStatusName::ByCause => Self::ByCause,
            ErrorStatusName::AlwaysOk => Self::AlwaysOk,
        }
    }
}

/// [`UnknownAccounts`] by name.
#[derive(Clone, Copy, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnknownName {
    /// A successful answer without data
    Blank,
    /// An error envelope
    Error,
}

impl From<UnknownName> for UnknownAccounts {
    fn from(name: UnknownName) -> Self {
        match name {
            UnknownName::Blank => Self::Blank,
            UnknownName::Error => Self::Error,
        }
    }
}

impl Config {
    /// Reads the file. The error is one line, with its position in the file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {name}: {error}"))?;
        let at = |start: usize, message: &str| {
            let line = text[..start].matches('\n').count() + 1;
            format!("{name}, line {line}: {}", one_line(message))
        };
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| at(error.span().map_or(0, |span| span.start), error.message()))?;
        for step in std::mem::take(&mut config.faults) {
            let start = step.span().start;
            let step = serde_json::from_value(Value::Object(step.into_inner()));
            config.steps.push(step.map_err(|error| at(start, &error.to_string()))?);
        }
        Ok(config)
    }
}

/// Joins the lines of an error.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Returns the request of `M` with this query in the wire form.
pub(crate) fn request<M: ApiMethod>(query: Option<&str>) -> Result<M, String> {
    let fields: Vec<(&str, &str)> = query.map(|query| ("query", query)).into_iter().collect();
    serde_html_form::to_string(&fields)
        .map_err(|error| error.to_string())
        .and_then(|form| serde_html_form::from_str(&form).map_err(|error| one_line(&error.to_string())))
}
