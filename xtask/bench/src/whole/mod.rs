//! Whole calls over a socket: every instruction and allocation of the client, and none of the server's.

mod by_hand;
#[cfg(feature = "peers")]
mod peers;
pub mod server;

pub use by_hand::decode;
use tgscan_core::{Api, ApiKey, Ledger};
use tgscan_transport_hyper::HyperTransport;
use tokio::runtime::Runtime;

use crate::subject::{Operation, query};

/// The path of the method that is called.
pub const PATH: &str = "/tgscan/v1/search";
/// The key that is sent.
pub const KEY: &str = "0123456789abcdef0123456789abcdef";

/// The names of all operations.
pub fn names() -> impl Iterator<Item = &'static str> {
    let clients = [
        "whole-call",
        "whole-by-hand",
        "whole-by-hand-decoded",
        "whole-by-hand-parsed-once",
        "whole-by-hand-parsed-once-decoded",
        "whole-pool",
    ];
    #[cfg(feature = "peers")]
    let peers = peers::NAMES;
    #[cfg(not(feature = "peers"))]
    let peers = [];
    clients.into_iter().chain(peers)
}

/// The operation with this name, which calls the server at this URL.
pub fn by_name(name: &str, url: &str) -> Option<Operation> {
    Some(match name {
        "whole-call" => sdk(url),
        "whole-by-hand" => by_hand::texts(url, drop),
        "whole-by-hand-decoded" => by_hand::texts(url, by_hand::decode),
        "whole-by-hand-parsed-once" => by_hand::parsed(url, drop),
        "whole-by-hand-parsed-once-decoded" => by_hand::parsed(url, by_hand::decode),
        "whole-pool" => by_hand::ready(url),
        #[cfg(feature = "peers")]
        _ => return peers::by_name(name, url),
        #[cfg(not(feature = "peers"))]
        _ => return None,
    })
}

/// A runtime on this thread, as every one of these clients has. What a call brings is dropped within it: to hand it out
/// costs copies that nobody has who calls from a task.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// This SDK as it comes, with a ledger that has a cap, and with retry.
fn sdk(url: &str) -> Operation {
    let key = ApiKey::live(KEY).expect("a legal key");
    let api =
        Api::with_base_url(url, key).expect("a legal URL").with_ledger(Ledger::new().with_cap(u64::MAX));
    let client = HyperTransport::builder().build().expect("legal settings").client(api);
    let (runtime, query) = (runtime(), query());
    Box::new(move || {
        let query = query.clone();
        runtime.block_on(async { drop(client.search(query).await.expect("an answer")) });
    })
}
