//! Complete programs with the SDK. Each is one file in `src/bin`, to copy; its test is in `tests`.
//!
//! | program | shows |
//! |---|---|
//! | `batch` | a list of accounts within a budget: free check, progress, continuing by hand |
//! | `resume` | the same with a store in a file: resumable without paying twice |
//! | `workers` | a service of several processes with a store in PostgreSQL |
//!
//! For a service with a budget for each tenant, use the gateway, `tgscan serve`.

use std::env::var;
use std::error::Error;

use tgscan_transport_hyper::{Api, ApiKey};

/// Returns the service of `TGSCAN_BASE_URL`, or the live one, with the key from `TGSCAN_API_KEY`.
///
/// # Errors
/// If the key is missing, or the key or the URL is invalid.
pub fn api() -> Result<Api, Box<dyn Error>> {
    let key = ApiKey::live(
        var("TGSCAN_API_KEY").map_err(|_| "set TGSCAN_API_KEY to the key of your account page")?,
    )?;
    Ok(match var("TGSCAN_BASE_URL") {
        Ok(url) => Api::with_base_url(&url, key)?,
        Err(_) => Api::new(key),
    })
}
