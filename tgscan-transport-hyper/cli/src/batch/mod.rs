//! A list of accounts: searched many at once, interrupted and gone on with, and billed at the end.

mod bill;
mod input;
mod output;
mod pace;
mod plan;
mod progress;
mod work;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tgscan_core::Client;
use tgscan_core::types::UserQuery;
use tokio::sync::mpsc;

use crate::args::{BatchCommand, Global};
use crate::exit::{Code, Failure, code_of};
use crate::{connect, print};
use bill::Bill;
use input::Account;
use output::Output;
use pace::Paced;
use progress::Progress;
use work::{Ending, Work};

pub(crate) async fn run(global: &Global, command: BatchCommand) -> Result<Code, Failure> {
    let client = connect::warm_client(global, Paced::new).await?;
    let list = input::read(&command.file, command.column.as_deref())?;
    for bad in &list.bad {
        print::note(&format!("line {}: {}", bad.line, bad.why));
    }
    let (mut output, done) = Output::open(command.out.as_deref())?;
    let accounts = without_done(list.accounts, &done);
    if command.dry_run {
        plan::tell(global, &client, &accounts, command.check_first, done.len()).await?;
        return Ok(if list.bad.is_empty() { Code::Done } else { Code::Usage });
    }
    // Free. Also says early that a key is wrong.
    let left = client.balance().await?.answer.num_credits;
    see_balance(global, &client).await?;

    let mut progress = Progress::new(accounts.len(), left, global.quiet);
    let mut bill = Bill::new(list.repeated, done.len());
    let stop = Arc::new(AtomicBool::new(false));
    let interrupted = interrupt(stop.clone());
    let (sender, mut endings) = mpsc::channel(usize::from(command.jobs) * 2);
    let work = Arc::new(Work::new(client, accounts, command.check_first, stop.clone()));
    for _ in 0..command.jobs {
        tokio::spawn(work.clone().run(sender.clone()));
    }
    drop(sender);
    let mut failure = None;
    while let Some(ending) = endings.recv().await {
        bill.add(&ending.result);
        if let Err(failed) = write(&mut output, &ending) {
            // What comes now was paid for too. It goes where it can.
            stop.store(true, Ordering::Relaxed);
            failure.get_or_insert(failed);
        }
        if let Err(error) = &ending.result {
            progress.say(&format!(
                "line {}: {}: {}",
                ending.account.line,
                ending.account.query.as_str(),
                crate::exit::explain(error)
            ));
            if work::is_final(error) && !stop.swap(true, Ordering::Relaxed) {
                bill.stopped = Some(code_of(error));
            }
        }
        progress.update(&bill);
    }
    progress.finish();
    if let Some(failure) = failure {
        print::note(&bill.to_string());
        return Err(failure);
    }
    let was_interrupted = interrupted.load(Ordering::Relaxed);
    if was_interrupted {
        print::note("interrupted; the same command goes on where this one stopped");
    }
    if !global.quiet {
        print::note(&bill.to_string());
    }
    Ok(if was_interrupted { Code::Interrupted } else { bill.code(!list.bad.is_empty()) })
}

fn without_done(accounts: Vec<Account>, done: &HashSet<UserQuery>) -> Vec<Account> {
    accounts.into_iter().filter(|account| !done.contains(&account.query)).collect()
}

fn write(output: &mut Output, ending: &Ending) -> Result<(), Failure> {
    let Ok(found) = &ending.result else { return Ok(()) };
    output.write(&ending.account.query, found)
}

/// Remembers a first balance, so that what becomes uncertain can be settled by the next one.
async fn see_balance(global: &Global, client: &Client) -> Result<(), Failure> {
    if let Some(store) = client.store()
        && store.book(&global.account).await?.baseline.is_none()
    {
        client.reconcile_store().await?;
    }
    Ok(())
}

/// Stops the batch at the first Ctrl-C, and the program at the second.
fn interrupt(stop: Arc<AtomicBool>) -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let told = interrupted.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_err() {
            return;
        }
        told.store(true, Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
        print::note("stopping: calls in flight end first; Ctrl-C again stops at once");
        if tokio::signal::ctrl_c().await.is_ok() {
            print::note("stopped; with --store, what was in flight is uncertain there");
            std::process::exit(i32::from(Code::Interrupted as u8));
        }
    });
    interrupted
}
