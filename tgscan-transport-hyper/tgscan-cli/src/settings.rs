//! The settings in effect: flags, else the environment, else the configuration file, else defaults.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use serde::{Deserialize, Serialize};

use crate::args::{BASE_URL, Global};
use crate::exit::Failure;
use crate::location::{self, hidden};
use crate::toml_text;

pub(crate) const API_KEY: &str = "TGSCAN_API_KEY";
/// The variable with the path of the configuration file, which overrides the platform's folder.
const CONFIG: &str = "TGSCAN_CONFIG";
pub(crate) const PROFILE: &str = "TGSCAN_PROFILE";
/// The default time for which stored answers are used.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The default time after which questions and answers are removed.
pub(crate) const KEEP_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Flag(String),
    Environment(String),
    /// The configuration file; with the profile, if it is in one.
    File(Option<String>),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Environment(name) => write!(f, "{name}"),
            Self::File(None) => f.write_str("configuration file"),
            Self::File(Some(profile)) => write!(f, "configuration file, profile {profile}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The values of a configuration file, or of a profile in it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Values {
    pub(crate) key_file: Option<String>,
    pub(crate) test_key: Option<bool>,
    pub(crate) base_url: Option<String>,
    pub(crate) ca: Option<String>,
    pub(crate) max_credits: Option<u64>,
    pub(crate) max_cost_per_search: Option<u64>,
    pub(crate) store: Option<String>,
    pub(crate) max_age: Option<String>,
    pub(crate) keep_for: Option<String>,
    pub(crate) account: Option<String>,
}

/// A configuration file. The values of a profile take precedence over those outside it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct File {
    #[serde(flatten)]
    pub(crate) values: toml::Table,
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub(crate) profiles: std::collections::BTreeMap<String, Values>,
}

/// The settings in effect, and their sources, in the order of `tgscan config`.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) file: Option<PathBuf>,
    pub(crate) profile: Option<String>,
    pub(crate) lines: Vec<(&'static str, String, Source)>,
}

/// Returns this program's folder for data on this platform.
pub(crate) fn data_folder() -> Option<PathBuf> {
    Some(choose_native_strategy().ok()?.data_dir().join("tgscan"))
}

/// Returns the path of the configuration file, whether it exists or not.
pub(crate) fn path() -> Option<PathBuf> {
    std::env::var_os(CONFIG)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(choose_native_strategy().ok()?.config_dir().join("tgscan").join("config.toml")))
}

/// Fills in settings without a flag.
pub(crate) fn resolve(global: &mut Global) -> Result<Settings, Failure> {
    global.given = given(global);
    let path = path();
    let (file, is_there) = match &path {
        Some(path) => read(path)?,
        None => (File::default(), false),
    };
    let profile = match global.profile.clone() {
        Some(profile) => Some(profile),
        None => text_of(PROFILE)?,
    };
    let layers = layers(file, profile.as_deref(), path.as_deref())?;
    let mut pick = Picker { layers, lines: Vec::new() };
    if has_key() && global.key_file.is_none() {
        pick.lines.push(("key", "(not shown)".to_owned(), Source::Environment(API_KEY.to_owned())));
    } else {
        global.key_file = pick.path("key_file", global.key_file.take())?;
    }
    let is_test = |text: &str| text.parse().map_err(|_| "use true or false".to_owned());
    let test = pick.parsed("test_key", global.test_key.then_some(true), is_test, bool::to_string)?;
    global.test_key = test.unwrap_or(false);
    let base_url = pick.text("base_url", global.base_url.take())?;
    global.base_url = Some(base_url.unwrap_or_else(|| pick.default("base_url", BASE_URL)));
    global.ca = pick.path("ca", global.ca.take())?;
    let credits = |text: &str| text.parse::<u64>().map_err(|_| "use a number of credits".to_owned());
    global.max_credits = pick.parsed("max_credits", global.max_credits, credits, u64::to_string)?;
    let most = global.max_cost_per_search;
    global.max_cost_per_search = pick.parsed("max_cost_per_search", most, credits, u64::to_string)?;
    stores(&mut pick, global)?;
    let lines = pick.lines;
    Ok(Settings { file: path.filter(|_| is_there), profile, lines })
}

