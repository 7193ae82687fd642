//! Looks up a list of accounts within a budget: `batch LIST FOUND CREDITS`.
//!
//! Checks each account first, which is free, and pays only for those that are known. Started again with the same files,
//! it goes on where it was: what FOUND has a row for is not asked again.
#![expect(clippy::print_stderr, reason = "this is how it tells")]

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
use tgscan_transport_hyper::{Client, Credits, HyperTransport, Ledger, Reserve};

/// How many accounts are looked up at once.
const AT_ONCE: usize = 8;
/// The most that one search is expected to cost, in credits.
const PRICE: u64 = 5;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = args().skip(1).collect();
    let [list, found, credits] = &arguments[..] else { return Err("usage: batch LIST FOUND CREDITS".into()) };
    let budget = Ledger::with_cap(credits.parse()?, Reserve::PerCall(PRICE));
    // Calls wait for room while others in flight hold it. Afterwards the budget is spent.
    let client = HyperTransport::builder().build()?.client(api()?.with_ledger(budget)).with_wait_at_cap();

    let done = already(found)?;
    let accounts = accounts(&read_to_string(list)?, &done);
    eprintln!("{} accounts, {} done before", accounts.len(), done.len());
    let mut rows = OpenOptions::new().create(true).append(true).open(found)?;
    let (total, mut count, mut failure) = (accounts.len(), 0, None);
    let stop = AtomicBool::new(false);
    let look_up = async |account: UserQuery| {
        // Nothing new begins; what is in flight ends.
        let result = if stop.load(Relaxed) { None } else { Some(look_up(&client, &account).await) };
        (account, result)
    };
    let mut asked = stream::iter(accounts).map(look_up).buffer_unordered(AT_ONCE);
    while let Some((account, result)) = asked.next().await {
        match result {
            None => continue,
            Some(Ok(answer)) => {
                writeln!(rows, "{}", json!({ "account": account.as_str(), "answer": answer }))?;
            }
            // It may have been paid for: a row, so that it is not asked again before somebody has looked.
            Some(Err(error)) if error.credits() == Credits::Uncertain => {
                writeln!(rows, "{}", json!({ "account": account.as_str(), "uncertain": error.to_string() }))?;
            }
            Some(Err(error)) => {
                if is_final(&error) {
                    stop.store(true, Relaxed);
                    failure.get_or_insert(error);
                } else {
                    eprintln!("{error}; it is asked again the next time");
                }
                continue;
            }
        }
        count += 1;
        if count % 50 == 0 {
            eprintln!("{count} of {total}, {} credits", client.ledger().snapshot().charged);
        }
    }
    let bill = client.ledger().snapshot();
    eprintln!(
        "{count} of {total}: {} credits charged, {} calls uncertain",
        bill.charged, bill.uncertain_calls
    );
    failure.map_or(Ok(()), |error| Err(error.to_string().into()))
}

/// The answer to an account, byte for byte as JSON; null if the free check knows nothing.
async fn look_up(client: &Client, account: &UserQuery) -> Result<Value, core::Error> {
    if client.user_check(account).await?.answer.nothing_known() {
        return Ok(Value::Null);
    }
    let reply = client.search(account).await?;
    Ok(serde_json::from_slice(reply.raw())
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(reply.raw()))))
}

/// Whether every further call would end the same way.
fn is_final(error: &core::Error) -> bool {
    error.is_cap_reached() || matches!(error.refusal(), Some(Refusal::InvalidKey | Refusal::NoCredits))
}

/// The accounts that have a row.
fn already(found: &str) -> Result<HashSet<UserQuery>, Box<dyn Error>> {
    let Ok(text) = read_to_string(found) else { return Ok(HashSet::new()) };
    let account = |row: &str| serde_json::from_str::<Value>(row).ok()?["account"].as_str()?.parse().ok();
    text.lines()
        .map(|row| account(row).ok_or_else(|| format!("{found} has a row that is none: {row}").into()))
        .collect()
}

/// The accounts of a list, each once.
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
