//! Calls in incomplete runtimes, outside a runtime, and in several.

use std::time::Duration;

use tgscan_core::{
    Timer, Transport, TransportError,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_transport_hyper::TokioTimer;
use tokio::runtime::{Builder, Runtime};

use crate::server::{OK, Server, response};
use crate::{balance, search, transport};

fn all() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn assert_refused(error: &TransportError, expected: &str) {
    assert_eq!(
        (error.delivery(), error.kind()),
        (Delivery::NeverSent, TransportErrorKind::Refused),
        "{error}"
    );
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn runtime_without_time_or_io_is_never_sent_and_names_the_remedy() {
    let elsewhere = all();
    let server = elsewhere.block_on(Server::answering(response("200 OK", "", OK)));
    let without_time = Builder::new_current_thread().enable_io().build().unwrap();
    let without_io = Builder::new_current_thread().enable_time().build().unwrap();
    let without_both = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let transport = transport();
    for _ in 0..2 {
        for request in [search, balance] {
            for (runtime, expected) in
                [(&without_time, "enable_time"), (&without_io, "enable_io"), (&without_both, "enable_time")]
            {
                let error = runtime.block_on(transport.send(request(&server.url()))).unwrap_err();
                assert_refused(&error, expected);
            }
        }
    }
    assert_eq!(server.requests(), 0);
    assert_eq!(elsewhere.block_on(transport.send(search(&server.url()))).unwrap().body(), OK);
}

#[test]
fn call_outside_a_runtime_is_never_sent() {
    let transport = transport();
    let call = transport.send(search("http://127.0.0.1:1"));
    let error = poll_once(call).expect("the call does not wait").unwrap_err();
    assert_refused(&error, "outside a tokio runtime");
}

fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn timer_sleeps_without_a_runtime_and_without_tokio_time() {
    let timer = TokioTimer::new();
    let without_time = Builder::new_current_thread().build().unwrap();
    let wait = Duration::from_millis(20);
    for _ in 0..2 {
        let before = timer.now();
        without_time.block_on(timer.sleep(wait));
        assert!(timer.now() >= before + wait);
    }
    let sleep = std::pin::pin!(timer.sleep(wait));
    let before = timer.now();
    block_on(sleep);
    assert!(timer.now() >= before + wait);
}

/// Drives a future without a runtime.
fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    loop {
        let context = &mut std::task::Context::from_waker(&waker);
        match std::pin::Pin::new(&mut future).poll(context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn connection_serves_only_the_runtime_that_opened_it() {
    let elsewhere = all();
    let server = elsewhere.block_on(Server::answering(response("200 OK", "", OK)));
    let transport = transport();
    let first = Builder::new_current_thread().enable_all().build().unwrap();
    first.block_on(transport.send(balance(&server.url()))).unwrap();
    // The first runtime exists, but does not run.
    let second = Builder::new_current_thread().enable_all().build().unwrap();
    second.block_on(async {
        let call = tokio::time::timeout(Duration::from_secs(5), transport.send(search(&server.url())));
        assert_eq!(call.await.expect("it waits for the other runtime").unwrap().body(), OK);
    });
    first.block_on(transport.send(balance(&server.url()))).unwrap();
    assert_eq!(server.connections(), 2, "each runtime has one connection and uses it again");
}
