//! Suite `call`: a search over loopback, from the query to the typed answer.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use tgscan_core::{Api, ApiKey};
use tgscan_transport_hyper::HyperTransport;

use super::load::{self, Caller};
use super::profile::{self, Shares};
use super::race::Pace;
use super::report::{Report, Table};
use super::server::{self, Server};
use super::{counted, peers};
use crate::body::{SIZES, status_first};
use crate::floor::Plain;
use crate::subject;
use crate::whole::decode;

const PATH: &str = "/tgscan/v1/search";
const KEY: &str = "0123456789abcdef0123456789abcdef";
const FORM: [(&str, &str); 1] = [("query", "some_username")];
const AT_ONCE: [usize; 2] = [1, 64];

const SDK: &str = "this SDK, typed";
const REQWEST: &str = "reqwest, typed";

pub(super) fn run(pace: Pace) -> Result<Report, String> {
    let mut report = Report::new(Vec::new());
    if let Some((table, by_crate)) = whole_call()? {
        let share = (table.first(SDK) - table.first("hyper-util by hand, decoded alike"))
            / table.first("hyper-util by hand, bytes only");
        report.at_most(
            "the SDK's own share of instructions above hyper-util by hand, decoding excluded",
            share,
            0.1,
        );
        let ratio = table.first(SDK) / table.first(REQWEST);
        report.at_most("instructions of a call over HTTP/1.1, to reqwest's", ratio, 0.6);
        report.tables.extend([table, by_crate]);
    }
    let body = status_first(SIZES[0]);
    let (plain, tls) = (server::least(&body), server::least_http2(body));
    for (protocol, server, least) in [("HTTP/1.1", &plain, 1.35), ("HTTP/2 over TLS", &tls, 1.2)] {
        for at_once in AT_ONCE {
            // Connections belong to a runtime, so each race has its own.
            let runtime = load::runtime();
            let callers = runtime.block_on(callers(server, at_once));
            let rates = load::race(&runtime, &callers, at_once, pace);
            let columns = ["calls/s", "µs of the client's CPU per call", "part of it in the system"];
            let mut table = Table::new(format!("call, {protocol}, {at_once} at once"), &columns);
            for ((name, _), rate) in callers.iter().zip(rates) {
                table.add(*name, vec![Some(rate.per_second), Some(rate.cpu), Some(rate.in_system)]);
            }
            if at_once > 1 {
                let what = format!("calls per second over {protocol}, {at_once} at once, to reqwest's");
                report.at_least(what, table.first(SDK) / table.first(REQWEST), least);
            }
            report.tables.push(table);
        }
    }
    Ok(report)
}

/// One call at a time over HTTP/1.1, counted: no load of the machine can move these. Then where two of them go. `None`
/// without valgrind.
fn whole_call() -> Result<Option<(Table, Table)>, String> {
    let mut table =
        Table::new("call, HTTP/1.1, counted in the client alone", &["instructions", "allocations"]);
    if !counted::has_valgrind() {
        eprintln!("  valgrind is not installed, so instructions of calls are NOT counted");
        return Ok(None);
    }
    let allocations = counted::allocations()?;
    let (mut ours, mut reqwests) = (Shares::new(), Shares::new());
    for (name, subject) in [
        ("hyper-util by hand, bytes only", "whole-by-hand"),
        ("hyper-util by hand, all parsed once, bytes only", "whole-by-hand-parsed-once"),
        ("hyper-util, one request cloned, bytes only", "whole-pool"),
        ("hyper-util by hand, decoded alike", "whole-by-hand-decoded"),
        (SDK, "whole-call"),
        (REQWEST, "whole-reqwest"),
        ("reqwest, Value", "whole-reqwest-value"),
        ("ureq, typed", "whole-ureq"),
    ] {
        eprintln!("  counting instructions: {name} …");
        let by_crate = counted::instructions_by_crate(subject)?;
        table.add(name, vec![Some(by_crate.values().sum()), allocations.get(subject).copied()]);
        match name {
            SDK => ours = by_crate,
            REQWEST => reqwests = by_crate,
            _ => {}
        }
    }
    let title = "call, HTTP/1.1, instructions by the crate that they stand in";
    Ok(Some((table, profile::beside(title, [SDK, REQWEST], [&ours, &reqwests]))))
}

