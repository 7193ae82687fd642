//! A server ends idle connections while the client's runtime is blocked. The next call, which starts before the runtime
//! processes the end, must not use them.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tgscan_core::{RetryPolicy, Transport};
use tgscan_transport_hyper::{AttemptLimits, HyperTransport};
use tokio::runtime::{Builder, Runtime};

use crate::remote::{Ending, Protocol, Remote, Way, block_for};
use crate::server::{OK, Server, response};
use crate::{api, balance, search};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread(threads: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
}

fn ways() -> Vec<Way> {
    vec![Way::Direct, Way::Connect, Way::Socks]
}

/// Returns every protocol with each of its endings.
fn endings() -> Vec<(Protocol, Ending)> {
    use self::Ending::{CloseNotify, CloseNotifyAlone, Fin, KeyUpdate, Reset, Timeout408};
    vec![
        (Protocol::Plain, Fin),
        (Protocol::Plain, Reset),
        (Protocol::Plain, Timeout408),
        (Protocol::Tls, Fin),
        (Protocol::Tls, CloseNotify),
        (Protocol::Tls, CloseNotifyAlone),
        (Protocol::Tls, Reset),
        (Protocol::Tls, Timeout408),
        (Protocol::Tls, KeyUpdate),
        (Protocol::Http2, Fin),
        (Protocol::Http2, Reset),
        (Protocol::Http2, Ending::Goaway),
        (Protocol::Http2, Ending::Ping),
    ]
}

async fn settle() {
    // Lets other tasks run, which return connections to the pool.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// Makes a free call and then a paid one. The server ends the connection in between.
async fn call_after_end(remote: &Remote) {
    let transport = remote.transport();
    transport.send(balance(&remote.url())).await.unwrap();
    settle().await;
    remote.end_while_blocked(1);
    let answer = transport.send(search(&remote.url())).await;
    assert_eq!(answer.expect("a new connection").body(), OK);
    assert_eq!((remote.connections(), remote.requests()), (2, 2));
}

#[test]
fn call_after_block_uses_no_connection_that_ended_meanwhile() {
    for (protocol, ending) in endings() {
        for way in ways() {
            println!("{protocol:?} {ending:?} {way:?}");
            let remote = Remote::start(protocol, way, ending);
            current_thread().block_on(call_after_end(&remote));
            remote.stop();
        }
    }
}

#[test]
fn call_after_block_in_any_runtime_uses_no_connection_that_ended_meanwhile() {
    for (protocol, ending) in endings() {
        for runtime in [current_thread(), multi_thread(1), multi_thread(2)] {
            println!("{protocol:?} {ending:?}");
            let remote = Arc::new(Remote::start(protocol, Way::Direct, ending));
            let call = {
                let remote = Arc::clone(&remote);
                // In a task, so that the block is on a worker thread.
                runtime.spawn(async move { call_after_end(&remote).await })
            };
            runtime.block_on(call).unwrap();
            drop(runtime);
            Arc::into_inner(remote).unwrap().stop();
        }
    }
}

/// Several idle connections, some of them unused, all ended.
#[test]
fn call_after_block_skips_every_connection_that_ended_meanwhile() {
    const IDLE: usize = 5;
    for (protocol, ending) in endings() {
        println!("{protocol:?} {ending:?}");
        let remote = Remote::start(protocol, Way::Direct, ending);
        current_thread().block_on(async {
            let transport = remote.transport();
            let calls: tokio::task::JoinSet<_> = (0..IDLE)
                .map(|_| {
                    let (transport, request) = (transport.clone(), balance(&remote.url()));
                    async move { transport.send(request).await.unwrap() }
                })
                .collect();
            calls.join_all().await;
            settle().await;
            let idle = remote.connections();
            remote.end_while_blocked(idle);
            let client = transport.client(api(&remote.url()).with_retry(RetryPolicy::none()));
            client.balance().await.expect("a new connection");
            assert_eq!((remote.connections(), remote.requests()), (idle + 1, IDLE + 1));
        });
        remote.stop();
    }
}

/// The task of the connection does not run between the call and the block.
#[test]
fn call_whose_connection_ends_before_its_task_runs_is_answered_or_never_sent() {
    for (protocol, ending) in endings() {
        for pause in [Duration::ZERO, Duration::from_millis(3)] {
            println!("{protocol:?} {ending:?} {pause:?}");
            let remote = Remote::start(protocol, Way::Direct, ending);
            current_thread().block_on(async {
                let transport = remote.transport();
                transport.send(balance(&remote.url())).await.unwrap();
                settle().await;
                block_for(pause);
                let client = transport.client(api(&remote.url()));
                let mut call = pin!(client.balance());
                let began = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context)));
                assert!(began.await.is_pending());
                remote.end_while_blocked(1);
                let reply = call.await.expect("another connection");
                let attempts = if protocol.is_shared() { 1..=2 } else { 1..=1 };
                assert!(attempts.contains(&reply.attempts), "{} attempts", reply.attempts);
                assert_eq!((remote.connections(), remote.requests()), (2, 2));
            });
            remote.stop();
        }
    }
}

