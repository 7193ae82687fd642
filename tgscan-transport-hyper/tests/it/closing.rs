//! Servers that close idle connections while requests start: no request is sent twice, and unsent requests cause no errors.
//!
//! Each test makes 5,000 calls. For a longer run of some minutes:
//! `TGSCAN_CALLS=100000 cargo test -p tgscan-transport-hyper --all-features --test loopback closing`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tgscan_core::{Credits, Error, RetryPolicy};
use tgscan_transport_hyper::HyperTransport;
use tokio::task::JoinSet;

use crate::server::{Server, response};
use crate::{api, transport};

const CONCURRENCY: usize = 16;

fn calls() -> usize {
    std::env::var("TGSCAN_CALLS").map_or(5_000, |calls| calls.parse().unwrap())
}

/// The number of times that each query was processed.
#[derive(Clone, Default)]
struct Processed(Arc<Mutex<HashMap<String, usize>>>);

impl Processed {
    /// Counts a form, and answers it.
    fn answer(&self, form: &str) -> String {
        let query = form.strip_prefix("query=").unwrap();
        *self.0.lock().unwrap().entry(query.to_owned()).or_default() += 1;
        let meta = format!(r#"{{"search_query":"{query}","known_num_groups":0,"num_groups":0,"op_cost":1}}"#);
        format!(r#"{{"status":"ok","result":{{"meta":{meta},"groups":[]}}}}"#)
    }
}

/// Makes calls with different queries. Returns the errors.
async fn call_many(transport: HyperTransport, url: &str, processed: &Processed) -> Vec<Error> {
    let mut retry = RetryPolicy::default();
    retry.base_backoff = Duration::from_millis(1);
    // On a busy machine, a request can meet several closing connections in a row.
    retry.max_attempts = 20;
    let client = transport.client(api(url).with_retry(retry));
    let calls = calls();
    let callers: JoinSet<_> = (0..CONCURRENCY)
        .map(|first| {
            let client = client.clone();
            async move {
                let mut errors = Vec::new();
                for number in (first..calls).step_by(CONCURRENCY) {
                    errors.extend(client.search(format!("name_{number}")).await.err());
                }
                errors
            }
        })
        .collect();
    let errors: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    // A request that crossed the server's close on the wire is uncertain.
    for error in &errors {
        assert_eq!(error.credits(), Credits::Uncertain, "{error}");
    }
    let processed = processed.0.lock().unwrap();
    assert!(processed.values().all(|times| *times == 1), "a request was sent twice");
    assert!((calls - errors.len()..=calls).contains(&processed.len()), "{} processed", processed.len());
    errors
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_that_closes_idle_connections_gets_each_request_once() {
    let processed = Processed::default();
    let server = Server::start({
        let processed = processed.clone();
        move |mut peer| {
            let processed = processed.clone();
            async move {
                let mut answered = 0;
                while let Some(request) = peer.read_request().await {
                    let body = request.rsplit("\r\n").next().unwrap();
                    peer.write(&response("200 OK", "", &processed.answer(body))).await;
                    answered += 1;
                    // Closes without announcing it, immediately or after other tasks ran.
                    let last = 1 + body.bytes().map(usize::from).sum::<usize>() % 7;
                    if answered >= last {
                        for _ in 0..last % 3 {
                            tokio::task::yield_now().await;
                        }
                        return;
                    }
                }
            }
        }
    })
    .await;
    let errors = call_many(transport(), &server.url(), &processed).await;
    println!("{} of {} calls are maybe sent", errors.len(), calls());
    assert!(server.connections() > calls() / 10, "connections were closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_that_sends_goaway_with_every_tenth_answer_gets_each_request_once() {
    use crate::tls_server::Authority;

    let (authority, processed) = (Authority::new(), Processed::default());
    let counted = processed.clone();
    let url = crate::http2::scripted(&authority, move |mut http| {
        let processed = counted.clone();
        async move {
            let mut answered = 0;
            while let Some(Ok((mut request, mut respond))) = http.accept().await {
                answered += 1;
                if answered % 10 == 0 {
                    http.graceful_shutdown();
                }
                let processed = processed.clone();
                tokio::spawn(async move {
                    // The client resets streams that it began before it received the GOAWAY.
                    let Some(Ok(body)) = request.body_mut().data().await else { return };
                    let answer = processed.answer(std::str::from_utf8(&body).unwrap());
                    let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
                    stream.send_data(answer.into(), true).unwrap();
                });
            }
        }
    })
    .await;
    // Rarely, hyper lets a request that meets a GOAWAY wait forever for capacity. It times out as never sent, and is retried.
    let transport = authority.trusted().attempt_timeout(Duration::from_secs(2)).build().unwrap();
    let errors = call_many(transport, &url, &processed).await;
    // Requests that were written before the client received the GOAWAY.
    println!("{} of {} calls are maybe sent", errors.len(), calls());
    assert!(errors.len() < calls() / 100);
}
