//! The gateway's configuration file: read as a whole, or refused as a whole.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use tgscan_core::types::registry;
use tokio::sync::Semaphore;

use super::key_hash::KeyHash;
use crate::args::BASE_URL;
use crate::exit::Failure;
use crate::location::{from_folder, is_database};
use crate::toml_text;

/// The longest time in a configuration, `1000years`: adding it to a time never overflows.
const LONGEST: Duration = Duration::from_secs(1000 * 31_557_600);

/// The configuration, as the file has it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default = "loopback")]
    pub(crate) listen: SocketAddr,
    /// A file, or a URL of PostgreSQL; without it, `TGSCAN_STORE`.
    pub(crate) store: Option<Location>,
    /// The label of the account in the store.
    #[serde(default = "account")]
    pub(crate) account: String,
    /// The most that all calls may cost, in credits.
    pub(crate) cap: u64,
    /// The most that one call is expected to cost, in credits.
    pub(crate) reserve: u64,
    /// How old a stored answer may be.
    #[serde(deserialize_with = "duration")]
    pub(crate) max_age: Duration,
    /// How long questions and answers are kept.
    #[serde(deserialize_with = "duration")]
    pub(crate) keep_for: Duration,
    #[serde(default)]
    pub(crate) service: Service,
    pub(crate) tls: Option<TlsFiles>,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) keys: Vec<Key>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Service {
    pub(crate) base_url: String,
    /// A file with the live key; without it, `TGSCAN_API_KEY`.
    pub(crate) key_file: Option<PathBuf>,
    /// A file with the test key.
    pub(crate) test_key_file: Option<PathBuf>,
    /// Root certificates to trust in addition to Mozilla's.
    pub(crate) ca: Option<PathBuf>,
    /// How often uncertain calls are resolved by comparing with the balance.
    #[serde(deserialize_with = "some_duration")]
    pub(crate) reconcile_every: Option<Duration>,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            base_url: BASE_URL.to_owned(),
            key_file: None,
            test_key_file: None,
            ca: None,
            reconcile_every: None,
        }
    }
}

/// The certificate chain and its private key, as PEM files.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Limits on callers.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Open connections; further ones get 503.
    pub(crate) connections: usize,
    /// The size of a request's head, in bytes.
    pub(crate) head_bytes: usize,
    /// The size of a request's body, in bytes.
    pub(crate) body_bytes: usize,
    /// How long a connection may be idle, or take to send a head.
    #[serde(deserialize_with = "duration")]
    pub(crate) head_timeout: Duration,
    /// How long a caller may take to send a body, and to read a piece of an answer.
    #[serde(deserialize_with = "duration")]
    pub(crate) body_timeout: Duration,
    /// How long a caller waits for an answer. The call continues after that.
    #[serde(deserialize_with = "duration")]
    pub(crate) deadline: Duration,
    /// How long SIGTERM waits for calls in flight.
    #[serde(deserialize_with = "duration")]
    pub(crate) drain: Duration,
    /// Whether other machines can read `/metrics`.
    pub(crate) remote_metrics: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1000,
            head_bytes: 16 * 1024,
            body_bytes: 16 * 1024,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(90),
            drain: Duration::from_secs(90),
            remote_metrics: false,
        }
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) hash: KeyHash,
    #[serde(default)]
    pub(crate) kind: Kind,
    /// The API methods that it may call; without it, all.
    pub(crate) methods: Option<Vec<String>>,
    /// Budgets, in credits.
    pub(crate) total: Option<u64>,
    pub(crate) per_day: Option<u64>,
    pub(crate) per_month: Option<u64>,
}

/// Which methods a local key calls.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    #[default]
    Live,
    Test,
}

/// The location of a store. `Debug` shows no password.
#[derive(Clone, Deserialize, PartialEq)]
pub(crate) struct Location(pub(crate) String);

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if is_database(&self.0) { "Location(postgres://…)" } else { "Location(file)" })
    }
}

