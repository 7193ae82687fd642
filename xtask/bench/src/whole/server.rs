//! A server that answers with the same bytes whatever is asked, in a process of its own, so that nothing of it counts.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::body::{SIZES, status_first};

/// What a program is called with to be the server.
pub const SERVE: &str = "serve";

/// How long it thinks before it answers. By then the client waits, so that what it does is the same each time.
const PAUSE: Duration = Duration::from_millis(3);

/// The server's process, which ends with this value.
pub struct Server {
    /// Where it listens.
    pub url: String,
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Server {
    /// Starts this very program once more, as a server.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start() -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let mut url = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut url)?;
        }
        Ok(Self { url: url.trim().to_owned(), child, stdin })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It serves until its input ends.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// Is the server, until the input ends.
///
/// # Errors
/// If it cannot listen.
pub fn serve() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("http://{}", listener.local_addr()?);
    let body = status_first(SIZES[0]);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer: &'static [u8] = [head.as_bytes(), &body].concat().leak();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // A client that hangs up ends this with an error that nobody needs.
            thread::spawn(move || answer_all(&socket, answer));
        }
    });
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

fn answer_all(mut socket: &TcpStream, answer: &[u8]) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut reader = BufReader::new(socket.try_clone()?);
    let mut line = String::new();
    let mut length = 0;
    while reader.read_line(&mut line)? > 0 {
        let header = line.trim_end().to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
        if header.is_empty() {
            io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
            thread::sleep(PAUSE);
            socket.write_all(answer)?;
        }
        line.clear();
    }
    Ok(())
}