/// Like the previous test, with a paid call.
#[test]
fn paid_call_whose_connection_ends_before_its_task_runs_is_not_uncertain() {
    for (protocol, ending) in endings() {
        println!("{protocol:?} {ending:?}");
        let remote = Remote::start(protocol, Way::Direct, ending);
        current_thread().block_on(async {
            let transport = remote.transport();
            transport.send(balance(&remote.url())).await.unwrap();
            settle().await;
            let mut call = pin!(transport.send(search(&remote.url())));
            let began = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context)));
            assert!(began.await.is_pending());
            remote.end_while_blocked(1);
            match call.await {
                Ok(answer) => assert_eq!(answer.body(), OK),
                Err(error) => {
                    assert!(protocol.is_shared(), "{error}");
                    assert_eq!(error.delivery(), tgscan_core::transport::Delivery::NeverSent, "{error}");
                    assert_eq!(remote.requests(), 1);
                }
            }
        });
        remote.stop();
    }
}

/// The client's idle timeout passes while its runtime is blocked.
#[test]
fn call_after_block_uses_no_connection_that_is_too_old() {
    for protocol in [Protocol::Plain, Protocol::Tls, Protocol::Http2] {
        let remote = Remote::start(protocol, Way::Direct, Ending::Fin);
        current_thread().block_on(async {
            let limit = Duration::from_millis(20);
            let transport: HyperTransport = remote.builder().pool_idle_timeout(limit).build().unwrap();
            for connections in [1, 2] {
                let answer = transport.send(search(&remote.url())).await.unwrap();
                assert_eq!((answer.body(), remote.connections()), (&OK.into(), connections));
                settle().await;
                block_for(limit);
            }
        });
        remote.stop();
    }
}

/// The idle limit that the server announced passes while the client's runtime is blocked.
#[test]
fn call_after_block_uses_no_connection_that_the_server_is_about_to_close() {
    let elsewhere = multi_thread(1);
    let server = elsewhere.block_on(Server::answering(response("200 OK", "keep-alive: timeout=1\r\n", OK)));
    current_thread().block_on(async {
        let transport = crate::transport();
        for connections in [1, 2] {
            assert_eq!(transport.send(search(&server.url())).await.unwrap().body(), OK);
            assert_eq!(server.connections(), connections);
            settle().await;
            block_for(Duration::from_millis(600));
        }
    });
}

/// The answer arrives in time, but the deadline passes before the runtime processes it.
#[test]
fn reads_an_answer_that_arrived_while_the_runtime_was_blocked_past_the_deadline() {
    const LIMIT: Duration = Duration::from_secs(1);
    for (protocol, _) in endings().into_iter().filter(|(_, ending)| *ending == Ending::Reset) {
        println!("{protocol:?}");
        let remote = Remote::start(protocol, Way::Direct, Ending::Fin);
        current_thread().block_on(async {
            let transport = remote.transport();
            transport.send(balance(&remote.url())).await.unwrap();
            settle().await;
            let answers = remote.hold_answers();
            let mut request = search(&remote.url());
            request.extensions_mut().insert(AttemptLimits::new().attempt_timeout(LIMIT));
            let mut call = pin!(transport.send(request));
            let began = Instant::now();
            while remote.requests() < 2 {
                let polled = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context)));
                assert!(polled.await.is_pending());
                tokio::task::yield_now().await;
            }
            remote.answer_while_blocked(answers);
            block_for(LIMIT.saturating_sub(began.elapsed()) + Duration::from_millis(3));
            assert_eq!(call.await.expect("the answer has arrived").body(), OK);
        });
        remote.stop();
    }
}
