//! The suites that run this SDK and its peers in turns.

pub mod build;
pub mod call;
pub mod client;
mod counted;
pub mod decode;
mod first;
pub mod footprint;
mod load;
mod memory;
pub mod mock;
mod peers;
mod profile;
pub mod race;
pub mod report;
mod server;

use std::path::Path;

use clap::ValueEnum;
use report::Report;

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// Reading answers: this SDK, plain `serde_json`, sonic-rs, simd-json.
    Decode,
    /// Building a request: this SDK, and everything parsed anew each time.
    Build,
    /// Calls over loopback: this SDK, raw hyper, hyper-util, reqwest, ureq.
    Call,
    /// Making a client, and the memory of many calls in flight.
    Client,
    /// Answers per second: this mock, a plain hyper server, wiremock, httpmock, mockito.
    Mock,
    /// What a dependent takes to build: on this SDK, reqwest, ureq, `twitch_api`, octocrab.
    Footprint,
}

impl Suite {
    /// Measures all of it. `root` is where the SDK's packages are.
    ///
    /// # Errors
    /// If something that is measured does not run.
    pub fn run(self, pace: race::Pace, root: &Path) -> Result<Report, String> {
        match self {
            Self::Decode => decode::run(pace),
            Self::Build => build::run(pace),
            Self::Call => call::run(pace),
            Self::Client => client::run(pace),
            Self::Mock => mock::run(pace),
            Self::Footprint => footprint::run(root),
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
