//! Prints the configuration in effect.

use crate::exit::{Code, Failure};
use crate::print;
use crate::settings::{Settings, Source, path};
use crate::show::escape;

pub(crate) fn show(settings: &Settings) -> Result<Code, Failure> {
    let mut text = match (&settings.file, path()) {
        (Some(file), _) => format!("configuration file: {}\n", escape(&file.display().to_string())),
        (None, Some(path)) => format!(
            "configuration file: none; `tgscan init` writes {}\n",
            escape(&path.display().to_string())
        ),
        (None, None) => "configuration file: none\n".to_owned(),
    };
    if let Some(profile) = &settings.profile {
        text += &format!("profile: {}\n", escape(profile));
    }
    text.push('\n');
    let mut lines = settings.lines.clone();
    let has = |lines: &[(&str, String, Source)], name| lines.iter().any(|(known, ..)| *known == name);
    if !has(&lines, "key") && !has(&lines, "key_file") {
        lines.insert(0, ("key", "(none)".to_owned(), Source::Default));
    }
    if !has(&lines, "store") {
        lines.push(("store", "(none: answers are not kept)".to_owned(), Source::Default));
    }
    let wide = lines.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    for (name, value, source) in &lines {
        text += &format!("{name:<wide$}  {}  [{source}]\n", escape(value));
    }
    print::text(&text)?;
    Ok(Code::Done)
}
