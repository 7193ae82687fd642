//! Calls each of the seven URLs.

use std::time::Instant;

use serde::Serialize;
use tgscan_core::types::{ApiMethod, Balance, Search, SimilarGroups, UserCheck};
use tgscan_core::{Client, Credits};
use tgscan_mock::Mock;

use super::{CREDITS, Stage, text};

/// The number of characters of an answer in the table.
const EXCERPT: usize = 70;

/// Calls all seven URLs and prints a table. Returns the differences from the expected results.
pub(super) async fn run(seed: u64) -> Result<Vec<String>, String> {
    let stage = Stage::new(Mock::builder().seed(seed).credits(CREDITS))?;
    let (live, test) = (stage.client(stage.mock.live_key())?, stage.client(stage.mock.test_key())?);
    println!("The mock listens on {}; its answers are random.\n", stage.server.url());
    println!(
        "{:<16}{:<30}{:<10}{:<8}{:<9}{:<9}{:<10}answer",
        "method", "URL path", "HTTP", "status", "credits", "balance", "time"
    );
    let search = || Ok::<_, String>(Search { query: "some_username".parse().map_err(text)? });
    let similar =
        || Ok::<_, String>(SimilarGroups { query: "some_group,another_group".parse().map_err(text)? });
    let check = || Ok::<_, String>(UserCheck { query: "136817688".parse().map_err(text)? });

    let mut differences = Vec::new();
    line(&stage, &live, search()?, Credits::Charged(1), &mut differences).await;
    line(&stage, &live, Balance {}, Credits::NotCharged, &mut differences).await;
    line(&stage, &live, similar()?, Credits::Charged(1), &mut differences).await;
    line(&stage, &live, check()?, Credits::NotCharged, &mut differences).await;
    line(&stage, &test, search()?, Credits::NotCharged, &mut differences).await;
    line(&stage, &test, similar()?, Credits::NotCharged, &mut differences).await;
    line(&stage, &test, check()?, Credits::NotCharged, &mut differences).await;

    let (spent, book) = (stage.mock.account().spent, live.ledger().book().totals());
    println!(
        "\nThe account lost {spent} credits; the book says {} charged, {} uncertain.",
        book.charged, book.uncertain
    );
    if (book.charged, book.uncertain) != (spent, 0) {
        differences.push(format!("the book says {book:?}, but the account lost {spent}"));
    }
    let paths: std::collections::BTreeSet<String> =
        stage.mock.requests().into_iter().map(|request| request.path).collect();
    if paths.len() != 7 {
        differences.push(format!("{} of 7 URLs were called", paths.len()));
    }
    Ok(differences)
}

async fn line<M: ApiMethod<Answer: Serialize>>(
    stage: &Stage,
    client: &Client,
    method: M,
    expected: Credits,
    differences: &mut Vec<String>,
) {
    let before = stage.mock.account().credits;
    let path = client.api().request(&method).uri().path().to_owned();
    let start = Instant::now();
    let result = client.send(method).await;
    let time = start.elapsed();
    let after = stage.mock.account().credits;
    match result {
        Ok(reply) => {
            let json = serde_json::to_string(&reply.answer).unwrap_or_default();
            let excerpt: String = json.chars().take(EXCERPT).collect();
            println!(
                "{:<16}{path:<30}{:<10}{:<8}{:<9}{after:<9}{:<10}{excerpt}…",
                M::NAME,
                format!("{:?}", reply.response().version()),
                reply.response().status().as_u16(),
                reply.credits.charged(),
                format!("{:.1} ms", time.as_secs_f64() * 1000.0),
            );
            if reply.credits != expected {
                differences.push(format!("{path}: {}, should be {expected}", reply.credits));
            }
            if i64::try_from(reply.credits.charged()) != Ok(before - after) {
                differences.push(format!(
                    "{path}: {}, but the balance went from {before} to {after}",
                    reply.credits
                ));
            }
            if reply.response().version() != http::Version::HTTP_2 {
                differences
                    .push(format!("{path}: {:?}, should be HTTP/2 by ALPN", reply.response().version()));
            }
        }
        Err(error) => {
            println!("{:<16}{path:<30}{error}", M::NAME);
            differences.push(format!("{path}: {error}"));
        }
    }
}
