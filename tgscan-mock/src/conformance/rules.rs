//! The rules that are not about one fault.

use std::fmt;
use std::time::Duration;

use futures_util::future::join_all;
use http::HeaderValue;
use tgscan_core::types::{GroupQuery, Search, SimilarGroups, UserQuery};
use tgscan_core::{Api, Transport, transport::Delivery};

#[cfg(feature = "tls")]
use super::Scheme;
use super::clock::{pause, until, within};
use super::faults::query;
use super::report::{Problem, Report};
use super::{Bench, Endpoint, PATIENCE, Wiring};
use crate::{FaultKind, Mock, RecordedRequest};

pub(super) async fn run<T, F>(wiring: Wiring, make: &F, report: &mut Report)
where
    T: Transport + fmt::Debug + 'static,
    F: Fn(&Endpoint) -> T,
{
    let bench = || Bench::new(wiring, make);
    #[cfg(feature = "gzip")]
    if wiring.coding == crate::server::Coding::Gzip {
        report.add("answers come compressed", on(bench(), compressed).await);
    }
    report.add("headers and body arrive as they were built", on(bench(), arrives_intact).await);
    report.add("a list of names arrives as it was encoded", on(bench(), names_arrive_encoded).await);
    report.add("64 calls at once get their own answers", on(bench(), many_at_once).await);
    report.add("a connection closed while idle costs no call twice", on(bench(), stale_connection).await);
    report.add("dropping the future ends the request", on(bench(), dropped).await);
    #[cfg(feature = "tls")]
    if wiring.scheme == Scheme::Https {
        report.add(
            "an untrusted server gets no request",
            on(Bench::of_strangers(wiring, make), untrusted).await,
        );
    }
}

/// Runs one rule on a fresh bench, with the suite's patience.
async fn on<T, Rule>(bench: Result<Bench<T>, String>, rule: Rule) -> Result<(), Problem>
where
    Rule: AsyncFn(Bench<T>) -> Result<(), Problem>,
{
    match within(PATIENCE, rule(bench?)).await {
        Some(result) => result,
        None => Err(format!("did not end within {PATIENCE:?}").into()),
    }
}

#[cfg(feature = "gzip")]
async fn compressed<T: Transport + fmt::Debug + 'static>(bench: Bench<T>) -> Result<(), Problem> {
    bench.client().search(query()).await.map_err(|error| error.to_string())?;
    match bench.server.compressed_answers() {
        0 => Err("the answer went uncompressed: set the transport so that it asks for gzip".into()),
        _ => Ok(()),
    }
}

/// Headers that a transport adds by itself: those of the connection, and its own name.
const OF_THE_CONNECTION: [&str; 7] =
    ["accept-encoding", "connection", "content-length", "host", "te", "transfer-encoding", "user-agent"];

async fn arrives_intact<T: Transport + fmt::Debug + 'static>(bench: Bench<T>) -> Result<(), Problem> {
    let api =
        Api::with_base_url(&bench.endpoint.url, bench.mock.live_key()).map_err(|error| error.to_string())?;
    // Of mixed case, which a transport has no reason to change.
    let query: UserQuery = "Mixed_Case_Name".parse().map_err(|error| format!("{error}"))?;
    let mut request = api.request(&Search { query });
    request.headers_mut().append("x-twice", HeaderValue::from_static("one"));
    request.headers_mut().append("x-twice", HeaderValue::from_static("two, three"));
    let (sent, form) = (request.headers().clone(), request.body().clone());
    let response = bench.transport.send(request).await.map_err(|error| error.to_string())?;
    if response.status() != 200 {
        return Err(format!(
            "the request was refused, so its key or body was changed: {}",
            response.status()
        )
        .into());
    }
    let arrived = bench.mock.requests().pop().ok_or("no request arrived")?;
    check_body(&arrived, &form)?;
    if arrived.url_query.is_some() {
        return Err("something is added to the URL, which logs keep".into());
    }
    let values = |headers: &http::HeaderMap, name: &http::HeaderName| {
        headers.get_all(name).iter().cloned().collect::<Vec<_>>()
    };
    for (name, value) in &arrived.headers {
        let holds = |secret: &[u8]| value.as_bytes().windows(secret.len()).any(|part| part == secret);
        if holds(Mock::LIVE_KEY.as_bytes()) || holds(b"Mixed_Case_Name") {
            return Err(format!("the API key or the query is copied into the header `{name}`").into());
        }
        if !sent.contains_key(name) && !OF_THE_CONNECTION.contains(&name.as_str()) {
            return Err(format!("the header `{name}` is added, of which the core knows nothing").into());
        }
    }
    for name in sent.keys().filter(|name| *name != "api-key") {
        if values(&arrived.headers, name) != values(&sent, name) {
            return Err(Problem::detail(format!("the request's header `{name}` is lost or changed")));
        }
    }
    Ok(())
}

