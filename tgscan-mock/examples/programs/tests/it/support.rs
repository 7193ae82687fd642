//! Programs, and the mock that they ask.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tgscan_mock::types::Search;
use tgscan_mock::{Mock, MockServer, ServerOptions};

/// What a search costs.
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

    /// Runs a program to its end.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program, arguments).output().unwrap()
    }

    pub(crate) fn spawn(&self, program: &str, arguments: &[&str]) -> Child {
        self.command(program, arguments).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Starts a program that serves HTTP.
    pub(crate) fn serve(&self, program: &str, arguments: &[&str]) -> Serving {
        let mut child = self.spawn(program, arguments);
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("it says {line:?}"));
        Serving { address: address.to_owned(), child }
    }

    /// How many searches were paid for.
    pub(crate) fn paid(&self) -> usize {
        self.mock.requests().iter().filter(|request| request.charged > 0).count()
    }
}

/// Waits for what comes soon, or something is wrong.
pub(crate) fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not come");
        std::thread::yield_now();
    }
}

/// A program that serves HTTP. It ends with this.
pub(crate) struct Serving {
    address: String,
    pub(crate) child: Child,
}

impl Serving {
    /// Sends a request, and does not wait for its answer.
    pub(crate) fn send(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        stream
    }

    /// The status and the body that a path answers.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut text = String::new();
        self.send(path).read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Asks the program to stop, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
