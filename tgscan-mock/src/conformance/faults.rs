//! Every fault, and the result that a correct client must return.

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tgscan_core::types::{Search, SearchAnswer, UserQuery};
use tgscan_core::{Credits, Error, ErrorKind, Reply, transport::Delivery};

use super::clock::within;
use super::report::{Problem, Report};
use super::{AnyTransport, Bench, CALL_LIMIT, COST, Make, SEED, SHORT_LIMIT, Setup};
use crate::outcome::{Class, End, Outcome, Wire};
use crate::{Fault, FaultKind, Mock};

type SearchResult = Result<Reply<SearchAnswer>, Error>;

const QUERY: &str = "private_username";

pub(super) fn query() -> UserQuery {
    QUERY.parse().expect("a legal username")
}

pub(super) async fn run(setup: Setup, make: &Make<'_>, report: &mut Report) {
    for fault in Fault::all(64 * 1024) {
        let when = if fault.is_charged() { "charged" } else { "not charged" };
        let name = format!("fault {:?}, {when}", fault.kind());
        report.add(name, case(setup, make, &fault).await);
    }
}

async fn case(setup: Setup, make: &Make<'_>, fault: &Fault) -> Result<(), Problem> {
    let time_limit = if fault.kind().is_timeout() { SHORT_LIMIT } else { setup.time_limit };
    let bench = Bench::new(Setup { time_limit, ..setup }, make)?;
    // The bytes on the wire, from a second mock with the same seed.
    let mut expected = expected(fault)?;
    expected.wire = bench.coding.with_readable_part(expected.wire);
    let client = bench.client(bench.api());
    bench.mock.script::<Search>([fault.clone()]);
    if *fault.kind() == FaultKind::Refuse {
        // Over a socket, a refused connection means that no server listens.
        drop(bench.server);
    }
    let limit = bench.endpoint.time_limit;
    // Generous, for slow machines.
    let call_limit = if fault.kind().is_timeout() { limit * 3 } else { CALL_LIMIT };
    let Some(result) = within(call_limit, client.search(query())).await else {
        return Err(
            format!("the call did not end within {call_limit:?}, and its time limit was {limit:?}").into()
        );
    };
    let sent = bench.mock.requests().len();
    let allowed = if *fault.kind() == FaultKind::Refuse { 0..=1 } else { 1..=1 };
    if !allowed.contains(&sent) {
        return Err(format!("the request arrived {sent} times: a hidden replay, or nothing was sent").into());
    }
    let charged = bench.mock.account().spent;
    credits(&result, charged)?;
    secrets(&result, &*bench.transport)?;
    class(&result, expected.class, fault)?;
    received(&result, &expected, bench.endpoint.max_body_size).map_err(Problem::detail)
}

/// Returns the outcome of the same request with the same fault.
fn expected(fault: &Fault) -> Result<Outcome, String> {
    let mock = Mock::builder().seed(SEED).cost::<Search>(COST).build().map_err(|error| error.to_string())?;
    let request: Request<Bytes> = tgscan_core::Api::new(mock.live_key()).request(&Search { query: query() });
    Ok(mock.respond_with(&request, Some(fault)))
}

fn class_of(result: &SearchResult) -> Option<Class> {
    let Err(error) = result else { return Some(Class::Reply) };
    Some(match error.kind() {
        ErrorKind::Transport(error) => match error.delivery() {
            Delivery::NeverSent => Class::NeverSent,
            Delivery::MaybeSent => Class::MaybeSent,
            Delivery::ResponseStarted => Class::ResponseStarted,
        },
        ErrorKind::Api(_) => Class::Api,
        ErrorKind::UnexpectedResponse(_) => Class::UnexpectedResponse,
        ErrorKind::Decode(_) => Class::Decode,
        _ => return None,
    })
}

