//! A service of many processes that share a store: `workers ADDRESS POSTGRES_URL CREDITS`. `GET /search/ACCOUNT` looks an
//! account up. Start it as often as you like: a question is paid for once, and the cap holds over all of them.
#![expect(clippy::print_stdout, reason = "it says where it listens")]

use std::env::args;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tgscan_example_programs::api;
use tgscan_store::PostgresStore;
use tgscan_transport_hyper::core::Storage;
use tgscan_transport_hyper::core::store::StorePolicy;
use tgscan_transport_hyper::{Client, HyperTransport, Reserve};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn search(
    State(client): State<Client>,
    Path(account): Path<String>,
) -> Result<Json<Value>, (StatusCode, String)> {
    // With a store, a paid call goes on in a task of its own when its caller leaves.
    match client.search(account.as_str()).await {
        Ok(reply) => {
            let is_stored = matches!(reply.storage(), Some(Storage::Cached { .. }));
            Ok(Json(
                json!({ "answer": reply.answer, "credits": reply.credits.charged(), "stored": is_stored }),
            ))
        }
        Err(error) => Err((StatusCode::BAD_GATEWAY, error.to_string())),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = args().skip(1).collect();
    let [address, database, credits] = &arguments[..] else {
        return Err("usage: workers ADDRESS POSTGRES_URL CREDITS".into());
    };
    let store = Arc::new(PostgresStore::connect(database).await?);
    let policy = StorePolicy::new("main", 7 * DAY, 30 * DAY).with_cap(credits.parse()?, Reserve::PerCall(5));
    let client =
        HyperTransport::builder().build()?.client(api()?).with_store(store, policy).with_wait_at_cap();
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/search/{account}", get(search)).with_state(client)).await?;
    Ok(())
}
