//! Parses TOML without quoting values in errors, because they could be passwords.

use serde::de::DeserializeOwned;

/// Parses a text. Errors state the line.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let problem = without_values(error.message());
        line.map_or(problem.clone(), |line| format!("line {line}: {problem}"))
    })
}

/// Removes the quoted values from a message of the parser.
pub(crate) fn without_values(message: &str) -> String {
    let quotes_value =
        ["invalid type", "invalid value", "unknown variant"].iter().any(|start| message.starts_with(start));
    match message.find("expected").filter(|_| quotes_value) {
        Some(at) => message[at..].trim_end().to_owned(),
        None => message.trim_end().to_owned(),
    }
}
