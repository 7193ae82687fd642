//! What every transport of these examples can be set to, and a ureq agent with it.

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

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

impl Settings {
    /// Creates an agent, which keeps connections open between requests.
    ///
    /// # Errors
    /// If the certificate authorities cannot be read.
    pub fn agent(&self) -> Result<Agent, ureq::Error> {
        let config = Agent::config_builder()
            // A status of 4xx or 5xx is an answer, with a body that says why.
            .http_status_as_error(false)
            // A redirect is an answer too. Following it would carry the API key to another host.
            .max_redirects(0)
            .timeout_global(Some(self.time_limit))
            // A proxy is a choice; ureq's default is what the environment says.
            .proxy(None)
            // The request is complete as it is.
            .user_agent("")
            .accept_encoding("")
            .tls_config(TlsConfig::builder().root_certs(self.root_certs()?).build());
        Ok(config.build().new_agent())
    }

    fn root_certs(&self) -> Result<RootCerts, ureq::Error> {
        let Some(pem) = &self.ca_pem else { return Ok(RootCerts::WebPki) };
        let mut authorities = Vec::new();
        for item in parse_pem(pem.as_bytes()) {
            if let PemItem::Certificate(authority) = item? {
                authorities.push(authority);
            }
        }
        Ok(RootCerts::Specific(Arc::new(authorities)))
    }
}
