//! Shared by the tests: a mock's server, and the program to run against it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tgscan_mock::types::{Balance, Search};
use tgscan_mock::{Expect, Mock, MockServer, ServerOptions};
use tokio::runtime::Runtime;

/// The cost of a search.
pub(crate) const PRICE: u64 = 2;

/// A mock's server, a directory, and the program.
pub(crate) struct Bench {
    pub(crate) mock: Mock,
    pub(crate) server: MockServer,
    pub(crate) directory: TempDir,
    _runtime: Runtime,
}

impl Bench {
    pub(crate) fn new(credits: i64) -> Self {
        Self::with(Mock::builder().seed(11).credits(credits).cost::<Search>(PRICE).build().unwrap())
    }

    pub(crate) fn with(mock: Mock) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let guard = runtime.enter();
        let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
        drop(guard);
        Self { mock, server, directory: tempfile::tempdir().unwrap(), _runtime: runtime }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The program with the mock's key; its output is taken.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.elsewhere(&[&["--base-url", &*self.server.url()], arguments].concat())
    }

    /// The program with the mock's key and without its URL.
    pub(crate) fn elsewhere(&self, arguments: &[&str]) -> Command {
        let mut command = self.without_key(arguments);
        command.env("TGSCAN_API_KEY", Mock::LIVE_KEY);
        command
    }

    /// The program without a key and the mock's URL, in the directory, which is also its home.
    pub(crate) fn without_key(&self, arguments: &[&str]) -> Command {
        let mut command = bare(arguments);
        command.env("HOME", self.directory.path()).current_dir(self.directory.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Runs it with a store beside it.
    pub(crate) fn run_stored(&self, arguments: &[&str]) -> Ran {
        self.run(&[&STORE, arguments].concat())
    }

    /// Expects searches that are answered so, and any number of free calls.
    pub(crate) fn expect(&self, search: Expect<Search>) {
        self.mock.expect(search.at_least(0));
        self.mock.expect(Expect::<Balance>::any().at_least(0));
    }

    /// Runs the command that the last line of a bill names, as it is printed. A call is not charged late.
    pub(crate) fn paste(&self, err: &str) -> Ran {
        let last = err.trim_end().lines().next_back().unwrap_or_default();
        let command = last.strip_prefix("next: ").unwrap_or_else(|| panic!("no next command: {err}"));
        let command = command.replace("store reconcile", "store reconcile --late-charge 0s");
        let program = Path::new(env!("CARGO_BIN_EXE_tgscan")).parent().unwrap();
        let mut shell = Command::new("sh");
        let path = std::env::join_paths([program, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        shell.args(["-c", &command]).env_clear().env("PATH", path).env("TGSCAN_API_KEY", Mock::LIVE_KEY);
        shell.env("HOME", self.directory.path()).current_dir(self.directory.path()).stdin(Stdio::null());
        Ran::of(shell.output().unwrap())
    }

    /// A line of `tgscan store info`.
    pub(crate) fn info(&self, name: &str) -> String {
        let out = self.run_stored(&["store", "info", "--csv"]).out;
        let line = out.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(','));
        line.unwrap_or_else(|| panic!("{name}: {out}")).to_owned()
    }

    /// The credits that the mock's account has spent.
    pub(crate) fn spent(&self) -> u64 {
        self.mock.account().spent
    }

    /// Waits until the server has nothing to do.
    pub(crate) fn quiesce(&self) {
        while self.server.open_connections() > 0 || self.server.requests_in_flight() > 0 {
            std::thread::yield_now();
        }
    }
}

pub(crate) const STORE: [&str; 2] = ["--store", "store"];

/// The program without a key.
pub(crate) fn bare(arguments: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_tgscan");
    let mut command = Command::new(if cfg!(target_os = "linux") { "env" } else { program });
    if cfg!(target_os = "linux") {
        // A shell ignores signals for commands in the background, such as these tests.
        command.args(["--default-signal=HUP,INT,TERM", program]);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy().to_uppercase();
        let is_read = ["TGSCAN_", "XDG_"].iter().any(|start| shown.starts_with(start))
            || shown.ends_with("_PROXY")
            || shown == "CLICOLOR_FORCE";
        if is_read {
            command.env_remove(name);
        }
    }
    command.env("HOME", "/nonexistent");
    command
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let ran = Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        let is_rust = |word: &str| {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric());
            word.split_once("::")
                .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(char::is_alphabetic))
        };
        let settings =
            ["attempt_timeout", "read_timeout", "max_body_size", "allow_plain_http", "max_elapsed"];
        let is_setting = |word: &str| settings.iter().any(|setting| word.contains(setting));
        let foreign = ran.err.split_whitespace().find(|word| is_rust(word) || is_setting(word));
        assert!(foreign.is_none(), "not in the command line's words: {foreign:?} in {ran:?}");
        ran
    }

    /// Runs it on a terminal of a width, and returns what appears there.
    pub(crate) fn on_terminal(bench: &Bench, columns: u16, arguments: &[&str]) -> String {
        Self::on_terminal_with(bench, columns, arguments, &[])
    }

    /// The same with variables in its environment.
    pub(crate) fn on_terminal_with(
        bench: &Bench,
        columns: u16,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> String {
        let mut script = on_terminal(bench, columns, arguments);
        script.envs(environment.iter().copied());
        String::from_utf8(script.output().unwrap().stdout).unwrap()
    }
}

/// The program on a terminal of a width, whose device is written to the file `tty`.
pub(crate) fn on_terminal(bench: &Bench, columns: u16, arguments: &[&str]) -> Command {
    let command = bench.command(arguments);
    let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_str().unwrap());
    let words: Vec<String> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let line = format!("tty > tty; stty cols {columns} rows 24; exec {}", words.join(" "));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script.env_remove("PAGER");
    script.env("TERM", "xterm").current_dir(bench.directory.path()).stdin(Stdio::null());
    script
}

/// The accounts in a file of rows, in order.
pub(crate) fn accounts(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last row is not whole");
    text.lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            row["account"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// A list of `count` accounts.
pub(crate) fn list(count: u64) -> String {
    let names: Vec<String> = (0..count).map(|number| format!("name_{number}\n")).collect();
    names.concat()
}

/// Credits in a bill on standard error.
pub(crate) fn charged(err: &str) -> u64 {
    let is_total = |line: &&str| line.ends_with("credits charged") || line.ends_with("credit charged");
    let line = err.lines().find(is_total).unwrap_or_else(|| panic!("{err}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// A service that answers each search with this body, and any other request with a balance. Returns its URL. Ends with the
/// test's process.
pub(crate) fn canned(search: impl Into<Vec<u8>>) -> String {
    let search = search.into();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, search) = (stream.unwrap(), search.clone());
            std::thread::spawn(move || while answer(&mut stream, &search).is_some() {});
        }
    });
    url
}

fn answer(stream: &mut std::net::TcpStream, search: &[u8]) -> Option<()> {
    use std::io::{BufRead, BufReader, Read, Write};
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut line, mut length, mut is_search) = (String::new(), 0, None);
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        is_search = is_search.or(Some(line.contains("/v1/search")));
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    let balance = &br#"{"status":"ok","result":{"num_credits":1000}}"#[..];
    let body = if is_search == Some(true) { search } else { balance };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).ok()
}
