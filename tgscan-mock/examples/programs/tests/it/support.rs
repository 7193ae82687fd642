//! Processes of the programs, and the mock's server for them.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tgscan_mock::types::Search;
use tgscan_mock::{Mock, MockServer, ServerOptions};

/// The cost of a search.
pub(crate) const PRICE: u64 = 2;

pub(crate) struct Service {
    pub(crate) mock: Mock,
    server: MockServer,
}

impl Service {
    pub(crate) fn start() -> Self {
        let mock = Mock::builder().seed(7).credits(10_000).cost::<Search>(PRICE).build().unwrap();
        let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
        Self { mock, server }
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments);
        command.env("TGSCAN_BASE_URL", self.server.url()).env("TGSCAN_API_KEY", Mock::LIVE_KEY);
        command
    }

    /// Runs a program until it exits.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program, arguments).output().unwrap()
    }

    pub(crate) fn spawn(&self, program: &str, arguments: &[&str]) -> Child {
        self.command(program, arguments).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Returns the number of paid searches.
    pub(crate) fn paid(&self) -> usize {
        self.mock.requests().iter().filter(|request| request.charged > 0).count()
    }
}

/// Waits for a condition, and fails after a generous limit.
pub(crate) fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "the condition was not met in time");
        std::thread::yield_now();
    }
}
