//! Rules about more than one fault.

use std::time::Duration;

use futures_util::future::join_all;
use http::HeaderValue;
use tgscan_core::transport::{Delivery, SendBy};
use tgscan_core::types::{GroupQuery, Search, SimilarGroups, UserQuery};

#[cfg(feature = "tls")]
use super::Scheme;
use super::clock::{pause, until, within};
use super::faults::query;
use super::report::{Problem, Report};
use super::{Bench, CALL_LIMIT, MANY_CALLS_LIMIT, Make, Setup};
use crate::engine::redact::REDACTED;
use crate::server::ContentCoding;
use crate::{FaultKind, Mock, RecordedRequest};

pub(super) async fn run(setup: Setup, make: &Make<'_>, report: &mut Report) {
    let bench = || Bench::new(setup, make);
    if setup.coding == ContentCoding::Gzip {
        report.add("answers are compressed", on(bench(), compressed).await);
    }
    report.add("headers and body arrive as they were built", on(bench(), arrives_intact).await);
    report.add("a list of names arrives as it was encoded", on(bench(), names_arrive_encoded).await);
    let many = Bench::new(Setup { time_limit: MANY_CALLS_LIMIT, ..setup }, make);
    report.add("64 concurrent calls get their own answers", on(many, concurrent_calls).await);
    report.add("a connection closed while idle costs no call twice", on(bench(), stale_connection).await);
    report.add("a request whose time has passed is not sent", on(bench(), sent_in_time).await);
    report.add("dropping the future ends the request", on(bench(), dropped).await);
    #[cfg(feature = "tls")]
    if setup.scheme == Scheme::Https {
        report.add(
            "an untrusted server gets no request",
            on(Bench::with_other_authority(setup, make), untrusted).await,
        );
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Runs one rule on a new bench, with a limit above that of the transport.
async fn on(
    bench: Result<Bench, String>,
    rule: impl AsyncFn(Bench) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let bench = bench?;
    let limit = bench.endpoint.time_limit * 2;
    match within(limit, rule(bench)).await {
        Some(result) => result,
        None => Err(format!("did not end within {limit:?}").into()),
    }
}

async fn compressed(bench: Bench) -> Result<(), Problem> {
    bench.client(bench.api()).search(query()).await.map_err(text)?;
    let arrived = bench.arrived()?;
    match ContentCoding::Gzip.accepted_by(&arrived.headers) {
        ContentCoding::Identity => {
            Err("the answer was not compressed: set the transport to accept gzip".into())
        }
        ContentCoding::Gzip => Ok(()),
    }
}

/// Headers that a transport adds: those of the connection, and its name.
const OF_THE_CONNECTION: [&str; 7] =
    ["accept-encoding", "connection", "content-length", "host", "te", "transfer-encoding", "user-agent"];

async fn arrives_intact(bench: Bench) -> Result<(), Problem> {
    // Mixed case, which a transport must not change.
    let query: UserQuery = "Mixed_Case_Name".parse().map_err(text)?;
    let mut request = bench.api().request(&Search { query });
    request.headers_mut().append("x-twice", HeaderValue::from_static("one"));
    request.headers_mut().append("x-twice", HeaderValue::from_static("two, three"));
    let (sent, form) = (request.headers().clone(), request.body().clone());
    let response = bench.transport.send(request).await.map_err(text)?;
    if response.status() != 200 {
        return Err(format!(
            "the request was refused, so its key or body was changed: {}",
            response.status()
        )
        .into());
    }
    let arrived = bench.arrived()?;
    check_body(&arrived, &form)?;
    if arrived.url_query.is_some() {
        return Err("the URL was changed, and logs store URLs".into());
    }
    // Over HTTP/2, the host is not a header.
    let host = arrived.headers.get("host").map(HeaderValue::as_bytes);
    if host.is_some_and(|host| Some(host) != bench.endpoint.url.split("//").nth(1).map(str::as_bytes)) {
        return Err("the header `host` names another host".into());
    }
    let values = |headers: &http::HeaderMap, name: &http::HeaderName| {
        headers.get_all(name).iter().cloned().collect::<Vec<_>>()
    };
    for (name, value) in &arrived.headers {
        let holds = |secret: &[u8]| value.as_bytes().windows(secret.len()).any(|part| part == secret);
        // The record keeps a key that is a part of a word.
        if holds(REDACTED.as_bytes()) || holds(Mock::LIVE_KEY.as_bytes()) || holds(b"Mixed_Case_Name") {
            return Err(format!("the API key or the query is copied into the header `{name}`").into());
        }
        if !sent.contains_key(name) && !OF_THE_CONNECTION.contains(&name.as_str()) {
            return Err(format!("the header `{name}` was added without the core's knowledge").into());
        }
    }
    for name in sent.keys().filter(|name| *name != "api-key") {
        if values(&arrived.headers, name) != values(&sent, name) {
            return Err(Problem::detail(format!("the request's header `{name}` is lost or changed")));
        }
    }
    Ok(())
}

/// Compares bytes: the mock reads a form in any encoding, and the service may not.
fn check_body(arrived: &RecordedRequest, sent: &[u8]) -> Result<(), Problem> {
    if arrived.form.as_bytes() != sent {
        return Err("the request's body is changed".into());
    }
    if arrived.body.is_some() {
        return Err("the request's body is re-encoded; send its bytes as they are".into());
    }
    Ok(())
}

async fn names_arrive_encoded(bench: Bench) -> Result<(), Problem> {
    let query: GroupQuery = "First_Name,Second_Name".parse().map_err(text)?;
    let request = bench.api().request(&SimilarGroups { query });
    let form = request.body().clone();
    bench.transport.send(request).await.map_err(text)?;
    check_body(&bench.arrived()?, &form)
}

async fn concurrent_calls(bench: Bench) -> Result<(), Problem> {
    let client = bench.client(bench.api());
    let calls = (0..64).map(|number| {
        let client = client.clone();
        async move {
            let name = format!("User_{number}");
            let query: UserQuery = name.parse().map_err(text)?;
            let reply = client.search(query).await.map_err(text)?;
            if reply.answer.meta.search_query == name {
                Ok(())
            } else {
                Err("got another call's answer".to_owned())
            }
        }
    });
    join_all(calls).await.into_iter().collect::<Result<Vec<()>, String>>()?;
    match bench.mock.requests().len() {
        64 => Ok(()),
        count => Err(format!("64 calls sent {count} requests").into()),
    }
}

async fn stale_connection(bench: Bench) -> Result<(), Problem> {
    let client = bench.client(bench.api());
    client.search(query()).await.map_err(text)?;
    bench.server.close_connections();
    // The connection was closed some time ago, so that the client could notice it.
    pause(Duration::from_millis(100)).await;
    let result = client.search(query()).await;
    let arrived = bench.mock.requests().len() - 1;
    match result {
        Ok(_) if arrived == 1 => Ok(()),
        Ok(_) => Err(format!("the second call arrived {arrived} times").into()),
        Err(error) if error.delivery() == Some(Delivery::NeverSent) && arrived == 0 => Ok(()),
        Err(error) => Err(format!(
            "must be a reply or \"never sent\"; the second call arrived {arrived} times: {error}"
        )
        .into()),
    }
}

async fn sent_in_time(bench: Bench) -> Result<(), Problem> {
    let mut request = bench.api().request(&Search { query: query() });
    request.extensions_mut().insert(SendBy::new(|| true));
    let result = bench.transport.send(request).await;
    match (result, bench.mock.requests().len()) {
        (Err(error), 0) if error.delivery() == Delivery::NeverSent => Ok(()),
        (Err(error), 0) => Err(format!("must be \"never sent\": {error}").into()),
        _ => Err("the request was sent although its `SendBy` had passed".into()),
    }
}

async fn dropped(bench: Bench) -> Result<(), Problem> {
    let client = bench.client(bench.api());
    let mock: &Mock = &bench.mock;
    mock.script::<Search>([FaultKind::Stall]);
    let mut call = Box::pin(client.search(query()));
    // Polls the call until the server has received its request, which it never answers.
    let arrived = until(CALL_LIMIT, || !mock.requests().is_empty());
    tokio::select! {
        // A transport without sockets can reach the time limit immediately; then there is nothing to drop.
        Err(error) = &mut call => if !error.is_timeout() { return Err(format!("the call ended too early: {error}").into()) },
        arrived = arrived => if !arrived { return Err("no request arrived".into()) },
    }
    drop(call);
    // Well below the time limit, at which the request would end in any case.
    let is_ended = until(bench.endpoint.time_limit / 2, || bench.server.requests_in_flight() == 0).await;
    if is_ended { Ok(()) } else { Err("the request and its connection are still open".into()) }
}

#[cfg(feature = "tls")]
async fn untrusted(bench: Bench) -> Result<(), Problem> {
    let result = bench.client(bench.api()).search(query()).await;
    if !bench.mock.requests().is_empty() {
        return Err("the request and its API key went to a server that is not trusted".into());
    }
    match result {
        Err(error) if error.delivery() == Some(Delivery::NeverSent) => Ok(()),
        Err(error) => Err(format!("must be \"never sent\": {error}").into()),
        Ok(_) => Err("a reply came from another server".into()),
    }
}