/// Byte by byte: the mock reads a form however it is encoded, and the service may not.
fn check_body(arrived: &RecordedRequest, sent: &[u8]) -> Result<(), Problem> {
    if arrived.form.as_bytes() != sent {
        return Err("the request's body is changed".into());
    }
    if !arrived.is_exact {
        return Err("the request's body is re-encoded; send its bytes as they are".into());
    }
    Ok(())
}

async fn names_arrive_encoded<T: Transport + fmt::Debug + 'static>(bench: Bench<T>) -> Result<(), Problem> {
    let api =
        Api::with_base_url(&bench.endpoint.url, bench.mock.live_key()).map_err(|error| error.to_string())?;
    let query: GroupQuery = "First_Name,Second_Name".parse().map_err(|error| format!("{error}"))?;
    let request = api.request(&SimilarGroups { query });
    let form = request.body().clone();
    bench.transport.send(request).await.map_err(|error| error.to_string())?;
    check_body(&bench.mock.requests().pop().ok_or("no request arrived")?, &form)
}

async fn many_at_once<T: Transport + fmt::Debug + 'static>(bench: Bench<T>) -> Result<(), Problem> {
    let client = bench.client();
    let calls = (0..64).map(|number| {
        let client = client.clone();
        async move {
            let name = format!("User_{number}");
            let query: UserQuery = name.parse().map_err(|error| format!("{error}"))?;
            let reply = client.search(query).await.map_err(|error| error.to_string())?;
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

async fn stale_connection<T: Transport + fmt::Debug + 'static>(bench: Bench<T>) -> Result<(), Problem> {
    let client = bench.client();
    client.search(query()).await.map_err(|error| error.to_string())?;
    bench.server.close_connections();
    // The case is a connection that was closed some time ago: the client's side has had time to see it.
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

async fn dropped<T: Transport + fmt::Debug + 'static>(bench: Bench<T>) -> Result<(), Problem> {
    let client = bench.client();
    let mock: &Mock = &bench.mock;
    mock.script::<Search>([FaultKind::Stall]);
    let mut call = Box::pin(client.search(query()));
    // Drives the call until the server has its request, which it never answers.
    let arrived = until(PATIENCE, || !mock.requests().is_empty());
    tokio::select! {
        // A transport without sockets may let the time limit pass at once; then there is nothing to drop.
        Err(error) = &mut call => if !error.is_timeout() { return Err(format!("the call ended too early: {error}").into()) },
        arrived = arrived => if !arrived { return Err("no request arrived".into()) },
    }
    drop(call);
    // Well below the time limit, by which the request would end anyway.
    let is_ended = until(bench.endpoint.time_limit / 2, || bench.server.requests_in_flight() == 0).await;
    if is_ended { Ok(()) } else { Err("the server still holds the request and its connection".into()) }
}

#[cfg(feature = "tls")]
async fn untrusted<T: Transport + fmt::Debug + 'static>(bench: Bench<T>) -> Result<(), Problem> {
    let result = bench.client().search(query()).await;
    if !bench.mock.requests().is_empty() {
        return Err("the request and its API key went to a server that is not trusted".into());
    }
    match result {
        Err(error) if error.delivery() == Some(Delivery::NeverSent) => Ok(()),
        Err(error) => Err(format!("must be \"never sent\": {error}").into()),
        Ok(_) => Err("a reply came from elsewhere".into()),
    }
}
