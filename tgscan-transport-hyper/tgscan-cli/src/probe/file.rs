//! The file with the forms of responses. `tgscan-mock serve --like` reads it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::Response;

use crate::exit::{Code, Failure};

/// The first line of each file.
pub(super) const MARK: &str = "# Written by `tgscan probe`";

/// The file.
#[derive(Serialize)]
pub(super) struct File {
    version: u32,
    program: &'static str,
    /// How a 429 states the time to wait: `seconds`, `date` or `nothing`; absent without a 429.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<&'static str>,
    pub(super) probes: Vec<Probe>,
}

/// The form of a response.
#[derive(Default, Serialize)]
pub(super) struct Probe {
    pub(super) name: String,
    pub(super) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_encoding: Option<String>,
    pub(super) headers: Vec<String>,
    pub(super) body: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) fields: BTreeMap<String, String>,
}

impl File {
    pub(super) fn new() -> Self {
        Self {
            version: 1,
            program: concat!("tgscan ", env!("CARGO_PKG_VERSION")),
            retry_after: None,
            probes: Vec::new(),
        }
    }

    /// Records a 429. Returns the wait that it asks for, if it states seconds.
    pub(super) fn saw_limit(&mut self, response: &Response<Bytes>) -> Option<Duration> {
        let text = response.headers().get("retry-after").map(|value| value.to_str().unwrap_or_default());
        let seconds = text.and_then(|text| text.parse().ok());
        self.retry_after = Some(match (text, seconds) {
            (_, Some(_)) => "seconds",
            (Some(_), None) => "date",
            (None, None) => "nothing",
        });
        seconds.map(Duration::from_secs)
    }

    pub(super) fn text(&self) -> Result<String, Failure> {
        let text = toml::to_string(self).map_err(|error| Failure::new(Code::Other, error.to_string()))?;
        Ok(format!("{MARK}: forms of the service's responses, without keys, queries and values.\n\n{text}"))
    }
}

impl Probe {
    /// Creates the probe of a request without a response.
    pub(super) fn without_response(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            // The status of a gateway without an answer, so that each probe has one.
            status: 504,
            body: "none",
            ..Self::default()
        }
    }

    /// Describes the response in one line.
    pub(super) fn summary(&self) -> String {
        let message = self.message.as_deref().map(|message| format!(", {:?}", crate::show::escape(message)));
        if self.body == "none" {
            return "no response".to_owned();
        }
        format!("{}, {}{}", self.status, self.body, message.unwrap_or_default())
    }
}
