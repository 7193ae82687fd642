//! Pooled connections that the server closed while they were idle.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tgscan_core::types::UserQuery;
use tgscan_core::{Transport, transport::Delivery};

use crate::server::{OK, end_of_request, response};
use crate::{QUERY, api, balance, search, transport};

/// A server on a separate thread, so that it closes connections while the client's runtime does not run.
pub(crate) struct Closing {
    pub(crate) url: String,
    close: mpsc::Sender<()>,
    closed: mpsc::Receiver<()>,
    serving: JoinHandle<usize>,
}

impl Closing {
    /// Answers this many requests, each on a new connection, and closes it on a signal.
    pub(crate) fn start(count: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (close, signal) = mpsc::channel();
        let (report, closed) = mpsc::channel();
        let serving = std::thread::spawn(move || {
            let mut processed = 0;
            for _ in 0..count {
                let (mut stream, _) = listener.accept().unwrap();
                processed += usize::from(read_request(&mut stream));
                stream.write_all(response("200 OK", "", OK).as_bytes()).unwrap();
                // An error means that the test has ended.
                let _ = signal.recv();
                drop(stream);
                let _ = report.send(());
            }
            processed
        });
        Self { url, close, closed, serving }
    }

    /// Closes the connection such that the runtime knows it, but the connection's task has not run since. The next call takes
    /// the connection from the pool as an open one.
    pub(crate) async fn close_unseen(&self) {
        // Lets other tasks run, which return the connection to the pool.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.close.send(()).unwrap();
        // Blocks the runtime's only thread.
        self.closed.recv().unwrap();
        // Polls the I/O driver, and then continues with this task before the others that it woke.
        tokio::task::yield_now().await;
    }

    /// Returns the number of answered requests.
    fn processed(self) -> usize {
        drop(self.close);
        self.serving.join().unwrap()
    }
}

fn read_request(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    while end_of_request(&bytes).is_none() {
        match stream.read(&mut buffer).unwrap() {
            0 => return false,
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    }
    true
}

#[tokio::test]
async fn returned_request_is_sent_once_over_a_new_connection() {
    for request in [search, balance] {
        let server = Closing::start(2);
        let transport = transport();
        transport.send(balance(&server.url)).await.unwrap();
        server.close_unseen().await;
        assert_eq!(transport.send(request(&server.url)).await.unwrap().body(), OK);
        assert_eq!(server.processed(), 2);
    }
}

#[tokio::test]
async fn returned_paid_call_is_one_attempt_and_processed_once() {
    let server = Closing::start(2);
    let client = transport().client(api(&server.url));
    client.balance().await.unwrap();
    server.close_unseen().await;
    // The server answers a search as a balance; only the number of requests matters here.
    let error = client.search(QUERY.parse::<UserQuery>().unwrap()).await.unwrap_err();
    assert!(error.is_decode(), "{error}");
    assert_eq!(error.attempts(), 1);
    assert_eq!(server.processed(), 2, "one balance and one search");
}

/// Without an arranged order: no request is processed twice or lost without an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn race_with_the_servers_close_is_reported_truthfully() {
    const CALLS: usize = 100;
    let server = Closing::start(CALLS);
    for _ in 0..CALLS {
        server.close.send(()).unwrap();
    }
    let transport = transport();
    let mut answered = 0;
    let mut maybe_sent = 0;
    // Ends with the server's last request. Its answer may be lost, because a reset can overtake it.
    while !server.serving.is_finished() {
        match transport.send(search(&server.url)).await {
            Ok(_) => answered += 1,
            Err(error) if error.delivery() == Delivery::MaybeSent => maybe_sent += 1,
            Err(error) => assert_eq!(error.delivery(), Delivery::NeverSent, "{error}"),
        }
    }
    let unanswered = server.processed().checked_sub(answered).unwrap();
    assert!(
        unanswered <= maybe_sent,
        "{unanswered} were processed and not answered, {maybe_sent} were maybe sent"
    );
}
