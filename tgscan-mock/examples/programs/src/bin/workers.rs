//! A service of several processes with a shared store: `workers ADDRESS POSTGRES_URL CREDITS`. `GET /search/ACCOUNT`
//! looks up an account. All processes together pay once for a question and share the cap.
#![expect(clippy::print_stdout, reason = "it prints its address")]

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
    // With a store, a paid call continues in its task after its caller left.
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
    let policy = StorePolicy::new("main", 7 * DAY, 30 * DAY);
    let client = HyperTransport::builder().build()?.client(api()?).with_store(store, policy);
    // The cap counts the costs of the account in the store, from all processes.
    let client = client.with_cap(credits.parse()?, Reserve::PerCall(5)).with_wait_at_cap();
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/search/{account}", get(search)).with_state(client)).await?;
    Ok(())
}
