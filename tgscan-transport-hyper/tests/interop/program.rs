//! A program with its settings and logs in a temporary folder.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The time limit for a program to start, and to write to its log.
const PATIENCE: Duration = Duration::from_secs(20);

/// A temporary folder, deleted on drop.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tgscan-interop-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Remains in the system's temporary folder on an error, which is harmless.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns a free port below those that Linux chooses, so that no other server of these tests takes it before the program.
pub(crate) fn free_port() -> u16 {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let first = usize::try_from(std::process::id()).unwrap() * 64;
    loop {
        let offset = (first + COUNT.fetch_add(1, Ordering::Relaxed)) % 15_000;
        let port = 15_000 + u16::try_from(offset).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A running program.
pub(crate) struct Program {
    child: Child,
    folder: Folder,
}

impl Program {
    /// Starts a program and waits until it listens on all ports.
    pub(crate) fn start(folder: Folder, name: &str, arguments: &[&str], ports: &[u16]) -> Self {
        let output = fs::File::create(folder.path().join("output")).unwrap();
        let child = Command::new(name)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started ({error}); install it"));
        let program = Self { child, folder };
        for port in ports {
            let address = SocketAddr::from(([127, 0, 0, 1], *port));
            let listens = eventually(|| TcpStream::connect(address).is_ok());
            assert!(listens, "{name} does not listen on port {port}: {}", program.log("output"));
        }
        program
    }

    /// Returns the content of a log.
    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// Waits until a log contains a text. Returns the whole log.
    pub(crate) fn log_with(&self, name: &str, text: &str) -> String {
        self.log_with_all(name, text, 1)
    }

    /// Waits until a log contains a text `count` times. Returns the whole log.
    pub(crate) fn log_with_all(&self, name: &str, text: &str, count: usize) -> String {
        let found = eventually(|| self.log(name).matches(text).count() >= count);
        let log = self.log(name);
        assert!(found, "{text:?} is not {count} times in {log}");
        log
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error means that it has already exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls a condition, because third-party programs do not report readiness. Returns `false` at the time limit.
fn eventually(condition: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > PATIENCE {
            return false;
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    true
}
