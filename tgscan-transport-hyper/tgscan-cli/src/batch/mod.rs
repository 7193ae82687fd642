//! Looks up a list of accounts: concurrently, resumably, and with a bill at the end.

mod args;
mod bill;
mod follow;
pub(crate) mod input;
mod method;
mod order;
mod output;
mod plan;
mod progress;
mod work;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tgscan_core::http::Response;
use tgscan_core::store::Lookup;
use tgscan_core::types::{Search, SimilarGroups, UserCheck, UserQuery};
use tgscan_core::{Api, Client};
use tokio::sync::mpsc;

pub(crate) use args::BatchCommand;

use crate::args::Global;
use crate::exit::{Code, Failure, counted};
use crate::files::{SetAside, Source};
use crate::gate::{Control, Gate};
use crate::limit::Limit;
use crate::signals::Signals;
use crate::{connect, hint, print};
use bill::Bill;
use input::{Account, List};
pub(crate) use method::Method;
use method::Question;
use order::Order;
use output::{Output, Writer};
use progress::Progress;
use work::{Found, Policy, Work};

/// The time limit for settlements that the store has not written yet.
const DRAIN: Duration = Duration::from_secs(10);
/// The maximum time that a call waits for its turn under `--rate`, in seconds.
const LONGEST_TURN: usize = 20;

pub(crate) async fn run(global: &Global, command: BatchCommand) -> Result<Code, Failure> {
    connect::require_store(global, &[("--fresh", command.fresh), ("--refresh", command.refresh)])?;
    if command.method != Method::Search && (command.check_first || command.refresh) {
        return Err(Failure::usage("--check-first and --refresh need --method search"));
    }
    match command.method {
        Method::Search => look_up::<Search>(global, command).await,
        Method::Check => look_up::<UserCheck>(global, command).await,
        Method::Similar => look_up::<SimilarGroups>(global, command).await,
    }
}

async fn look_up<M: Question>(global: &Global, command: BatchCommand) -> Result<Code, Failure> {
    let control = Control::default();
    let mut client =
        connect::client_through(global, |transport| Gate { transport, control: control.clone() }).await?;
    let mut jobs = usize::from(command.jobs);
    if let Some(rate) = command.rate {
        client = client.with_rate_limit(rate.get(), Duration::from_secs(1));
        // With more jobs, calls would wait longer than this and fail.
        jobs = jobs.min(usize::try_from(rate.get()).unwrap_or(jobs).saturating_mul(LONGEST_TURN));
    }
    let list = read::<M>(&command)?;
    let has_bad_lines = !list.bad.is_empty();
    let left_to_do = |accounts, done: &HashSet<UserQuery>| {
        let mut accounts = without_done(accounts, done);
        accounts.truncate(command.limit.unwrap_or(usize::MAX));
        accounts
    };
    let source =
        Source { method: M::NAME, is_test: global.test_key, service: client.api().service().to_owned() };
    // A run that continues a killed one pays again for its stored answers. --refresh accepts those of any age.
    let pays_again = command.fresh || global.has_no_max_age() && !command.refresh;
    let is_kept = global.store.is_some() && !pays_again;
    let window = (jobs * WINDOW).max(if is_kept { WINDOW_WITH_STORE } else { 0 });
    let policy = Policy {
        checks_first: command.check_first,
        lookup: if command.fresh { Lookup::New } else { Lookup::StoredOrNew },
        refresh: command.refresh.then(|| connect::any_stored(global, &client)),
        window,
    };
    if command.dry_run {
        let done = Output::done::<M::Answer>(&command, list.header.as_ref(), global.test_key)?;
        let set_aside = SetAside::beside(command.out.as_deref(), source);
        let recovered = recoverable::<M>(&command, client.api(), &list.accounts, &done, &set_aside)?;
        let recovered: HashSet<_> = recovered.map(|(account, _)| account.query.clone()).collect();
        let accounts = left_to_do(without_done(list.accounts, &recovered), &done);
        let known = (done.len(), recovered.len());
        plan::print::<M>(global, &client, &accounts, &policy, known).await?;
        return Ok(if has_bad_lines { Code::Usage } else { Code::Done });
    }
    let (mut output, mut done) = Output::open::<M::Answer>(&command, list.header.as_ref(), global.test_key)?;
    let set_aside = SetAside::beside(command.out.as_deref(), source);
    let recovered = recoverable::<M>(&command, client.api(), &list.accounts, &done, &set_aside)?;
    let recovered = output.recover(recovered, &mut done)?;
    if recovered > 0 {
        print::note(&format!("{} set aside earlier, now in the output", counted(recovered, "answer")));
    }
    let accounts = left_to_do(list.accounts, &done);
    // Before anything is paid, so that no answer is lost to a signal.
    let mut signals = Signals::listen()?;
    let (left, limit) = tokio::select! {
        prepared = prepare::<M>(global, &client) => prepared?,
        signal = signals.next() => return Err(Failure::new(signal.code(), "stopped; nothing was charged")),
    };

    let mut batch = Batch {
        global,
        pays_again,
        bill: Bill::new(command.method == Method::Search, list.repeated, done.len(), accounts.len()),
        progress: Progress::new(accounts.len(), left, global.quiet),
        set_aside,
        signals,
        signalled_at: None,
        failure: None,
        control: control.clone(),
    };
    // Has room for every result that may wait to be written, so that sending one never blocks a job.
    let (sender, endings) = mpsc::channel(window);
    let work = Arc::new(Work::new(client.clone(), accounts, policy, control, limit));
    for _ in 0..jobs {
        tokio::spawn(work.clone().run::<M>(sender.clone()));
    }
    drop(sender);
    let writer = Writer::new(output);
    let abandoned = batch.follow(&client, endings, Order::new(command.unordered), writer).await;
    batch.finish(&client, abandoned, has_bad_lines).await
}

