//! Looks up a list of accounts: `resume LIST STORE`. Resumable without paying twice, even after `kill -9`.
#![expect(clippy::print_stdout, reason = "this is the program's answer")]

use std::env::args;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tgscan_example_programs::api;
use tgscan_store::FileStore;
use tgscan_transport_hyper::HyperTransport;
use tgscan_transport_hyper::core::store::StorePolicy;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (Some(list), Some(store)) = (args().nth(1), args().nth(2)) else {
        return Err("usage: resume LIST STORE".into());
    };
    let policy = StorePolicy::new("main", 7 * DAY, 30 * DAY);
    let client = HyperTransport::builder().build()?.client(api()?);
    let client = client.with_store(Arc::new(FileStore::open(store)?), policy);
    for account in std::fs::read_to_string(list)?.lines() {
        match client.search(account).await {
            Ok(reply) => println!("{account}: {} groups, {}", reply.answer.groups.len(), reply.credits),
            // It may have been charged, so it is not repeated; see `Client::reconcile` and `store::Account::resolve`.
            Err(error) => println!("{account}: {error}"),
        }
    }
    Ok(())
}
