//! Whole calls over a socket: by the SDK, by hyper-util's pooled client, and over one connection of hyper.
//!
//! The pooled client builds an ordinary request for each call (method, URI, headers, form body), uses the pool with its defaults
//! over hyper-rustls, checks the status and collects the body. It has no size limit, timeout, retry, ledger, delivery state or
//! `User-Agent`. Of its two versions, one parses URI and headers for each call, as hyper-util's examples do; the other parses
//! them once.

use std::hint::black_box;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use tgscan_core::types::{Envelope, SearchAnswer};
use tgscan_core::{Api, ApiKey, Reserve};
use tgscan_transport_hyper::HyperTransport;
use tokio::net::TcpStream;

use crate::common::{KEY, Operation, PATH, query, runtime};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

type Pool = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Returns the operation with this name, which calls the server at `url`.
pub(crate) fn by_name(name: &str, url: &str) -> Option<Operation> {
    Some(match name {
        "whole-call" => sdk(url),
        "whole-raw" => raw(url, drop),
        "whole-raw-decoded" => raw(url, decode),
        "whole-pooled" => pooled(url, drop),
        "whole-pooled-decoded" => pooled(url, decode),
        "whole-pooled-parsed-once" => parsed_once(url, drop),
        "whole-pooled-parsed-once-decoded" => parsed_once(url, decode),
        #[cfg(feature = "peers")]
        _ => return crate::peers::clients::by_name(name, url),
        #[cfg(not(feature = "peers"))]
        _ => return None,
    })
}

/// Decodes with the SDK's decoder, so that a comparison excludes decoding.
pub fn decode(body: Bytes) {
    let text = std::str::from_utf8(&body).expect("it is text");
    let envelope: Envelope<SearchAnswer> = serde_json::from_str(text).expect("it fits");
    drop(black_box((envelope, body)));
}

fn sdk(url: &str) -> Operation {
    let key = ApiKey::live(KEY).expect("a legal key");
    let api = Api::with_base_url(url, key).expect("a legal URL");
    let api = api.with_cap(u64::MAX, Reserve::PerCall(1));
    let client = HyperTransport::builder().build().expect("legal settings").client(api);
    let (runtime, query) = (runtime(), query());
    Box::new(move || {
        let query = query.clone();
        runtime.block_on(async { drop(client.search(query).await.expect("an answer")) });
    })
}

fn pooled(url: &str, read: impl Fn(Bytes) + 'static) -> Operation {
    let url = format!("{url}{PATH}");
    calls(read, move || plain_request(&url))
}

/// Builds a request with the http crate, parsing URI and headers.
pub fn plain_request(url: &str) -> Request<Full<Bytes>> {
    Request::post(url)
        .header("Api-Key", black_box(KEY))
        .header("Content-Type", FORM)
        .header("Accept", JSON)
        .body(form(black_box("some_username")))
        .expect("all parts are legal")
}

fn parsed_once(url: &str, read: impl Fn(Bytes) + 'static) -> Operation {
    let uri: Uri = format!("{url}{PATH}").parse().expect("a legal URL");
    let name = HeaderName::from_static("api-key");
    let mut key = HeaderValue::from_static(KEY);
    key.set_sensitive(true);
    calls(read, move || {
        Request::post(uri.clone())
            .header(name.clone(), key.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static(FORM))
            .header(ACCEPT, HeaderValue::from_static(JSON))
            .body(form(black_box("some_username")))
            .expect("all parts are legal")
    })
}

/// Sends clones of one request over one connection.
fn raw(url: &str, read: impl Fn(Bytes) + 'static) -> Operation {
    let runtime = runtime();
    let authority = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let request = Request::post(PATH)
        .header(HOST, &authority)
        .header("api-key", KEY)
        .header(CONTENT_TYPE, FORM)
        .header(ACCEPT, JSON)
        .body(form("some_username"))
        .expect("all parts are legal");
    let mut sender = runtime.block_on(async {
        let socket = TcpStream::connect(authority).await.expect("the server listens");
        socket.set_nodelay(true).expect("TCP has this");
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.expect("a connection");
        tokio::spawn(connection);
        sender
    });
    Box::new(move || {
        let body = runtime.block_on(async {
            sender.ready().await.expect("a connection");
            let response = sender.send_request(request.clone()).await.expect("a response");
            assert!(response.status().is_success(), "the server answered {}", response.status());
            response.into_body().collect().await.expect("a body").to_bytes()
        });
        read(black_box(body));
    })
}

fn form(query: &str) -> Full<Bytes> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", query);
    Full::new(Bytes::from(form.finish()))
}

fn calls(read: impl Fn(Bytes) + 'static, request: impl Fn() -> Request<Full<Bytes>> + 'static) -> Operation {
    let (pool, runtime) = (pool(), runtime());
    Box::new(move || read(black_box(runtime.block_on(async { send(&pool, request()).await }))))
}

fn pool() -> Pool {
    let tls = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions().build();
    Client::builder(TokioExecutor::new()).build(connector)
}

async fn send(pool: &Pool, request: Request<Full<Bytes>>) -> Bytes {
    let response = pool.request(request).await.expect("a response");
    assert!(response.status().is_success(), "the server answered {}", response.status());
    response.into_body().collect().await.expect("a body").to_bytes()
}