/// Requests the balance (free), which detects a wrong key early. Returns the balance and the limit of this run.
async fn prepare<M: Question>(global: &Global, client: &Client) -> Result<(i64, Limit), Failure> {
    let left = client.balance().await.map_err(|error| Failure::of_call(&error, global))?;
    if client.api().can_cost::<M>() {
        connect::see_balance(client).await.map_err(|error| Failure::of_call(&error, global))?;
    }
    Ok((left.answer.num_credits, connect::limit::<M>(global, client).await?))
}

/// Returns the answers that earlier runs set aside, for accounts that are not done, unless the flags demand new ones.
fn recoverable<'a, M: Question>(
    command: &BatchCommand,
    api: &'a Api,
    accounts: &'a [Account],
    done: &HashSet<UserQuery>,
    set_aside: &SetAside,
) -> Result<impl Iterator<Item = (&'a Account, Found<M::Answer>)> + use<'a, M>, Failure> {
    let mut responses = if command.fresh || command.refresh {
        HashMap::new()
    } else {
        set_aside.unwritten(|query| !done.contains(query))?
    };
    Ok(accounts.iter().filter_map(move |account| {
        let response = Response::new(responses.remove(&account.query)?.into());
        let reply = api.parse(&M::about(&account.query)?, response).ok()?;
        (!reply.is_mismatched()).then_some((account, Found { reply: Some(reply) }))
    }))
}

/// Reads the list, and reports invalid lines.
fn read<M: Question>(command: &BatchCommand) -> Result<List, Failure> {
    let is_csv = |path: &PathBuf| path.extension().is_some_and(|end| end == "csv");
    let keeps_columns = command.out.as_ref().is_none_or(is_csv);
    let mut list = input::read(&command.file, &command.column, keeps_columns)?;
    list.refuse_unless(|query| M::about(query).is_some(), "this method takes usernames only, not ids");
    list.report_bad_lines();
    Ok(list)
}

/// The number of answers per job that may wait for an earlier one to be written. Small, because without a store a
/// killed program loses them.
const WINDOW: usize = 2;
/// The number of answers that may wait if a store has them.
const WINDOW_WITH_STORE: usize = 512;

struct Batch<'a> {
    global: &'a Global,
    /// Whether this command does not use the answers of an earlier run that are only in the store.
    pays_again: bool,
    bill: Bill,
    progress: Progress,
    set_aside: SetAside,
    signals: Signals,
    /// The time of the first signal.
    signalled_at: Option<Instant>,
    /// The error of writing the output.
    failure: Option<Failure>,
    control: Control,
}

impl Batch<'_> {
    /// Waits for the store, and prints the bill. `abandoned` is the number of calls that a second signal left in flight.
    async fn finish(
        mut self,
        client: &Client,
        abandoned: Option<u64>,
        has_bad_lines: bool,
    ) -> Result<Code, Failure> {
        self.progress.finish();
        let limit = if abandoned.is_some() { Duration::ZERO } else { DRAIN };
        let drained = tokio::select! {
            drained = client.drain(limit) => Some(drained),
            signal = self.signals.next() => {
                self.stop_at(signal);
                None
            }
        };
        let drained = match drained {
            Some(drained) => drained,
            None => client.drain(Duration::ZERO).await,
        };
        if let Some(paths) = self.set_aside.used() {
            print::note(&format!("{} set aside in {paths}", counted(self.set_aside.count, "answer")));
        }
        if let Some(remedy) = self.set_aside.remedy() {
            print::note(&remedy);
        }
        if self.pays_again && self.bill.only_stored > 0 {
            self.bill.next_uses_stored = true;
            let flag = if self.global.has_no_max_age() { "--max-age 0s" } else { "--fresh" };
            print::note(&format!(
                "{flag} pays again for answers that are only in the store; the next command uses stored answers instead (free)"
            ));
        }
        if drained.unwritten > 0 {
            print::note(&format!(
                "{} could not be written to the store; they are uncertain there",
                counted(drained.unwritten, "call")
            ));
        }
        // Before the bill, whose last line names the next command.
        let failure = self.failure.take().map(|failure| {
            if !failure.is_quiet() {
                print::note(&format!("tgscan: {failure}"));
            }
            Failure::new(failure.code(), "")
        });
        let in_flight = abandoned.unwrap_or(0);
        if !self.global.quiet && self.bill.charged > 0 && self.global.store.is_none() {
            hint::keep_answers();
        }
        let is_alarming = self.bill.stopped.is_some() || in_flight > 0;
        if !self.global.quiet || is_alarming {
            print::note(&self.bill.text(self.global, in_flight));
        }
        match failure {
            // A reader that goes away is not an error, but calls may be uncertain.
            Some(failure) if failure.code() != Code::Done => Err(failure),
            _ => Ok(self.bill.code(has_bad_lines)),
        }
    }
}

fn without_done(accounts: Vec<Account>, done: &HashSet<UserQuery>) -> Vec<Account> {
    accounts.into_iter().filter(|account| !done.contains(&account.query)).collect()
}
