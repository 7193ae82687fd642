//! A pooled connection that the server closed while it was idle.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tgscan_core::types::UserQuery;
use tgscan_core::{Transport, transport::Delivery};

use crate::server::{OK, end_of_request, response};
use crate::{QUERY, api, balance, search, transport};

/// A server on a thread of its own, so that it closes connections while the client's runtime stands still.
pub(crate) struct Closing {
    pub(crate) url: String,
    close: mpsc::Sender<()>,
    closed: mpsc::Receiver<()>,
    serving: JoinHandle<usize>,
}

impl Closing {
    /// Answers this many requests, each on a new connection, and closes that when it is told to.
    pub(crate) fn start(count: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (close, told) = mpsc::channel();
        let (tell, closed) = mpsc::channel();
        let serving = std::thread::spawn(move || {
            let mut processed = 0;
            for _ in 0..count {
                let (mut stream, _) = listener.accept().unwrap();
                processed += usize::from(read_request(&mut stream));
                stream.write_all(response("200 OK", "", OK).as_bytes()).unwrap();
                // Fails when the test has ended, which closes the connection as well.
                let _ = told.recv();
                drop(stream);
                let _ = tell.send(());
            }
            processed
        });
        Self { url, close, closed, serving }
    }

    /// Brings about that the socket is closed and the runtime knows it, but the connection's task has not run since:
    /// the next call takes the connection from the pool as a good one, and only then finds out.
    pub(crate) async fn close_unseen(&self) {
        // The other tasks run meanwhile, and put the connection back into the pool.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.close.send(()).unwrap();
        // Blocks the runtime's only thread.
        self.closed.recv().unwrap();
        // Polls the I/O driver, and then goes on with this task before the others that it woke.
        tokio::task::yield_now().await;
    }

    /// How many requests were answered.
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
async fn request_that_is_handed_back_is_sent_once_over_a_new_connection() {
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
async fn paid_call_that_is_handed_back_is_one_attempt_and_processed_once() {
    let server = Closing::start(2);
    let client = transport().client(api(&server.url));
    client.balance().await.unwrap();
    server.close_unseen().await;
    // The answer is not one to a search, but it is one: what counts here is how often it was asked for.
    let error = client.search(QUERY.parse::<UserQuery>().unwrap()).await.unwrap_err();
    assert!(error.is_decode(), "{error}");
    assert_eq!(error.attempts(), 1);
    assert_eq!(server.processed(), 2, "one balance and one search");
}

/// The same without arranging who sees the closing first: whatever the race brings, nothing is processed twice or
/// lost in silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_the_race_ends_it_is_told_truthfully() {
    const CALLS: usize = 100;
    let server = Closing::start(CALLS);
    for _ in 0..CALLS {
        server.close.send(()).unwrap();
    }
    let transport = transport();
    let mut answered = 0;
    let mut perhaps = 0;
    // Ends with the server's last request. Whether its answer came is another matter: a reset can overtake it.
    while !server.serving.is_finished() {
        match transport.send(search(&server.url)).await {
            Ok(_) => answered += 1,
            Err(error) if error.delivery() == Delivery::MaybeSent => perhaps += 1,
            Err(error) => assert_eq!(error.delivery(), Delivery::NeverSent, "{error}"),
        }
    }
    let unanswered = server.processed().checked_sub(answered).unwrap();
    assert!(unanswered <= perhaps, "{unanswered} were processed and not answered, {perhaps} were maybe sent");
}
