//! Programs that serve HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;

use crate::support::Service;

#[test]
fn two_workers_pay_for_a_question_once_and_share_a_cap() {
    const WORKERS: &str = env!("CARGO_BIN_EXE_workers");
    let service = Service::start();
    let database = crate::server::server().url();
    let start = || serve(&service, WORKERS, &["127.0.0.1:0", &database, "20"]);
    let (one, other) = (start(), start());
    let answers = std::thread::scope(|scope| {
        let ask = |worker| scope.spawn(move || Serving::get(worker, "/search/alice_1"));
        [ask(&one), ask(&other)].map(|answer| answer.join().unwrap())
    });
    assert_eq!(service.paid(), 1);
    let stored = answers.iter().filter(|(_, body)| body.contains(r#""stored":true"#)).count();
    assert!(answers.iter().all(|(status, _)| *status == 200) && stored == 1, "{answers:?}");

    // One worker dies, and the other one has its paid answers.
    drop(one);
    assert!(other.get("/search/alice_1").1.contains(r#""stored":true"#));
    let third = start();
    for number in 0..12 {
        let worker = if number % 2 == 0 { &other } else { &third };
        worker.get(&format!("/search/bobby_{number}"));
    }
    let spent = service.mock.account().spent;
    assert!((16..=20).contains(&spent), "{spent}");
}

/// Starts a program that serves HTTP.
fn serve(service: &Service, program: &str, arguments: &[&str]) -> Serving {
    let mut child = service.spawn(program, arguments);
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("it says {line:?}"));
    Serving { address: address.to_owned(), child }
}

/// A program that serves HTTP. It ends with this.
struct Serving {
    address: String,
    child: Child,
}

impl Serving {
    /// Sends a request, and does not wait for its answer.
    fn send(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        stream
    }

    /// The status and the body that a path answers.
    fn get(&self, path: &str) -> (u16, String) {
        let mut text = String::new();
        self.send(path).read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