impl Config {
    /// Reads a file. Relative paths in it start at its directory.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| failure(path, &error.to_string()))?;
        Self::parse(&text, path.parent().unwrap_or(Path::new(""))).map_err(|problem| failure(path, &problem))
    }

    /// Parses a configuration. Errors name the line but quote no value, because it could be a password.
    pub(crate) fn parse(text: &str, directory: &Path) -> Result<Self, String> {
        let mut config: Self = toml_text::parse(text)?;
        config.check()?;
        config.resolve(directory).map_err(|failure| failure.to_string())?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.reserve == 0 || self.reserve > self.cap {
            return Err("`reserve` must be from 1 to `cap`".to_owned());
        }
        if self.account.is_empty() {
            return Err("`account` must not be empty".to_owned());
        }
        let limits = &self.limits;
        if limits.connections == 0 || limits.body_bytes == 0 {
            return Err("`limits.connections` and `limits.body_bytes` must be above 0".to_owned());
        }
        if limits.connections > Semaphore::MAX_PERMITS {
            return Err(format!("`limits.connections` must be at most {}", Semaphore::MAX_PERMITS));
        }
        // What hyper needs to hold one line.
        if limits.head_bytes < 8192 {
            return Err("`limits.head_bytes` must be at least 8192".to_owned());
        }
        for (at, key) in self.keys.iter().enumerate() {
            check_name(&key.name)?;
            let earlier = &self.keys[..at];
            if earlier.iter().any(|other| other.name == key.name) {
                return Err(format!("two keys have the name {:?}", key.name));
            }
            if earlier.iter().any(|other| other.hash == key.hash) {
                return Err(format!("the key of {:?} is also listed under another name", key.name));
            }
            let methods = key.methods.iter().flatten();
            for method in methods {
                check_method(method)?;
            }
            if key.kind == Kind::Test && self.service.test_key_file.is_none() {
                return Err(format!("{:?} is a test key, which needs `service.test_key_file`", key.name));
            }
        }
        Ok(())
    }

    fn resolve(&mut self, directory: &Path) -> Result<(), Failure> {
        let service = &mut self.service;
        let files = [&mut service.key_file, &mut service.test_key_file, &mut service.ca];
        let tls = self.tls.iter_mut().flat_map(|tls| [&mut tls.certificate, &mut tls.key]);
        for file in files.into_iter().flatten().chain(tls) {
            *file = directory.join(&*file);
        }
        if let Some(Location(store)) = &mut self.store {
            *store = from_folder(directory, store)?;
        }
        Ok(())
    }

    /// Returns the settings that only a restart changes and that differ in `new`.
    pub(crate) fn fixed_changes(&self, new: &Self) -> Vec<&'static str> {
        let changes = [
            ("listen", self.listen != new.listen),
            ("store", self.store != new.store),
            ("account", self.account != new.account),
            ("service.base_url", self.service.base_url != new.service.base_url),
            ("service.ca", self.service.ca != new.service.ca),
            ("service.reconcile_every", self.service.reconcile_every != new.service.reconcile_every),
            ("tls", self.tls.is_some() != new.tls.is_some()),
            ("limits.connections", self.limits.connections != new.limits.connections),
        ];
        changes.into_iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| name).collect()
    }
}

/// Checks the name of a local key, which labels budgets, metrics and log lines.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err("the name of a key must be 1 to 64 letters, digits, `.`, `_` and `-`".to_owned())
}

pub(crate) fn check_method(method: &str) -> Result<(), String> {
    let infos = registry::infos();
    if infos.iter().any(|info| info.name == method) {
        return Ok(());
    }
    let names: Vec<_> = infos.iter().map(|info| info.name).collect();
    Err(format!("a key's `methods` must be among `{}`", names.join("`, `")))
}

fn failure(path: &Path, problem: &str) -> Failure {
    Failure::usage(format!("{}: {problem}", path.display()))
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8470))
}

fn account() -> String {
    "default".to_owned()
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let duration = humantime::parse_duration(&text).ok();
    let duration = duration.filter(|duration| !duration.is_zero() && *duration <= LONGEST);
    duration.ok_or_else(|| D::Error::custom("expected a time such as \"30s\" or \"7days\", up to 1000years"))
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "cap = 10\nreserve = 2\nmax_age = \"7days\"\nkeep_for = \"30days\"\n";

    fn parse(more: &str) -> Result<Config, String> {
        Config::parse(&format!("{LEAST}{more}"), Path::new("/etc/gateway"))
    }

    fn key(name: &str, digit: char) -> String {
        format!("[[keys]]\nname = \"{name}\"\nhash = \"sha256:{}\"\n", digit.to_string().repeat(64))
    }

    #[test]
    fn least_configuration_listens_on_loopback() {
        let config = parse("").unwrap();
        assert!(config.listen.ip().is_loopback());
        assert_eq!(config.limits.connections, 1000);
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let config = parse("store = \"answers\"\n[service]\nkey_file = \"key\"").unwrap();
        assert_eq!(config.store.unwrap().0, "/etc/gateway/answers");
        assert_eq!(config.service.key_file.unwrap(), Path::new("/etc/gateway/key"));
        let url = parse("store = \"postgres://user@host/database\"").unwrap();
        assert_eq!(url.store.unwrap().0, "postgres://user@host/database");
    }

    #[test]
    fn errors_name_the_line_and_quote_no_value() {
        for (more, expected) in [
            ("kap = 3", "line 5: unknown field `kap`"),
            ("listen = \"postgres://user:secret@host\"", "line 5: "),
            ("account = 5", "line 5: expected a string"),
            ("[limits]\ndeadline = \"secret\"", "line 6: expected a time"),
            ("[limits]\ndrain = \"1001years\"", "line 6: expected a time"),
            ("[limits]\nconnections = 9000000000000000000", "`limits.connections` must be at most"),
            ("[limits]\nconnections = \"secret\"", "line 6: expected usize"),
            ("[[keys]]\nname = \"a\"\nhash = \"secret\"", "line 7: expected `sha256:"),
            ("cap = 3", "line 5: duplicate key"),
        ] {
            let problem = parse(more).unwrap_err();
            assert!(problem.starts_with(expected), "{more}: {problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
    }

    #[test]
    fn keys_are_checked_together() {
        let two = |one: String, other: String| parse(&format!("{one}{other}"));
        two(key("a", 'a'), key("b", 'b')).unwrap();
        for (one, other) in [
            (key("a", 'a'), key("a", 'b')),
            (key("a", 'a'), key("b", 'a')),
            (key("a", 'a'), key("", 'b')),
            (key("a", 'a'), key("b\\nb", 'b')),
            (key("a", 'a'), format!("{}methods = [\"delete\"]\n", key("b", 'b'))),
            (key("a", 'a'), format!("{}kind = \"test\"\n", key("b", 'b'))),
        ] {
            two(one, other).unwrap_err();
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let config = parse("store = \"postgres://user:secret@host/database\"").unwrap();
        assert!(!format!("{config:?}").contains("secret"));
    }
}
