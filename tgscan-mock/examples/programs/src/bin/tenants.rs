//! A service with tenants: `tenants ADDRESS CREDITS CREDITS_PER_TENANT`. `GET /TENANT/search/ACCOUNT` looks an account up,
//! `GET /TENANT/bill` says what the tenant has spent.
#![expect(clippy::print_stdout, reason = "it says where it listens")]

use std::collections::HashMap;
use std::env::args;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tgscan_example_programs::api;
use tgscan_transport_hyper::{Client, Credits, ErrorKind, HyperTransport, Ledger, Reserve};
use tokio_util::task::TaskTracker;

/// The most that one search is expected to cost, in credits.
const PRICE: Reserve = Reserve::PerCall(5);
/// How long a caller waits at most.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Clone)]
struct Service {
    client: Client,
    credits_per_tenant: u64,
    tenants: Arc<Mutex<HashMap<String, Ledger>>>,
    /// The calls, which go on when their callers leave.
    calls: TaskTracker,
}

impl Service {
    /// The budget of a tenant, below that of the account.
    fn budget(&self, tenant: String) -> Ledger {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let account = self.client.ledger();
        tenants
            .entry(tenant)
            .or_insert_with(|| account.child_with_cap(self.credits_per_tenant, PRICE))
            .clone()
    }
}

async fn search(
    State(service): State<Service>,
    Path((tenant, account)): Path<(String, String)>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let client = service.client.clone().with_ledger(service.budget(tenant));
    // A caller who disconnects drops this handler, but not a call in a task of its own. Store its answer there, too.
    let call = service.calls.spawn(async move { client.search(account.as_str()).await });
    let failed = |error: &dyn Error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    match call.await.map_err(|error| failed(&error))? {
        Ok(reply) => Ok(Json(json!({ "answer": reply.answer, "credits": reply.credits.charged() }))),
        Err(error) => {
            let status = match (error.kind(), error.credits()) {
                (ErrorKind::InvalidQuery(_), _) => StatusCode::BAD_REQUEST,
                (ErrorKind::CapReached(_), _) => StatusCode::PAYMENT_REQUIRED,
                // It may have been paid for, so the caller must not simply ask again.
                (_, Credits::Uncertain | Credits::Charged(_)) => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::BAD_GATEWAY,
            };
            Err((status, error.to_string()))
        }
    }
}

async fn bill(State(service): State<Service>, Path(tenant): Path<String>) -> Json<Value> {
    let now = service.budget(tenant).snapshot();
    Json(json!({ "charged": now.charged, "uncertain": now.uncertain, "left": now.remaining() }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = args().skip(1).collect();
    let [address, credits, per_tenant] = &arguments[..] else {
        return Err("usage: tenants ADDRESS CREDITS CREDITS_PER_TENANT".into());
    };
    let account = Ledger::with_cap(credits.parse()?, PRICE);
    let client =
        HyperTransport::builder().build()?.client(api()?.with_ledger(account)).with_deadline(DEADLINE);
    let (tenants, calls) = (Arc::default(), TaskTracker::new());
    let service = Service { client, credits_per_tenant: per_tenant.parse()?, tenants, calls: calls.clone() };
    let router =
        Router::new().route("/{tenant}/search/{account}", get(search)).route("/{tenant}/bill", get(bill));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    axum::serve(listener, router.with_state(service)).with_graceful_shutdown(stop).await?;
    // Nothing new begins; what is in flight ends, also for callers who have left.
    calls.close();
    calls.wait().await;
    Ok(())
}