/// The first is what all are compared with: the same pool that the SDK uses.
async fn callers(server: &Server, at_once: usize) -> Vec<(&'static str, Caller)> {
    let url = format!("{}{PATH}", server.url);
    let mut callers = vec![
        ("hyper-util pooled, bytes only", peers::pooled(server, request(&url), drop)),
        (
            "hyper-util pooled, one request cloned, decoded alike",
            peers::pooled(server, request(&url), decode),
        ),
        ("raw hyper, bytes only", peers::raw(server, &request(&url), at_once).await),
        (SDK, sdk(server)),
        (REQWEST, reqwest_typed(server, &url)),
        ("reqwest, Value", reqwest_value(server, &url)),
    ];
    // It speaks HTTP/1.1 only.
    if server.ca_pem.is_none() {
        callers.push(("ureq, typed, one thread each", ureq_typed(&url)));
    }
    callers
}

/// A request that is made already.
fn request(url: &str) -> Request<Bytes> {
    Request::post(url)
        .header("api-key", KEY)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from_static(b"query=some_username"))
        .expect("all parts are legal")
}

fn sdk(server: &Server) -> Caller {
    let api = Api::with_base_url(&server.url, ApiKey::live(KEY).expect("a legal key")).expect("a legal URL");
    let mut transport = HyperTransport::builder();
    if let Some(pem) = &server.ca_pem {
        transport = transport.extra_roots_pem(pem.clone());
    }
    let (client, query) = (transport.build().expect("legal settings").client(api), subject::query());
    Caller::future(move || {
        let (client, query) = (client.clone(), query.clone());
        async move { drop(client.search(query).await.expect("a call")) }
    })
}

fn reqwest_client(server: &Server) -> reqwest::Client {
    let mut client = reqwest::Client::builder();
    if let Some(pem) = &server.ca_pem {
        let certificate = reqwest::Certificate::from_pem(pem.as_bytes()).expect("a certificate");
        client = client.tls_certs_only([certificate]);
    }
    client.build().expect("legal settings")
}

fn reqwest_typed(server: &Server, url: &str) -> Caller {
    let (client, url) = (reqwest_client(server), Arc::<str>::from(url));
    Caller::future(move || {
        let (client, url) = (client.clone(), url.clone());
        async move {
            let response = client.post(&*url).header("Api-Key", KEY).form(&FORM).send().await;
            drop(response.expect("a call").json::<Plain>().await.expect("an answer"));
        }
    })
}

fn reqwest_value(server: &Server, url: &str) -> Caller {
    let (client, url) = (reqwest_client(server), Arc::<str>::from(url));
    Caller::future(move || {
        let (client, url) = (client.clone(), url.clone());
        async move {
            let response = client.post(&*url).header("Api-Key", KEY).form(&FORM).send().await;
            let value: serde_json::Value = response.expect("a call").json().await.expect("an answer");
            drop(serde_json::from_value::<Plain>(value).expect("it fits"));
        }
    })
}

fn ureq_typed(url: &str) -> Caller {
    // As many idle connections as threads, or it would connect anew.
    let config = ureq::Agent::config_builder().max_idle_connections(64).max_idle_connections_per_host(64);
    let (agent, url) = (ureq::Agent::from(config.build()), url.to_owned());
    Caller::Blocking(Arc::new(move || {
        let mut response = agent.post(&url).header("Api-Key", KEY).send_form(FORM).expect("a call");
        drop(response.body_mut().read_json::<Plain>().expect("an answer"));
    }))
}
