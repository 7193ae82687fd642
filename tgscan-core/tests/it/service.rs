//! Tests of tower services as transports.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_executor::block_on;
use http::{Request, Response};
use tgscan_core::{
    Client, TransportError,
    transport::{Delivery, ServiceTransport},
};
use tower_service::Service;

use crate::support::{Clock, live, response};

/// A service that is ready or fails at the second poll. Panics if it is called before.
#[derive(Clone, Default)]
struct Slow {
    polls: u32,
    is_broken: bool,
    calls: Arc<AtomicU32>,
}

impl Service<Request<Bytes>> for Slow {
    type Response = Response<Bytes>;
    type Error = TransportError;
    type Future = Ready<Result<Response<Bytes>, TransportError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.polls += 1;
        match self.polls {
            1 => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            _ if self.is_broken => Poll::Ready(Err(TransportError::never_sent("no room"))),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        assert_eq!((self.polls, request.uri().path()), (2, "/tgscan/v1/balance"));
        self.calls.fetch_add(1, Ordering::Relaxed);
        ready(Ok(response(200, r#"{"status":"ok","result":{"num_credits":5}}"#)))
    }
}

#[test]
fn service_is_called_when_it_is_ready() {
    let slow = Slow::default();
    let client = Client::new(live(), ServiceTransport::new(slow.clone()), Clock::default());
    for calls in 1..=2 {
        assert_eq!(block_on(client.balance()).unwrap().answer.num_credits, 5);
        assert_eq!(slow.calls.load(Ordering::Relaxed), calls);
    }
}

#[test]
fn service_that_is_not_ready_is_not_called() {
    let slow = Slow { is_broken: true, ..Slow::default() };
    let client = Client::new(live(), ServiceTransport::new(slow.clone()), Clock::default());
    assert_eq!(block_on(client.balance()).unwrap_err().delivery(), Some(Delivery::NeverSent));
    assert_eq!(slow.calls.load(Ordering::Relaxed), 0);
}