fn class(result: &SearchResult, expected: Class, fault: &Fault) -> Result<(), Problem> {
    let got = class_of(result);
    let said = || result.as_ref().err().map_or("a reply".into(), ToString::to_string);
    if (got, expected) == (Some(Class::MaybeSent), Class::ResponseStarted) {
        return Err(Problem::warning(format!("could be {expected:?}, with the received bytes: {}", said())));
    }
    if got != Some(expected) {
        return Err(format!("must be {expected:?}, is {got:?}: {}", said()).into());
    }
    match result {
        Err(error) if fault.kind().is_timeout() && !error.is_timeout() => {
            Err(Problem::detail(format!("`is_timeout` must be true: {error}")))
        }
        _ => Ok(()),
    }
}

/// Checks that the reported credits are true, and certain if the response allows it.
fn credits(result: &SearchResult, charged: u64) -> Result<(), String> {
    let reported = match result {
        Ok(reply) => reply.credits,
        Err(error) => error.credits(),
    };
    let is_true = match reported {
        Credits::Charged(credits) => credits == charged,
        Credits::NotCharged => charged == 0,
        Credits::Uncertain => result.is_err(),
    };
    if is_true { Ok(()) } else { Err(format!("reports {reported}, but the account lost {charged}")) }
}

/// Checks that every received byte is available.
fn received(result: &SearchResult, sent: &Outcome, cap: usize) -> Result<(), String> {
    let got = match result {
        Ok(reply) => Some(reply.response()),
        Err(error) => error.response(),
    };
    let (response, body): (&Response<Bytes>, &[u8]) = match &sent.wire {
        Wire::Whole(response) | Wire::Slow(response) => {
            (response, &response.body()[..response.body().len().min(cap)])
        }
        Wire::Partial(response, at, _) => (response, &response.body()[..*at]),
        Wire::Nothing(_) | Wire::Refused => return Ok(()),
    };
    let Some(got) = got else { return Err("the response is lost".into()) };
    if got.status() != response.status() {
        return Err(format!("the status must be {}, is {}", response.status(), got.status()));
    }
    for name in response.headers().keys() {
        if values(got.headers(), name) != values(response.headers(), name) {
            return Err(format!("a value of the response's header `{name}` is lost or changed"));
        }
    }
    if matches!(sent.wire, Wire::Partial(.., End::Trickle)) {
        return trickled(got.body(), body, response.body());
    }
    if got.body() != body {
        return Err(format!(
            "{} bytes of the body were sent, and {} different ones were returned",
            body.len(),
            got.body().len()
        ));
    }
    Ok(())
}

/// Returns the values of a header. A transport may join them, except for cookies (RFC 9110, 5.3).
fn values(headers: &HeaderMap, name: &HeaderName) -> Vec<Vec<u8>> {
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if name == SET_COOKIE {
        return values.into_iter().map(<[u8]>::to_vec).collect();
    }
    vec![values.join(&b", "[..])]
}

/// Checks a body that trickles: its length within the time limit is unknown, but its bytes are known.
fn trickled(got: &[u8], least: &[u8], whole: &[u8]) -> Result<(), String> {
    let (of_body, after) = got.split_at(got.len().min(whole.len()));
    let is_expected_start = got.starts_with(least) && whole.starts_with(of_body);
    if is_expected_start && after.iter().all(u8::is_ascii_whitespace) {
        Ok(())
    } else {
        Err(format!(
            "{} bytes of the body were sent immediately, and {} different ones were returned",
            least.len(),
            got.len()
        ))
    }
}

/// Checks that neither the key nor the query is printed.
fn secrets(result: &SearchResult, transport: &dyn AnyTransport) -> Result<(), String> {
    let mut printed = format!("{transport:?} {transport:#?} {result:?} {result:#?}");
    if let Err(error) = result {
        printed.push_str(&error.to_string());
        // The transport's cause, before the core removes secrets.
        if let ErrorKind::Transport(error) = error.kind() {
            printed = format!("{printed} {} {:?}", error.cause(), error.cause());
        }
    }
    for (name, secret) in [("API key", Mock::LIVE_KEY), ("query", QUERY)] {
        if printed.contains(secret) {
            return Err(format!("the {name} is printed by `Debug` or `Display`"));
        }
    }
    Ok(())
}
