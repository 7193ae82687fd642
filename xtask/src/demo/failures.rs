//! Shows the error of each failure.

use std::net::TcpListener;
use std::time::Duration;

use tgscan_core::types::{GroupQuery, Search};
use tgscan_core::{Api, ApiKey, Credits, Error, RetryPolicy, Transport, transport::Delivery};
use tgscan_mock::{Fault, FaultKind, Mock};
use tgscan_transport_hyper::HyperTransport;

use super::{Stage, text};

/// Causes each failure once and prints its error. Returns the differences from the expected results.
pub(super) async fn run(seed: u64) -> Result<Vec<String>, String> {
    println!("\nFailures and their errors:\n");
    let mut differences = Vec::new();
    let mut check = |failure: &str, error: String, is_right: bool| {
        println!("  {failure}\n    {error}");
        if !is_right {
            differences.push(format!("{failure}: {error}"));
        }
    };
    let stage = Stage::new(Mock::builder().seed(seed))?;
    let client = stage.client(stage.mock.live_key())?;

    let error =
        expect_error(stage.client(ApiKey::live("unknown-key").map_err(text)?)?.search(user()?).await)?;
    check("an unknown key", error.to_string(), error.is_api() && error.credits() == Credits::NotCharged);

    let poor = Stage::new(Mock::builder().seed(seed).credits(0))?;
    let error = expect_error(poor.client(poor.mock.live_key())?.search(user()?).await)?;
    check(
        "no credits left",
        error.to_string(),
        error.is_api() && message_contains(&error, "not enough credits"),
    );

    let error = live_key_on_a_test_url(&stage).await?;
    check(
        "a live key on a test URL",
        error.to_string(),
        error.is_api() && message_contains(&error, "test API key"),
    );

    let eleven: Vec<String> = (1..=11).map(|number| format!("group{number}")).collect();
    let sent = stage.mock.requests().len();
    let error = GroupQuery::parse(&eleven).err().ok_or("11 usernames were accepted")?.to_string();
    let is_right = error.contains("11 usernames") && stage.mock.requests().len() == sent;
    check("an 11th username", error, is_right);

    // A port that was bound and released, so that connections are refused.
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(text)?;
    let api = Api::with_base_url(&format!("https://{dead}"), stage.mock.live_key()).map_err(text)?;
    let mut twice = RetryPolicy::default();
    (twice.max_attempts, twice.base_backoff) = (2, Duration::from_millis(10));
    let transport = HyperTransport::builder().build().map_err(text)?;
    let error = expect_error(transport.client(api.with_retry(twice)).search(user()?).await)?;
    let is_right = error.delivery() == Some(Delivery::NeverSent) && error.attempts() == 2;
    check("a refused connection", error.to_string(), is_right && error.credits() == Credits::NotCharged);

    stage.mock.script::<Search>([Fault::new(FaultKind::Stall).charged()]);
    let impatient = stage.transport().attempt_timeout(Duration::from_millis(300)).build().map_err(text)?;
    let impatient = impatient.client(stage.api(stage.mock.live_key())?);
    let error = expect_error(impatient.search(user()?).await)?;
    let is_right =
        error.is_timeout() && error.delivery() == Some(Delivery::MaybeSent) && error.attempts() == 1;
    check(
        "a server that never answers",
        error.to_string(),
        is_right && error.credits() == Credits::Uncertain,
    );

    stage.mock.script::<Search>([Fault::new(FaultKind::CutBody { at: 60 })]);
    let error = expect_error(client.search(user()?).await)?;
    let kept = error.response().map_or(0, |response| response.body().len());
    let is_right = error.delivery() == Some(Delivery::ResponseStarted) && kept == 60 && error.attempts() == 1;
    check("a truncated body", error.to_string(), is_right && error.credits() == Credits::Uncertain);
    Ok(differences)
}

fn user() -> Result<tgscan_core::types::UserQuery, String> {
    "some_username".parse().map_err(text)
}

fn expect_error<T>(result: Result<T, Error>) -> Result<Error, String> {
    result.err().ok_or_else(|| "a call succeeded that should have failed".to_owned())
}

fn message_contains(error: &Error, text: &str) -> bool {
    error.message().is_some_and(|message| message.contains(text))
}

/// Builds a request that the SDK never sends, because the kind of the key determines the URL.
async fn live_key_on_a_test_url(stage: &Stage) -> Result<Error, String> {
    let (live, test) = (stage.api(stage.mock.live_key())?, stage.api(stage.mock.test_key())?);
    let search = Search { query: user()? };
    let mut request = test.request(&search);
    *request.headers_mut() = live.request(&search).headers().clone();
    let response = stage.transport().build().map_err(text)?.send(request).await.map_err(text)?;
    expect_error(live.parse(&search, response))
}
