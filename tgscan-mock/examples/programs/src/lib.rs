//! Programs over the SDK, as people write them. Each is one file in `src/bin`, to copy; its test is in `tests`.
//!
//! | program | shows |
//! |---|---|
//! | `batch` | a list of accounts within a budget: free check, progress, and going on by hand |
//! | `resume` | the same with a store in a file: interrupted anywhere, it goes on for free |
//! | `tenants` | a service with a budget for each tenant, that loses no paid answer when a caller leaves or it is stopped |
//! | `workers` | a service of many processes with a store in PostgreSQL |

use std::env::var;
use std::error::Error;

use tgscan_transport_hyper::{Api, ApiKey};

/// The service of `TGSCAN_BASE_URL`, or the live one, with the key from `TGSCAN_API_KEY`.
///
/// # Errors
/// If the key is missing, or one of them is invalid.
pub fn api() -> Result<Api, Box<dyn Error>> {
    let key = ApiKey::live(
        var("TGSCAN_API_KEY").map_err(|_| "set TGSCAN_API_KEY to the key of your account page")?,
    )?;
    Ok(match var("TGSCAN_BASE_URL") {
        Ok(url) => Api::with_base_url(&url, key)?,
        Err(_) => Api::new(key),
    })
}
