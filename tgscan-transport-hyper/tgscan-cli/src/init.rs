//! Sets up the API key and the store.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::settings::{self, File, KEEP_FOR, MAX_AGE, Values};
use crate::show::escape;
use crate::{connect, files, help, location, print, toml_text};

/// How answers are kept.
#[derive(Args)]
pub(crate) struct InitCommand {
    /// Replace the key; other settings stay unless flags or answers change them
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
    // Without one of its settings, answers would be paid for again or cost more.
    let outside = settings::outside_profiles(&file, &escape(&path.display().to_string()))?;
    let (old, inherited) = match &profile {
        Some(name) => (file.profiles.get(name).cloned(), outside),
        None => (Some(outside).filter(|_| !file.values.is_empty()), Values::default()),
    };
    let is_new = old.is_none();
    let old = old.unwrap_or_default();
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
    if global.ca.is_none() {
        global.ca = settings::text_of("TGSCAN_CA")?.map(PathBuf::from);
    }
    let (base_url, ca) = (global.base_url.clone(), global.ca.clone());
    let is_test = global.test_key.then_some(true).or(old.test_key);
    global.base_url = base_url.clone().or(old.base_url.clone()).or(inherited.base_url);
    global.test_key = is_test.or(inherited.test_key).unwrap_or(false);
    if let (None, Some(ca)) = (&ca, old.ca.as_ref().or(inherited.ca.as_ref())) {
        let folder = path.parent().unwrap_or(Path::new(""));
        global.ca = Some(location::from_folder(folder, ca)?.into());
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
        test_key: is_test,
        base_url: base_url.or(old.base_url),
        ca: ca.map(|path| location::text(&here.join(path))).transpose()?.or(old.ca),
        account: global.account.clone().or(old.account),
        max_credits: global.max_credits.or(old.max_credits),
        max_cost_per_search: global.max_cost_per_search.or(old.max_cost_per_search),
        store: None,
        max_age: old.max_age,
        keep_for: old.keep_for,
    };
    let question =
        "Keep answers on this computer, so that no question is paid for twice? They are personal data.";
    // A new profile has its own store.
    let is_inherited = !is_new && global.store.is_none() && old.store.is_none() && inherited.store.is_some();
    let had_none = old.key_file.or(inherited.key_file).is_some() && old.store.is_none() && !is_inherited;
    let usual = is_new || global.store.is_some() || !had_none;
    if !global.no_store && answers.yes(question, usual)? {
        let usual = settings::data_folder().map(|folder| folder.join(store_name(profile.as_deref())));
        values.store = match (&global.store, old.store, usual) {
            (Some(store), ..) => Some(location::from_folder(&here, store)?),
            (None, Some(store), _) => Some(store),
            (None, None, _) if is_inherited => None,
            (None, None, Some(path)) => Some(location::text(&here.join(path))?),
            (None, None, None) => {
                return Err(Failure::usage("no folder for data is known; use --store FILE"));
            }
        };
        ask_ages(&mut answers, global, &mut values, [inherited.max_age, inherited.keep_for])?;
    } else if inherited.store.is_some() {
        print::note(
            "the profile inherits the store of the configuration; --no-store leaves it out in each command",
        );
    }
    write_private(&key_path, format!("{text}\n").as_bytes())?;
    save(&path, &mut file, profile.as_deref(), &values)?;
    print::note(&format!("the key is in {}", escape(&key_path.display().to_string())));
    print::note(&format!("the configuration is in {}", escape(&path.display().to_string())));
    let kept =
        if values.store.is_some() || inherited.store.is_some() { "" } else { "answers are not kept; " };
    let profile = profile.map(|name| format!(" --profile {}", help::quoted(&name))).unwrap_or_default();
    print::note(&format!("{kept}next: tgscan search ACCOUNT{profile}"));
    Ok(Code::Done)
}

/// Asks for the ages of stored answers. Those that are inherited are not written.
fn ask_ages(
    answers: &mut Answers,
    global: &Global,
    values: &mut Values,
    [max_age, keep_for]: [Option<String>; 2],
) -> Result<(), Failure> {
    let shown = |time| humantime::format_duration(time).to_string();
    for (question, time, given, inherited, usual) in [
        ("Use stored answers up to this age", &mut values.max_age, global.max_age, max_age, MAX_AGE),
        ("Remove answers after", &mut values.keep_for, global.keep_for, keep_for, KEEP_FOR),
    ] {
        let known = given.map(shown).or(time.take()).or(inherited.clone());
        let answer = answers.time(question, &known.unwrap_or_else(|| shown(usual)))?;
        *time = Some(answer).filter(|answer| inherited.as_ref() != Some(answer));
    }
    Ok(())
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

    fn yes(&self, question: &str, usual: bool) -> Result<bool, Failure> {
        let choice = if usual { "[Y/n]" } else { "[y/N]" };
        loop {
            match self.line(&format!("{question} {choice}"))?.to_lowercase().as_str() {
                "" => return Ok(usual),
                "y" | "yes" => return Ok(true),
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
