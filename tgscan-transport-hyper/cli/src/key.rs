//! Where the API key comes from: never an argument, which others on a machine can read.

use std::io::IsTerminal;

use tgscan_core::ApiKey;

use crate::args::Global;
use crate::exit::Failure;

const VARIABLE: &str = "TGSCAN_API_KEY";

/// The API key from a file, the environment, or whoever sits at the terminal.
pub(crate) fn find(global: &Global) -> Result<ApiKey, Failure> {
    let text = if let Some(path) = &global.key_file {
        let text = std::fs::read_to_string(path);
        text.map_err(|error| Failure::usage(format!("--key-file {}: {error}", path.display())))?
    } else if let Some(text) = std::env::var_os(VARIABLE) {
        text.into_string().map_err(|_| Failure::usage(format!("{VARIABLE} is not text")))?
    } else if std::io::stdin().is_terminal() {
        let typed = rpassword::prompt_password("API key: ");
        typed.map_err(|error| Failure::usage(format!("the API key cannot be read: {error}")))?
    } else {
        return Err(Failure::usage(format!("no API key: set {VARIABLE}, or give a file with --key-file")));
    };
    let key = if global.test_key { ApiKey::test(text.trim()) } else { ApiKey::live(text.trim()) };
    key.map_err(|error| Failure::usage(format!("the API key is invalid: {error}")))
}