/// Returns the flags that name the key, the service, and the store.
fn given(global: &Global) -> Vec<(&'static str, String)> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    [
        ("--profile", global.profile.clone()),
        ("--key-file", path(&global.key_file)),
        ("--base-url", global.base_url.clone()),
        ("--ca", path(&global.ca)),
        ("--store", global.store.clone().map(|store| hidden(&store))),
        ("--account", global.account.clone()),
    ]
    .into_iter()
    .filter_map(|(flag, value)| Some((flag, value?)))
    .collect()
}

fn stores(pick: &mut Picker, global: &mut Global) -> Result<(), Failure> {
    let given = [("--max-age", global.max_age.is_some()), ("--keep-for", global.keep_for.is_some())];
    let given = given.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag));
    if global.no_store {
        if let Some(flag) = given {
            return Err(Failure::usage(format!(
                "{flag} has no effect with --no-store; leave one of them out"
            )));
        }
        global.store = None;
        pick.lines.push(("store", "(none)".to_owned(), Source::Flag("--no-store".to_owned())));
        return Ok(());
    }
    global.store = pick.text("store", global.store.take())?;
    let time = |text: &str| {
        humantime::parse_duration(text).map_err(|error| format!("{error}; use a time such as 7days"))
    };
    let shown = |time: &Duration| humantime::format_duration(*time).to_string();
    global.max_age = pick.parsed("max_age", global.max_age, time, shown)?;
    global.keep_for = pick.parsed("keep_for", global.keep_for, time, shown)?;
    global.account = pick.text("account", global.account.take())?;
    if global.store.is_none() {
        if let Some(flag) = given {
            return Err(Failure::usage(format!("{flag} needs --store FILE")));
        }
        (global.max_age, global.keep_for) = (None, None);
        pick.lines.retain(|(name, ..)| !["max_age", "keep_for"].contains(name));
        return Ok(());
    }
    for (name, time, usual) in
        [("max_age", &mut global.max_age, MAX_AGE), ("keep_for", &mut global.keep_for, KEEP_FOR)]
    {
        if time.is_none() {
            *time = Some(usual);
            pick.default(name, &shown(&usual));
        }
    }
    Ok(())
}

/// Picks each value from the first source that has it, and records the source.
struct Picker {
    layers: Vec<(Source, toml::Table)>,
    lines: Vec<(&'static str, String, Source)>,
}

impl Picker {
    /// Returns the value without a flag, and its source.
    fn find(&self, name: &str) -> Result<Option<(String, Source)>, Failure> {
        let variable = variable(name);
        if let Some(value) = text_of(&variable)? {
            return Ok(Some((value, Source::Environment(variable))));
        }
        let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut found = self.layers.iter().filter_map(|(source, values)| Some((values.get(name)?, source)));
        Ok(found.next().map(|(value, source)| (text(value), source.clone())))
    }

    /// Picks a text. `given` is the value of the flag, here and below.
    fn text(&mut self, name: &'static str, given: Option<String>) -> Result<Option<String>, Failure> {
        self.parsed(name, given, |text| Ok(text.to_owned()), |text| hidden(text))
    }

    fn path(&mut self, name: &'static str, given: Option<PathBuf>) -> Result<Option<PathBuf>, Failure> {
        let variable = variable(name);
        // A path need not be UTF-8.
        let path = std::env::var_os(&variable).filter(|path| !path.is_empty()).map(PathBuf::from);
        if let (None, Some(path)) = (&given, path) {
            self.lines.push((name, path.display().to_string(), Source::Environment(variable)));
            return Ok(Some(path));
        }
        self.parsed(name, given, |text| Ok(PathBuf::from(text)), |path| path.display().to_string())
    }

