//! Operations without I/O.

use std::future;
use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use futures_executor::block_on;
use http::Response;
use tgscan_core::types::Search;
use tgscan_core::{Api, ApiKey, Client, Reserve, Timer, async_trait, transport_fn};
use tgscan_transport_hyper::HyperTransport;

use crate::body::{Plain, SIZES, result_first, status_first};
use crate::common::{KEY, Operation, query};

/// Returns the operation with this name, e.g. `build` or `decode-100-plain`.
pub(crate) fn by_name(name: &str) -> Option<Operation> {
    match name {
        "build" => return Some(build()),
        "call" => return Some(call()),
        "client-clone" => return Some(client_clone()),
        _ => {}
    }
    let size = name.strip_prefix("decode-")?;
    let (groups, how) = size.split_once('-').unwrap_or((size, ""));
    let groups = groups.parse().ok()?;
    match how {
        "" => Some(decode(status_first(groups))),
        "plain" => Some(decode_plain(status_first(groups))),
        "result-first" => Some(decode(result_first(groups))),
        _ => None,
    }
}

/// Returns an API with a cap, so that the ledger does all its work.
pub fn api() -> Api {
    let key = ApiKey::live(KEY).expect("a legal key");
    Api::new(key).with_cap(u64::MAX, Reserve::PerCall(1))
}

pub fn build() -> Operation {
    let (api, search) = (api(), Search { query: query() });
    Box::new(move || drop(black_box(api.request(black_box(&search)))))
}

pub fn decode(body: Bytes) -> Operation {
    let (api, search) = (api(), Search { query: query() });
    Box::new(move || {
        let reply = api.parse(&search, Response::new(black_box(body.clone())));
        drop(black_box(reply.expect("the answer fits")));
    })
}

/// Decodes the same body into the same types with plain serde.
pub fn decode_plain(body: Bytes) -> Operation {
    // Unused, but the allocator's instructions depend on the contents of the heap.
    let heap = (api(), query());
    Box::new(move || {
        black_box(&heap);
        drop(black_box(serde_json::from_slice::<Plain>(black_box(&body)).expect("the answer fits")));
    })
}

/// Makes a whole call with ledger and retry, over a transport that returns a small answer.
fn call() -> Operation {
    let body = status_first(SIZES[0]);
    let transport = transport_fn(move |request| {
        drop(black_box(request));
        future::ready(Ok(Response::new(body.clone())))
    });
    let (client, query) = (Client::new(api(), transport, FrozenTimer), query());
    Box::new(move || drop(black_box(block_on(client.search(query.clone())).expect("the answer fits"))))
}

fn client_clone() -> Operation {
    let client = HyperTransport::builder().build().expect("legal settings").client(api());
    Box::new(move || drop(black_box(client.clone())))
}

/// Enables retries, which no call triggers.
struct FrozenTimer;

#[async_trait]
impl Timer for FrozenTimer {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _duration: Duration) {}
}
