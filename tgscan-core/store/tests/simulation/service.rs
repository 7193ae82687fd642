//! The service and the network before it: what it really charged, and what of that comes back.

use std::collections::HashMap;
use std::time::Duration;

use tgscan_core::TransportError;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response, StatusCode};
use tgscan_core::transport::TransportErrorKind;

use fastrand::Rng;

/// A request may be processed this long after its caller has given up on it.
pub(crate) const LATE: Duration = Duration::from_secs(30);
/// The most that a search costs.
pub(crate) const PRICE: u64 = 3;

pub(crate) type Outcome = Result<Response<Bytes>, TransportError>;

#[derive(Default)]
pub(crate) struct Service {
    pub(crate) balance: u64,
    pub(crate) spent: u64,
    /// How often each question was paid for.
    pub(crate) paid: HashMap<String, u32>,
    /// What is still on its way: when it arrives, the question, and the call that it belongs to.
    late: Vec<(Duration, String, u64)>,
    /// What each call has cost.
    pub(crate) costs: HashMap<u64, u64>,
}

impl Service {
    pub(crate) fn with_balance(balance: u64) -> Self {
        Self { balance, ..Self::default() }
    }

    /// Delivers a request of a call, and returns what its caller gets.
    pub(crate) fn deliver(
        &mut self,
        request: &Request<Bytes>,
        call: u64,
        now: Duration,
        rng: &mut Rng,
    ) -> Outcome {
        let question = String::from_utf8(request.body().to_vec()).unwrap();
        match rng.u64(..40) {
            0 => Err(TransportError::never_sent("refused").with_kind(TransportErrorKind::Connect)),
            1 => {
                self.arrives_late(question, call, now, rng);
                Err(TransportError::new("no answer in time").with_kind(TransportErrorKind::Timeout))
            }
            2 => Ok(error(StatusCode::TOO_MANY_REQUESTS, "too many requests")),
            3 => Ok(error(StatusCode::SERVICE_UNAVAILABLE, "try again")),
            4 => Ok(page(StatusCode::BAD_GATEWAY)),
            fault => {
                let Some(answer) = self.process(&question, call, rng) else {
                    return Ok(error(StatusCode::PAYMENT_REQUIRED, "no credits"));
                };
                match fault {
                    5 => Err(TransportError::new("reset")),
                    6 => {
                        let cut = answer.slice(..answer.len() / 3);
                        Err(TransportError::response_started(Response::new(cut), "cut off"))
                    }
                    7 => Ok(page(StatusCode::SERVICE_UNAVAILABLE)),
                    8 => Ok(page(StatusCode::GATEWAY_TIMEOUT)),
                    9 => Ok(Response::new(Bytes::from_static(
                        br#"{"status":"ok","result":{"surprise":true}}"#,
                    ))),
                    10 => {
                        let other = String::from_utf8(answer.to_vec()).unwrap().replace("name_", "other_");
                        Ok(Response::new(other.into()))
                    }
                    _ => Ok(Response::new(answer)),
                }
            }
        }
    }

    /// Loses the caller of a request, which may still be processed.
    pub(crate) fn lose(&mut self, request: &Request<Bytes>, call: u64, now: Duration, rng: &mut Rng) {
        if rng.u64(..2) == 0 {
            let question = String::from_utf8(request.body().to_vec()).unwrap();
            self.arrives_late(question, call, now, rng);
        }
    }

    fn arrives_late(&mut self, question: String, call: u64, now: Duration, rng: &mut Rng) {
        let at = now + LATE.mul_f64(f64::from(u32::try_from(rng.u64(..1000)).unwrap()) / 1000.0);
        self.late.push((at, question, call));
    }

    /// Processes what was late until now.
    pub(crate) fn catch_up(&mut self, now: Duration, rng: &mut Rng) {
        let (due, late) = std::mem::take(&mut self.late).into_iter().partition(|(at, ..)| *at <= now);
        self.late = late;
        let due: Vec<_> = due;
        for (_, question, call) in due {
            let _ = self.process(&question, call, rng);
        }
    }

    /// Processes a question, and charges it; `None` without credits.
    fn process(&mut self, question: &str, call: u64, rng: &mut Rng) -> Option<Bytes> {
        let cost = 1 + rng.u64(..PRICE);
        self.balance = self.balance.checked_sub(cost)?;
        self.spent += cost;
        *self.paid.entry(question.to_owned()).or_default() += 1;
        *self.costs.entry(call).or_default() += cost;
        let name = question.strip_prefix("query=").unwrap();
        let answer = format!(
            r#"{{"status":"ok","result":{{"user":{{"id":{id},"username":"{name}","first_name":null,"last_name":null}},"username_history":[],"id_history":[],"meta":{{"search_query":"{name}","known_num_groups":0,"num_groups":0,"op_cost":{cost}}},"groups":[]}}}}"#,
            id = 1 + rng.u64(..1 << 40),
        );
        Some(answer.into())
    }
}

fn error(status: StatusCode, message: &str) -> Response<Bytes> {
    let body = format!(r#"{{"status":"error","result":{{"message":"{message}"}}}}"#);
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response
}

fn page(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"<html>gateway</html>"));
    *response.status_mut() = status;
    response
}
