//! What a person writes by hand over hyper-util's pooled client, who needs nothing of what the SDK adds: no limits of
//! time and size, no retry, no ledger, nothing said about delivery, no `User-Agent`.
//!
//! Each call builds its request (method, URI, headers, form body through `form_urlencoded`), sends it, checks the
//! status and collects the body. The pool has hyper-util's own defaults, over the connector of hyper-rustls, with
//! `http` allowed. There are two such persons: one writes URI and headers as texts, as the examples of hyper and
//! hyper-util do, so that they are parsed with each call; the other parses them when the program starts.

use std::hint::black_box;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};

use tgscan_core::types::{Envelope, SearchAnswer};

use super::{KEY, PATH, runtime};
use crate::subject::Operation;

type Pool = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// hyper-util's pool over TLS where the URL asks for it, as it stands in hyper-rustls' documentation.
fn pool() -> Pool {
    let tls = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions().build();
    Client::builder(TokioExecutor::new()).build(connector)
}

/// Sends, and collects the body.
async fn send(pool: &Pool, request: Request<Full<Bytes>>) -> Bytes {
    let response = pool.request(request).await.expect("a response");
    assert!(response.status().is_success(), "the server answered {}", response.status());
    response.into_body().collect().await.expect("a body").to_bytes()
}

fn form(query: &str) -> Full<Bytes> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", query);
    Full::new(Bytes::from(form.finish()))
}

/// Whoever writes texts.
pub(super) fn texts(url: &str, read: impl Fn(Bytes) + 'static) -> Operation {
    let url = format!("{url}{PATH}");
    calls(read, move || {
        Request::post(&url)
            .header("Api-Key", black_box(KEY))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Accept", "application/json")
            .body(form(black_box("some_username")))
            .expect("all parts are legal")
    })
}

/// Whoever parses URI and header values once, and clones them for each call.
pub(super) fn parsed(url: &str, read: impl Fn(Bytes) + 'static) -> Operation {
    let uri: Uri = format!("{url}{PATH}").parse().expect("a legal URL");
    let name = HeaderName::from_static("api-key");
    let mut key = HeaderValue::from_static(KEY);
    key.set_sensitive(true);
    calls(read, move || {
        Request::post(uri.clone())
            .header(name.clone(), key.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .body(form(black_box("some_username")))
            .expect("all parts are legal")
    })
}

/// No person: one request that was made when the program started, and is cloned. What the pool itself costs.
pub(super) fn ready(url: &str) -> Operation {
    let request = Request::post(format!("{url}{PATH}"))
        .header("api-key", KEY)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(form("some_username"))
        .expect("all parts are legal");
    calls(drop, move || request.clone())
}

fn calls(read: impl Fn(Bytes) + 'static, request: impl Fn() -> Request<Full<Bytes>> + 'static) -> Operation {
    let (pool, runtime) = (pool(), runtime());
    Box::new(move || read(black_box(runtime.block_on(async { send(&pool, request()).await }))))
}

/// Decodes with the SDK's own decoder, so that a comparison leaves decoding out.
pub fn decode(body: Bytes) {
    let text = std::str::from_utf8(&body).expect("it is text");
    let envelope: Envelope<SearchAnswer> = serde_json::from_str(text).expect("it fits");
    drop(black_box((envelope, body)));
}
