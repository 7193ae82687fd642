//! Fixtures: a mock's server, a configuration, and the gateway in front of them.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tgscan_mock::types::Search;
use tgscan_mock::{Mock, MockServer, ServerOptions};

/// The price of a search.
pub(crate) const PRICE: u64 = 2;
/// How long a test waits for the gateway before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A mock's server, and a directory with a configuration.
pub(crate) struct World {
    pub(crate) mock: Mock,
    pub(crate) server: MockServer,
    pub(crate) directory: TempDir,
}

impl World {
    pub(crate) fn new(credits: i64) -> Self {
        Self::with(Mock::builder().seed(11).credits(credits).cost::<Search>(PRICE).build().unwrap())
    }

    pub(crate) fn with(mock: Mock) -> Self {
        let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
        let world = Self { mock, server, directory: tempfile::tempdir().unwrap() };
        world.write("live.key", Mock::LIVE_KEY);
        world.write("test.key", Mock::TEST_KEY);
        world.configure("", "");
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// Writes a configuration with a file store: `top` before its tables, `tables` at its end.
    pub(crate) fn configure(&self, top: &str, tables: &str) {
        let store = if top.contains("store =") { "" } else { "store = \"answers\"" };
        let cap = if top.contains("cap =") { "" } else { "cap = 1000" };
        let text = format!(
            "listen = \"127.0.0.1:0\"\n{store}\n{cap}\nreserve = {PRICE}\nmax_age = \"7days\"\nkeep_for = \"30days\"\n{top}\n\
             [service]\nbase_url = \"{}\"\nkey_file = \"live.key\"\ntest_key_file = \"test.key\"\n{tables}\n",
            self.server.url()
        );
        self.write("gateway.toml", &text);
    }

    /// Runs `tgscan serve` with these arguments to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tgscan"));
        command.arg("serve").args(arguments).current_dir(self.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in ["TGSCAN_API_KEY", "TGSCAN_STORE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command
    }

    /// Adds a local key with these flags, and returns it.
    pub(crate) fn key(&self, name: &str, flags: &[&str]) -> String {
        let output = self.run(&[&["keys", "add", name], flags].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let key = String::from_utf8(output.stdout).unwrap();
        key.trim().to_owned()
    }

    /// Starts a gateway and waits until it listens.
    pub(crate) fn start(&self) -> Gateway {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, arguments: &[&str]) -> Gateway {
        Gateway::start(self.command(arguments))
    }
}

/// A running gateway, which is killed when it is dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    child: Child,
    lines: Mutex<Receiver<Value>>,
    /// Everything that it has written so far.
    pub(crate) written: Arc<Mutex<String>>,
}

impl Gateway {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel::<Value>();
        let written = Arc::<Mutex<String>>::default();
        let all = written.clone();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                writeln!(all.lock().unwrap(), "{line}").unwrap();
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let Ok(first) = lines.recv_timeout(PATIENCE) else {
            let _ = child.kill();
            let mut problem = String::new();
            child.stderr.take().unwrap().read_to_string(&mut problem).unwrap();
            panic!("the gateway does not start: {problem}");
        };
        assert_eq!(first["event"], "listening", "{first}");
        let address = first["address"].as_str().unwrap().parse().unwrap();
        Self { address, child, lines: Mutex::new(lines), written }
    }

    /// Waits for a line of the log about this event.
    pub(crate) fn wait_for(&self, event: &str) -> Value {
        loop {
            let line = self
                .lines
                .lock()
                .unwrap()
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("no event {event:?}"));
            if line["event"] == event {
                return line;
            }
        }
    }

    /// The memory that the process uses, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits until the process has ended. Returns its exit code and its standard error.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut problem = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut problem).unwrap();
        (status.code(), problem)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends a form to a path, on a connection that is closed after it.
    pub(crate) fn post(&self, path: &str, key: &str, form: &str) -> Response {
        let head = format!("Api-Key: {key}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
        self.send(&format!("POST {path} HTTP/1.1\r\nHost: gateway\r\n{head}Connection: close\r\nContent-Length: {}\r\n\r\n{form}", form.len()))
    }

    pub(crate) fn search(&self, key: &str, query: &str) -> Response {
        self.post("/tgscan/v1/search", key, &format!("query={query}"))
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address))
    }

    /// Sends bytes, and reads until the gateway closes the connection.
    pub(crate) fn send(&self, request: &str) -> Response {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = Vec::new();
        // A reset after the response is the gateway's right where it did not read all.
        let _ = stream.read_to_end(&mut response);
        Response::parse(&response)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    fn parse(bytes: &[u8]) -> Self {
        Self::whole(bytes).unwrap_or_else(|| panic!("no response: {:?}", String::from_utf8_lossy(bytes)))
    }

    /// Reads a response with a length; `None` if it is not whole.
    pub(crate) fn whole(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let response = Self { status, head: head.to_owned(), body: body.to_owned() };
        let length: usize = response.header("content-length")?.parse().ok()?;
        (length == response.body.len()).then_some(response)
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.status == 200 && self.json()["status"] == "ok"
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        Some(lines.find(|(known, _)| known.eq_ignore_ascii_case(name))?.1)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of an error envelope.
    pub(crate) fn code(&self) -> String {
        let envelope = self.json();
        assert_eq!(envelope["status"], "error", "{self:?}");
        assert!(envelope["result"]["message"].is_string(), "{self:?}");
        envelope["result"]["code"].as_str().unwrap_or_default().to_owned()
    }
}
