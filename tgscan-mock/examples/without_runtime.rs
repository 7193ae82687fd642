//! Blocking code without a runtime: it drives the core's state machine, with the mock as transport in tests.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use tgscan_mock::core::call::{Now, Step};
use tgscan_mock::core::{Api, Error, Reply, TransportError};
use tgscan_mock::types::ApiMethod;

/// Your code, with a blocking HTTP client and `std::thread::sleep`.
pub struct Blocking<Send> {
    /// Key and base URL.
    pub api: Api,
    /// Sends one request.
    pub send: Send,
    /// Waits for a duration.
    pub wait: fn(Duration),
}

impl<Send> Blocking<Send>
where
    Send: Fn(Request<Bytes>) -> Result<Response<Bytes>, TransportError>,
{
    /// Calls an API method.
    ///
    /// # Errors
    /// As `Client::send`.
    pub fn call<M: ApiMethod>(&self, method: M) -> Result<Reply<M::Answer>, Error> {
        let start = Instant::now();
        let now = || Now::new(start.elapsed(), Some(SystemTime::now()));
        let mut step = Step::begin(&self.api, method, now());
        loop {
            step = match step {
                Step::Send(request, sent) => sent.received((self.send)(request), now()),
                Step::Wait(wait) => {
                    (self.wait)(wait.duration());
                    wait.resume(now())
                }
                Step::Ask(_) => unreachable!("only a call with a store does this step"),
                Step::Done(result) => return result,
            };
        }
    }
}

/// Creates one over the mock, which does not wait.
fn over(
    mock: &tgscan_mock::Mock,
) -> Blocking<impl Fn(Request<Bytes>) -> Result<Response<Bytes>, TransportError> + use<>> {
    use tgscan_mock::outcome::Wire;

    let api = Api::new(mock.live_key());
    let mock = mock.clone();
    let send = move |request| match mock.respond(&request).wire {
        Wire::Whole(response) | Wire::Slow(response) => Ok(response),
        Wire::Refused => Err(TransportError::never_sent("refused")),
        _ => Err(TransportError::new("the connection dropped")),
    };
    Blocking { api, send, wait: |_| {} }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let blocking = over(&tgscan_mock::Mock::new());
    let reply = blocking.call(tgscan_mock::types::Search { query: "some_username".parse()? })?;
    println!("{} groups, {}", reply.answer.groups.len(), reply.credits);
    Ok(())
}

#[cfg(test)]
mod tests {
    use tgscan_mock::types::{Balance, Search};
    use tgscan_mock::{FaultKind, Mock};

    use super::*;

    #[test]
    fn retries_after_a_backoff_if_not_processed() {
        let mock = Mock::new();
        mock.script_any([FaultKind::TooManyRequests { retry_after: Some(1) }, FaultKind::Refuse]);
        let search = Search { query: "some_username".parse().unwrap() };
        over(&mock).call(search).unwrap();
        assert_eq!((mock.requests().len(), mock.account().spent), (3, 1));
    }

    #[test]
    fn does_not_pay_twice() {
        let mock = Mock::new();
        mock.script_any([tgscan_mock::Fault::new(FaultKind::Reset).charged()]);
        let error = over(&mock).call(Search { query: "some_username".parse().unwrap() }).unwrap_err();
        assert!(error.delivery().is_some());
        assert_eq!(over(&mock).call(Balance {}).unwrap().answer.num_credits, 999);
    }
}
