//! What every transport of these examples can be set to.

use std::time::Duration;

/// The settings of a transport.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a request may take in all, from the name's resolution to the last byte. Default: 30 seconds.
    pub time_limit: Duration,
    /// The largest body of a response, in bytes. Default: 64 MiB.
    pub max_body_size: usize,
    /// The only certificate authorities to trust, as PEM. Default: those of Mozilla's list.
    pub ca_pem: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { time_limit: Duration::from_secs(30), max_body_size: 64 * 1024 * 1024, ca_pem: None }
    }
}
