//! The server ends an idle connection while the client's runtime is blocked, so that the next call comes before the
//! runtime has seen it. Nothing is sent on that connection.

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
    vec![
        Way::Straight,
        #[cfg(feature = "proxy")]
        Way::Connect,
        #[cfg(feature = "proxy")]
        Way::Socks,
    ]
}

/// Every protocol with every way to end that it has.
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
        #[cfg(feature = "http2")]
        (Protocol::Http2, Fin),
        #[cfg(feature = "http2")]
        (Protocol::Http2, Reset),
        #[cfg(feature = "http2")]
        (Protocol::Http2, Ending::Goaway),
        #[cfg(feature = "http2")]
        (Protocol::Http2, Ending::Ping),
    ]
}

async fn settle() {
    // The other tasks run meanwhile, and put connections back into the pool.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// A paid call after a free one, with the server ending the connection in between.
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
            let remote = Arc::new(Remote::start(protocol, Way::Straight, ending));
            let call = {
                let remote = Arc::clone(&remote);
                // In a task, so that it is a worker that is blocked.
                runtime.spawn(async move { call_after_end(&remote).await })
            };
            runtime.block_on(call).unwrap();
            drop(runtime);
            Arc::into_inner(remote).unwrap().stop();
        }
    }
}

/// Several connections are idle, all of which ended, some never used.
#[test]
fn call_after_block_passes_over_every_connection_that_ended_meanwhile() {
    const IDLE: usize = 5;
    for (protocol, ending) in endings() {
        println!("{protocol:?} {ending:?}");
        let remote = Remote::start(protocol, Way::Straight, ending);
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

/// The task that drives the connection gets no turn between the call and the block.
#[test]
fn call_whose_connection_ends_before_its_task_runs_is_answered_or_never_sent() {
    for (protocol, ending) in endings() {
        for pause in [Duration::ZERO, Duration::from_millis(3)] {
            println!("{protocol:?} {ending:?} {pause:?}");
            let remote = Remote::start(protocol, Way::Straight, ending);
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

/// The same for a call that costs: it must not be uncertain.
#[test]
fn paid_call_whose_connection_ends_before_its_task_runs_is_not_uncertain() {
    for (protocol, ending) in endings() {
        println!("{protocol:?} {ending:?}");
        let remote = Remote::start(protocol, Way::Straight, ending);
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

/// The server keeps the connection, and the client's limit passes while its runtime is blocked.
#[test]
fn call_after_block_uses_no_connection_that_is_too_old() {
    for protocol in [
        Protocol::Plain,
        Protocol::Tls,
        #[cfg(feature = "http2")]
        Protocol::Http2,
    ] {
        let remote = Remote::start(protocol, Way::Straight, Ending::Fin);
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

/// The server says when it will close the connection, and that time passes while the client's runtime is blocked.
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

/// The answer comes in time, and the deadline passes before the runtime has seen it.
#[test]
fn answer_that_came_while_the_runtime_was_blocked_past_the_deadline_is_read() {
    const LIMIT: Duration = Duration::from_secs(1);
    for (protocol, _) in endings().into_iter().filter(|(_, ending)| *ending == Ending::Reset) {
        println!("{protocol:?}");
        let remote = Remote::start(protocol, Way::Straight, Ending::Fin);
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
            assert_eq!(call.await.expect("the answer is there").body(), OK);
        });
        remote.stop();
    }
}
