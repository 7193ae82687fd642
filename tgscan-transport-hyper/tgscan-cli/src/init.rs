//! Sets up the API key and the store.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::settings::{self, File, KEEP_FOR, MAX_AGE, Values};
use crate::show::escape;
use crate::{connect, files, help, location, print, toml_text};

/// How answers are kept.
#[derive(Args)]
pub(crate) struct InitCommand {
    /// Replace the key and the configuration; the account, the store and the limits stay unless flags change them
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(global: &mut Global, command: &InitCommand) -> Result<Code, Failure> {
    let path = settings::path().ok_or_else(|| {
        Failure::usage("no folder for the configuration is known; set TGSCAN_CONFIG to a file")
    })?;
    let profile = match global.profile.clone() {
        Some(profile) => Some(profile),
        None => settings::text_of(settings::PROFILE)?,
    };
    let mut file = read(&path, profile.as_deref(), command.force)?;
    // Another store would not have its answers, which would be paid for again.
    let old = match &profile {
        Some(name) => file.profiles.get(name).cloned().unwrap_or_default(),
        None => Values::deserialize(file.values.clone()).unwrap_or_default(),
    };
    // The replaced settings do not count.
    global.profile = None;

    let key_path = key_path(&path, profile.as_deref());
    let is_known = key_path.exists() && !command.force;
    if is_known {
        return Err(Failure::usage(format!(
            "{} exists; --force replaces it",
            escape(&key_path.display().to_string())
        )));
    }
    let mut answers = Answers::new();
    // The key that is typed, and no other; tested at the service that commands will use.
    global.key_file = None;
    if global.base_url.is_none() {
        global.base_url = settings::text_of("TGSCAN_BASE_URL")?;
    }
    let key = answers.secret(&format!("API key ({} issues keys; it is not shown): ", connect::KEY_PAGE))?;
    let text = key.trim().to_owned();
    // Free.
    let balance = connect::client_with_key(global, &text)?.balance().await;
    let balance = balance.map_err(|error| Failure::of_call(&error, global).and("; nothing was written"))?;
    print::note(&format!("the key works: {} credits are left", balance.answer.num_credits));

    // Relative paths in the file would start at its folder.
    let here = std::env::current_dir()
        .map_err(|error| Failure::new(Code::Other, format!("the current folder is unknown: {error}")))?;
    let mut values = Values {
        key_file: Some(location::text(&here.join(&key_path))?),
        test_key: global.test_key.then_some(true),
        base_url: global.base_url.clone(),
        ca: global.ca.as_ref().map(|path| location::text(&here.join(path))).transpose()?,
        account: global.account.clone().or(old.account),
        max_credits: old.max_credits,
        max_cost_per_search: old.max_cost_per_search,
        ..Values::default()
    };
    let question =
        "Keep answers on this computer, so that no question is paid for twice? They are personal data.";
    if !global.no_store && answers.yes(question)? {
        let usual = settings::data_folder().map(|folder| folder.join(store_name(profile.as_deref())));
        values.store = Some(match (&global.store, old.store, usual) {
            (Some(store), ..) => location::from_folder(&here, store)?,
            (None, Some(store), _) => store,
            (None, None, Some(path)) => location::text(&here.join(path))?,
            (None, None, None) => {
                return Err(Failure::usage("no folder for data is known; use --store FILE"));
            }
        });
        let shown = |time| humantime::format_duration(time).to_string();
        let max_age = global.max_age.map(shown).or(old.max_age).unwrap_or_else(|| shown(MAX_AGE));
        values.max_age = Some(answers.time("Use stored answers up to this age", &max_age)?);
        let keep_for = global.keep_for.map(shown).or(old.keep_for).unwrap_or_else(|| shown(KEEP_FOR));
        values.keep_for = Some(answers.time("Remove answers after", &keep_for)?);
    }
    write_private(&key_path, format!("{text}\n").as_bytes())?;
    save(&path, &mut file, profile.as_deref(), &values)?;
    print::note(&format!("the key is in {}", escape(&key_path.display().to_string())));
    print::note(&format!("the configuration is in {}", escape(&path.display().to_string())));
    let kept = if values.store.is_some() { "" } else { "answers are not kept; " };
    let profile = profile.map(|name| format!(" --profile {}", help::quoted(&name))).unwrap_or_default();
    print::note(&format!("{kept}next: tgscan search ACCOUNT{profile}"));
    Ok(Code::Done)
}

fn read(path: &Path, profile: Option<&str>, force: bool) -> Result<File, Failure> {
    let shown = escape(&path.display().to_string());
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("{shown}: {error}"));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(File::default()),
        Err(error) => return Err(wrong(&error)),
    };
    let file: File = toml_text::parse(&text).map_err(|problem| wrong(&problem))?;
    let is_set = match profile {
        Some(name) => file.profiles.contains_key(name),
        None => !file.values.is_empty(),
    };
    if is_set && !force {
        return Err(Failure::usage(format!(
            "{shown} has a configuration; --force replaces it, --profile NAME adds one"
        )));
    }
    Ok(file)
}

