//! A PostgreSQL server of the test's own: from the programs that are installed, in a directory that goes with it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Mutex, OnceLock};

/// A running server, which ends with this process.
pub(crate) struct Server {
    pub(crate) directory: PathBuf,
    settings: Vec<String>,
    child: Mutex<Child>,
}

/// The server of this process.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&["listen_addresses="], |data| {
            let mut initdb = as_user(&program("initdb"));
            run(initdb
                .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "-D"])
                .arg(data));
        })
    }

    /// Starts a server with settings, after its data directory was made.
    pub(crate) fn start_with(settings: &[&str], make_data: impl FnOnce(&Path)) -> Self {
        let directory = directory();
        make_data(&directory.join("data"));
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        let child = Mutex::new(start(&directory, &settings));
        Self { directory, settings, child }
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
        *self.child.lock().unwrap() = start(&self.directory, &self.settings);
    }
}

/// Runs a program, and removes its directory when the process that started it has ended. A crash is asked for with USR1,
/// because a shell cannot trap QUIT where that is ignored, as in what another shell runs in the background. At the end, PostgreSQL
/// obeys QUIT, and PgBouncer TERM.
const KEEPER: &str = r#"
    directory=$0
    "$@" &
    server=$!
    trap 'kill -QUIT $server; wait $server; exit' USR1
    trap 'kill -QUIT $server; kill -TERM $server; wait $server; rm -rf "$directory"; exit' TERM
    wait $server
"#;

/// Makes a directory that belongs to the user of the servers.
pub(crate) fn directory() -> PathBuf {
    let directory = tempfile::Builder::new().prefix("tgscan-postgres-").tempdir().unwrap().keep();
    own(&directory);
    directory
}

/// Gives a file to the user of the servers.
pub(crate) fn own(path: &Path) {
    if is_root() {
        run(Command::new("chown").arg("postgres").arg(path));
    }
}

fn start(directory: &Path, settings: &[String]) -> Child {
    let mut arguments = vec!["-D".into(), directory.join("data").into(), "-k".into(), directory.into()];
    // Many tests share a server.
    for setting in ["fsync=on", "lc_messages=C", "max_connections=400"]
        .into_iter()
        .chain(settings.iter().map(String::as_str))
    {
        arguments.extend(["-c".into(), setting.into()]);
    }
    keep(directory, &program("postgres"), arguments, "ready to accept")
}

/// Starts a server and waits until its log has a line that says that it is ready.
pub(crate) fn keep(
    directory: &Path,
    program: &Path,
    arguments: Vec<OsString>,
    when_ready: &'static str,
) -> Child {
    let (sender, ready) = channel();
    let mut keeper = as_user(Path::new("sh"));
    keeper.args(["-c", KEEPER]).arg(directory).arg(program).args(arguments);
    // The signal comes when the thread ends that started it, so that one lives as long as the process.
    std::thread::spawn(move || {
        let mut child = keeper.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut child = Some(child);
        let mut said = String::new();
        for line in log.lines().map_while(Result::ok) {
            if child.is_some() && line.contains(when_ready) {
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
    ready.recv().unwrap().unwrap_or_else(|said| panic!("the server does not start:\n{said}"))
}

/// Finds a program of the server, of the latest version or in the folder `TGSCAN_POSTGRES`.
pub(crate) fn program(name: &str) -> PathBuf {
    if let Some(other) = std::env::var_os("TGSCAN_POSTGRES") {
        return Path::new(&other).join(name);
    }
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
pub(crate) fn as_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
