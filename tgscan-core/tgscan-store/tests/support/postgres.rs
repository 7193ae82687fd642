//! A PostgreSQL server of the test's own: from the programs that are installed, in a directory that goes with it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Mutex, OnceLock};

/// A running server, which ends with this process.
pub(crate) struct Server {
    directory: PathBuf,
    child: Mutex<Child>,
}

/// The server of this process.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    pub(crate) fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("tgscan-postgres-").tempdir().unwrap().keep();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&directory));
        }
        let data = directory.join("data");
        let mut initdb = as_user(&program("initdb"));
        run(initdb
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "-D"])
            .arg(&data));
        let child = Mutex::new(start(&directory));
        Self { directory, child }
    }

    /// Where tests connect to.
    pub(crate) fn url(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.directory.display())
    }

    /// Stops the server as a crash would.
    pub(crate) fn stop(&self) {
        let mut child = self.child.lock().unwrap();
        if child.try_wait().unwrap().is_none() {
            run(Command::new("kill").arg("-USR1").arg(child.id().to_string()));
            child.wait().unwrap();
        }
    }

    /// Stops the server as a crash would, and starts it again.
    pub(crate) fn restart(&self) {
        self.stop();
        *self.child.lock().unwrap() = start(&self.directory);
    }
}

/// Runs the server, and removes its directory when the process that started it has ended. A crash is asked for with USR1,
/// because a shell cannot trap QUIT where that is ignored, as in what another shell runs in the background.
const KEEPER: &str = r#"
    "$0" -D "$1/data" -k "$1" -c listen_addresses= -c fsync=on -c lc_messages=C &
    server=$!
    trap 'kill -QUIT $server; wait $server; exit' USR1
    trap 'kill -QUIT $server; wait $server; rm -rf "$1"; exit' TERM
    wait $server
"#;

/// Starts the server and waits until it says that it is ready.
fn start(directory: &Path) -> Child {
    let (sender, ready) = channel();
    let directory = directory.to_owned();
    // The signal comes when the thread ends that started it, so that one lives as long as the process.
    std::thread::spawn(move || {
        let mut keeper = as_user(Path::new("sh"));
        keeper.args(["-c", KEEPER]).arg(program("postgres")).arg(&directory);
        let mut child = keeper.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut child = Some(child);
        let mut said = String::new();
        for line in log.lines().map_while(Result::ok) {
            if line.contains("ready to accept connections") {
                sender.send(Ok(child.take().unwrap())).unwrap();
            } else if child.is_some() {
                said.push_str(&line);
                said.push('\n');
            }
        }
        if child.is_some() {
            sender.send(Err(said)).unwrap();
        }
        loop {
            std::thread::park();
        }
    });
    ready.recv().unwrap().unwrap_or_else(|said| panic!("PostgreSQL does not start:\n{said}"))
}

fn program(name: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    versions.sort();
    let found =
        versions.iter().rev().map(|version| version.join("bin").join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| {
        panic!("no {name} in /usr/lib/postgresql/*/bin: install PostgreSQL, or run `.ci/install`")
    })
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// The server refuses to run as root.
fn as_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