/// Returns the path of the key file, beside the configuration.
fn key_path(config: &Path, profile: Option<&str>) -> PathBuf {
    config.with_file_name(profile.map_or_else(|| "key".to_owned(), |name| format!("key-{}", file_name(name))))
}

fn store_name(profile: Option<&str>) -> String {
    profile.map_or_else(|| "answers.tgscan".to_owned(), |name| format!("answers-{}.tgscan", file_name(name)))
}

/// Replaces characters other than letters, digits and hyphens by underscores.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

fn write_private(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let fail = |error| Failure::new(Code::Other, format!("{}: {error}", path.display()));
    files::replace(path, content).map_err(fail)
}

fn save(path: &Path, file: &mut File, profile: Option<&str>, values: &Values) -> Result<(), Failure> {
    let fail =
        |error: &dyn std::fmt::Display| Failure::new(Code::Other, format!("{}: {error}", path.display()));
    match profile {
        Some(name) => _ = file.profiles.insert(name.to_owned(), values.clone()),
        None => file.values = toml::Table::try_from(values).map_err(|error| fail(&error))?,
    }
    let text = toml::to_string(&file).map_err(|error| fail(&error))?;
    write_private(path, text.as_bytes())
}

/// The user's answers, from the terminal or line by line from standard input.
struct Answers {
    is_terminal: bool,
}

impl Answers {
    fn new() -> Self {
        Self { is_terminal: std::io::stdin().is_terminal() }
    }

    fn line(&self, question: &str) -> Result<String, Failure> {
        let mut error = std::io::stderr().lock();
        let _ = write!(error, "{question} ").and_then(|()| error.flush());
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        read.map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
        if !self.is_terminal {
            let _ = writeln!(error);
        }
        Ok(line.trim().to_owned())
    }

    fn secret(&mut self, question: &str) -> Result<String, Failure> {
        let key = if self.is_terminal {
            rpassword::prompt_password(question)
                .map_err(|error| Failure::usage(format!("the API key cannot be read: {error}")))?
        } else {
            self.line(question)?
        };
        if key.trim().is_empty() {
            return Err(Failure::usage("no API key was given; nothing was written"));
        }
        Ok(key)
    }

    fn yes(&self, question: &str) -> Result<bool, Failure> {
        loop {
            match self.line(&format!("{question} [Y/n]"))?.to_lowercase().as_str() {
                "" | "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ if self.is_terminal => print::note("answer y or n"),
                other => {
                    return Err(Failure::usage(format!(
                        "{}: answer y or n; nothing was written",
                        escape(other)
                    )));
                }
            }
        }
    }

    fn time(&self, question: &str, usual: &str) -> Result<String, Failure> {
        loop {
            let text = self.line(&format!("{question} [{usual}]"))?;
            let text = if text.is_empty() { usual.to_owned() } else { text };
            match humantime::parse_duration(&text) {
                Ok(_) => return Ok(text),
                Err(error) if self.is_terminal => print::note(&format!("{error}; use a time such as 7days")),
                Err(error) => {
                    return Err(Failure::usage(format!(
                        "{error}; use a time such as 7days; nothing was written"
                    )));
                }
            }
        }
    }
}