    fn parsed<T>(
        &mut self,
        name: &'static str,
        given: Option<T>,
        parse: impl Fn(&str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Result<Option<T>, Failure> {
        let (value, source) = if let Some(value) = given {
            (value, Source::Flag(format!("--{}", name.replace('_', "-"))))
        } else {
            let Some((text, source)) = self.find(name)? else { return Ok(None) };
            let value = parse(&text).map_err(|why| match &source {
                Source::File(_) => Failure::usage(format!("{name} in the {source}: {why}")),
                _ => Failure::usage(format!("{source}: {why}")),
            })?;
            (value, source)
        };
        self.lines.push((name, show(&value), source));
        Ok(Some(value))
    }

    fn default(&mut self, name: &'static str, value: &str) -> String {
        self.lines.push((name, value.to_owned(), Source::Default));
        value.to_owned()
    }
}

/// Returns whether the environment has an API key.
pub(crate) fn has_key() -> bool {
    std::env::var_os(API_KEY).is_some_and(|key| !key.is_empty())
}

/// Returns the environment variable of a setting.
fn variable(name: &str) -> String {
    format!("TGSCAN_{}", name.to_uppercase())
}

/// Returns the value of an environment variable, unless it is empty. Fails if it is not UTF-8: without a store or a limit,
/// answers would be lost or cost more.
pub(crate) fn text_of(variable: &str) -> Result<Option<String>, Failure> {
    let text = std::env::var_os(variable).map(OsString::into_string).transpose();
    let text =
        text.map_err(|_| Failure::usage(format!("{variable} is not UTF-8; set it again or unset it")))?;
    Ok(text.filter(|text| !text.is_empty()))
}

fn read(path: &Path) -> Result<(File, bool), Failure> {
    let wrong = |error: &dyn fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((toml_text::parse(&text).map_err(|problem| wrong(&problem))?, true)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((File::default(), false)),
        Err(error) => Err(wrong(&error)),
    }
}

fn layers(
    file: File,
    profile: Option<&str>,
    path: Option<&Path>,
) -> Result<Vec<(Source, toml::Table)>, Failure> {
    let folder = path.and_then(Path::parent).unwrap_or(Path::new(""));
    let path = path.map(|path| path.display().to_string()).unwrap_or_default();
    outside_profiles(&file, &path)?;
    let mut layers = vec![(Source::File(None), file.values)];
    if let Some(name) = profile {
        let Some(values) = file.profiles.get(name) else {
            let known: Vec<&str> = file.profiles.keys().map(String::as_str).collect();
            let known = if known.is_empty() {
                "it has no profiles".to_owned()
            } else {
                format!("it has: {}", known.join(", "))
            };
            return Err(Failure::usage(format!("--profile {name}: {path} has no such profile; {known}")));
        };
        let values =
            toml::Table::try_from(values).map_err(|error| Failure::usage(format!("{path}: {error}")))?;
        layers.insert(0, (Source::File(Some(name.to_owned())), values));
    }
    for (_, values) in &mut layers {
        start_at(folder, values)?;
    }
    Ok(layers)
}

/// Returns the values outside the profiles. Fails if one is unknown or invalid.
pub(crate) fn outside_profiles(file: &File, path: &str) -> Result<Values, Failure> {
    Values::deserialize(file.values.clone()).map_err(|error| {
        let shown = error.to_string();
        let place = shown.lines().find(|line| line.starts_with("in `")).unwrap_or_default();
        Failure::usage(format!("{path}: {} {place}", toml_text::without_values(error.message())))
    })
}

/// Makes relative paths start at the folder of the configuration file. Otherwise each folder would have its own store, and pay
/// for the same questions.
fn start_at(folder: &Path, values: &mut toml::Table) -> Result<(), Failure> {
    for name in ["key_file", "ca", "store"] {
        if let Some(toml::Value::String(path)) = values.get_mut(name) {
            *path = location::from_folder(folder, path)?;
        }
    }
    Ok(())
}
