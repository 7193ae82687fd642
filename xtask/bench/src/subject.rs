//! What is counted: operations that do the same work every time.

use std::future;
use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use futures_executor::block_on;
use http::Response;
use tgscan_core::types::{Search, UserQuery};
use tgscan_core::{Api, ApiKey, Client, Ledger, Timer, async_trait, transport_fn};
use tgscan_transport_hyper::HyperTransport;

use crate::body::{SIZES, result_first, status_first};
use crate::floor::Plain;

/// An operation, ready to be done again and again.
pub type Operation = Box<dyn FnMut()>;

/// The names of all operations that are counted; decoding once per size.
pub fn names() -> Vec<String> {
    let decode = |groups| ["", "-plain", "-result-first"].map(|how| format!("decode-{groups}{how}"));
    let calls = ["build", "call", "client-clone"].map(str::to_owned);
    calls.into_iter().chain(SIZES.into_iter().flat_map(decode)).collect()
}

/// The operation with this name; only that one is set up.
pub fn by_name(name: &str) -> Option<Operation> {
    match name {
        "build" => return Some(build()),
        "call" => return Some(call()),
        "client-clone" => return Some(client_clone()),
        _ => {}
    }
    let (groups, how) = match name.strip_prefix("decode-")?.split_once('-') {
        Some((groups, how)) => (groups, how),
        None => (name.strip_prefix("decode-")?, ""),
    };
    let groups = groups.parse().ok()?;
    match how {
        "" => Some(decode(status_first(groups))),
        "plain" => Some(decode_plain(status_first(groups))),
        "result-first" => Some(decode(result_first(groups))),
        _ => None,
    }
}

/// The account in whose name requests are built.
pub fn api() -> Api {
    // A cap, so that the ledger does all that it can do.
    let key = ApiKey::live("0123456789abcdef0123456789abcdef").expect("a legal key");
    Api::new(key).with_ledger(Ledger::new().with_cap(u64::MAX))
}

/// A typical query.
pub fn query() -> UserQuery {
    "some_username".parse().expect("a legal username")
}

/// Builds a request.
pub fn build() -> Operation {
    let (api, search) = (api(), Search { query: query() });
    Box::new(move || drop(black_box(api.request(black_box(&search)))))
}

/// Reads a response with this SDK.
pub fn decode(body: Bytes) -> Operation {
    let (api, search) = (api(), Search { query: query() });
    Box::new(move || {
        let reply = api.parse(&search, Response::new(black_box(body.clone())));
        drop(black_box(reply.expect("the answer fits")));
    })
}

/// Reads the same body into the same types with plain serde.
pub fn decode_plain(body: Bytes) -> Operation {
    // Unused, but held: the allocator takes its own ways, and they depend on what else lies in the heap.
    let beside = (api(), query());
    Box::new(move || {
        black_box(&beside);
        drop(black_box(serde_json::from_slice::<Plain>(black_box(&body)).expect("the answer fits")));
    })
}

/// A whole call of the SDK with its ledger and retry, over a transport that only hands over a small answer.
pub fn call() -> Operation {
    let body = status_first(SIZES[0]);
    let transport = transport_fn(move |request| {
        drop(black_box(request));
        future::ready(Ok(Response::new(body.clone())))
    });
    let (client, query) = (Client::new(api(), transport).with_timer(Still), query());
    Box::new(move || drop(black_box(block_on(client.search(query.clone())).expect("the answer fits"))))
}

/// Clones a client of the real transport, and drops the clone.
pub fn client_clone() -> Operation {
    let client = HyperTransport::builder().build().expect("legal settings").client(api());
    Box::new(move || drop(black_box(client.clone())))
}

/// Time that stands still: lets the client retry, which nothing here makes it do.
struct Still;

#[async_trait]
impl Timer for Still {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _duration: Duration) {}
}
