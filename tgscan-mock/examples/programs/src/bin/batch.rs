//! Looks up a list of accounts within a budget: `batch LIST FOUND CREDITS`.
//!
//! Checks each account first, which is free, and pays only for known ones. Started again with the same files, it
//! continues: accounts with a row in FOUND are skipped.
#![expect(clippy::print_stderr, reason = "this is the program's report")]

use std::collections::HashSet;
use std::env::args;
use std::error::Error;
use std::fs::{OpenOptions, read_to_string};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use tgscan_example_programs::api;
use tgscan_transport_hyper::core::{self, Refusal, types::UserQuery};
use tgscan_transport_hyper::{Client, Credits, HyperTransport, Reserve};

/// Number of concurrent lookups.
const CONCURRENCY: usize = 8;
/// The expected maximum cost of a search, in credits.
const PRICE: u64 = 5;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = args().skip(1).collect();
    let [list, found, credits] = &arguments[..] else { return Err("usage: batch LIST FOUND CREDITS".into()) };
    let client = HyperTransport::builder().build()?.client(api()?);
    // A call waits while the cap has no room for it but calls in flight may free some. Without those, it fails.
    let client = client.with_cap(credits.parse()?, Reserve::PerCall(PRICE)).with_wait_at_cap();

    let done = finished_accounts(found)?;
    let accounts = accounts(&read_to_string(list)?, &done);
    eprintln!("{} accounts, {} done before", accounts.len(), done.len());
    let mut rows = OpenOptions::new().create(true).append(true).open(found)?;
    let (total, mut count, mut failure) = (accounts.len(), 0, None);
    let stop = AtomicBool::new(false);
    let look_up = async |account: UserQuery| {
        // No new calls start; calls in flight complete.
        let result = if stop.load(Relaxed) { None } else { Some(look_up(&client, &account).await) };
        (account, result)
    };
    let mut asked = stream::iter(accounts).map(look_up).buffer_unordered(CONCURRENCY);
    while let Some((account, result)) = asked.next().await {
        match result {
            None => continue,
            Some(Ok(answer)) => {
                writeln!(rows, "{}", json!({ "account": account.as_str(), "answer": answer }))?;
            }
            // It may have been charged, so it gets a row, and a person decides whether to repeat it.
            Some(Err(error)) if error.credits() == Credits::Uncertain => {
                writeln!(rows, "{}", json!({ "account": account.as_str(), "uncertain": error.to_string() }))?;
            }
            Some(Err(error)) => {
                if is_final(&error) {
                    stop.store(true, Relaxed);
                    failure.get_or_insert(error);
                } else {
                    eprintln!("{error}; the next run repeats it");
                }
                continue;
            }
        }
        count += 1;
        if count % 50 == 0 {
            eprintln!("{count} of {total}, {} credits", client.ledger().book().totals().charged);
        }
    }
    let bill = client.ledger().book().totals();
    eprintln!(
        "{count} of {total}: {} credits charged, {} attempts uncertain",
        bill.charged, bill.uncertain_attempts
    );
    failure.map_or(Ok(()), |error| Err(error.to_string().into()))
}

/// Returns the answer to an account as JSON, byte for byte, or null if the free check finds nothing.
async fn look_up(client: &Client, account: &UserQuery) -> Result<Value, core::Error> {
    if client.user_check(account).await?.answer.nothing_known() {
        return Ok(Value::Null);
    }
    let reply = client.search(account).await?;
    Ok(serde_json::from_slice(reply.raw())
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(reply.raw()))))
}

/// Returns whether every further call would fail the same way.
fn is_final(error: &core::Error) -> bool {
    error.is_cap_reached() || matches!(error.refusal(), Some(Refusal::InvalidKey | Refusal::NoCredits))
}

/// Returns the accounts that have a row.
fn finished_accounts(found: &str) -> Result<HashSet<UserQuery>, Box<dyn Error>> {
    let Ok(text) = read_to_string(found) else { return Ok(HashSet::new()) };
    let account = |row: &str| serde_json::from_str::<Value>(row).ok()?["account"].as_str()?.parse().ok();
    text.lines()
        .map(|row| account(row).ok_or_else(|| format!("{found} has an invalid row: {row}").into()))
        .collect()
}

/// Returns the accounts of a list, each once.
fn accounts(list: &str, done: &HashSet<UserQuery>) -> Vec<UserQuery> {
    let mut seen = HashSet::new();
    let mut accounts = Vec::new();
    for (number, line) in list.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match line.parse::<UserQuery>() {
            Ok(account) if done.contains(&account) || !seen.insert(account.clone()) => {}
            Ok(account) => accounts.push(account),
            Err(error) => eprintln!("line {}: {error}", number + 1),
        }
    }
    accounts
}
