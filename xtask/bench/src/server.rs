//! A server in a separate process, so that its work is not counted. It answers every request with the same bytes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::body::{SIZES, status_first};

/// The delay of answers, after which the client is certainly blocked.
const PAUSE: Duration = Duration::from_millis(3);

/// A server process, killed on drop.
pub struct Server {
    /// The printed lines, up to an empty one: the URL, then optionally the certificate to trust.
    pub printed: Vec<String>,
    child: Child,
}

impl Server {
    /// Starts `program` with `arguments` and waits until it listens.
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child =
            Command::new(program).args(arguments).stdout(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let printed = lines.map(|line| line.expect("text")).take_while(|line| !line.is_empty()).collect();
        Self { printed, child }
    }

    pub fn url(&self) -> &str {
        &self.printed[0]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the server process.
pub fn serve() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("http://{}\n", listener.local_addr()?);
    let answer: &'static [u8] = with_head(&status_first(SIZES[0])).leak();
    for socket in listener.incoming().flatten() {
        // Returns an error when the client disconnects.
        thread::spawn(move || answer_all(socket, answer));
    }
    Ok(())
}

/// Returns a whole response with this body.
pub(crate) fn with_head(body: &[u8]) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
    [format!("{head}{}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// Answers each request after its end. The clients do not pipeline.
fn answer_all(mut socket: TcpStream, answer: &[u8]) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (mut received, mut chunk) = (Vec::new(), [0; 8192]);
    while let count @ 1.. = socket.read(&mut chunk)? {
        received.extend_from_slice(&chunk[..count]);
        if is_whole(&received) {
            received.clear();
            thread::sleep(PAUSE);
            socket.write_all(answer)?;
        }
    }
    Ok(())
}

/// Returns whether a whole request or response was received.
pub fn is_whole(received: &[u8]) -> bool {
    const END: &[u8] = b"\r\n\r\n";
    let Some(head) = received.windows(END.len()).position(|window| window == END) else { return false };
    let length = String::from_utf8_lossy(&received[..head]).lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    received.len() >= head + END.len() + length.unwrap_or_default()
}
