//! The suites that run this SDK and its peers in turns.

pub mod build;
pub mod call;
pub mod decode;
mod first;
mod load;
mod memory;
pub mod mock;
mod peers;
pub mod race;
pub mod report;
mod server;

use clap::ValueEnum;
use report::Table;

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// Reading answers: this SDK, plain `serde_json`, sonic-rs, simd-json.
    Decode,
    /// Building a request: this SDK, and everything parsed anew each time.
    Build,
    /// Calls over loopback: this SDK, raw hyper, hyper-util, reqwest, ureq.
    Call,
    /// Answers per second: this mock, a plain hyper server, wiremock, httpmock, mockito.
    Mock,
}

impl Suite {
    /// Measures all of it.
    pub fn run(self, pace: race::Pace) -> Vec<Table> {
        match self {
            Self::Decode => decode::run(pace),
            Self::Build => build::run(pace),
            Self::Call => call::run(pace),
            Self::Mock => mock::run(pace),
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
