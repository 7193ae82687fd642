//! One call, and its answer.

use std::path::Path;

use clap::Args;
use tgscan_core::store::Lookup;
use tgscan_core::types::{ApiMethod, GroupQuery, Search, SimilarGroups, UserCheck, UserQuery, Username};
use tgscan_core::{Client, Credits, Error, Reply, Storage};

use crate::args::{Global, LookupFlags, Output};
use crate::exit::{Code, Failure, counted};
use crate::explain::{LIMIT_REACHED, received};
use crate::files::SetAside;
use crate::gate::{Control, Gate, InFlight};
use crate::limit::{Limit, Verdict};
use crate::show::{self, Selection, Show};
use crate::signals::{Signal, Signals};
use crate::waiting::{TICK, Waiting};
use crate::{connect, help, hint, print};

#[derive(Args)]
pub(crate) struct SearchCommand {
    /// A username, a t.me link or a numeric id
    pub(crate) query: UserQuery,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) lookup: LookupFlags,
}

#[derive(Args)]
pub(crate) struct UserCommand {
    /// A username, a t.me link or a numeric id
    pub(crate) query: UserQuery,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) lookup: LookupFlags,
}

#[derive(Args)]
pub(crate) struct SimilarCommand {
    /// 1 to 10 usernames of groups
    #[arg(required = true, num_args = 1..=GroupQuery::MAX_USERNAMES, value_name = "GROUP")]
    pub(crate) usernames: Vec<Username>,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) lookup: LookupFlags,
}

pub(crate) async fn search(global: &Global, command: SearchCommand) -> Result<Code, Failure> {
    run(global, (command.output, command.selection), command.lookup, Search { query: command.query }).await
}

pub(crate) async fn similar(global: &Global, command: SimilarCommand) -> Result<Code, Failure> {
    let query = GroupQuery::new(command.usernames).map_err(|error| Failure::usage(error.to_string()))?;
    run(global, (command.output, Selection::default()), command.lookup, SimilarGroups { query }).await
}

pub(crate) async fn check(global: &Global, command: UserCommand) -> Result<Code, Failure> {
    run(global, (command.output, Selection::default()), command.lookup, UserCheck { query: command.query })
        .await
}

pub(crate) async fn balance(global: &Global, output: Output) -> Result<Code, Failure> {
    let client = connect::client(global).await?;
    let reply = client.balance().await.map_err(|error| Failure::of_call(&error, global))?;
    show::answer(&reply, output, Selection::default()).map(|()| Code::Done)
}

/// Sends a call, and ends it if a signal comes.
async fn run<M: ApiMethod>(
    global: &Global,
    output: (Output, Selection),
    flags: LookupFlags,
    method: M,
) -> Result<Code, Failure>
where
    M::Answer: Show,
{
    let lookup = connect::lookup(global, flags)?;
    if flags.stored_only {
        let client = connect::stored_only_client(global).await?;
        let result = client.send(method).await;
        return finish::<M>(global, &client, output, result).await;
    }
    let (control, in_flight) = (Control::default(), InFlight::new());
    let client = connect::warm_client(global, |transport| Gate::new(transport, control.clone())).await?;
    let client = client.with_lookup(lookup);
    let mut limit = connect::limit::<M>(global, &client).await?;
    if M::CAN_COST && limit.begin() != Verdict::Go {
        // A stored answer needs no room.
        if lookup == Lookup::StoredOrNew && client.account().is_some() {
            let result = client.clone().with_lookup(Lookup::Stored).send(method).await;
            if result.is_ok() {
                return finish::<M>(global, &client, output, result).await;
            }
        }
        return Err(Failure::new(Code::NoCredits, LIMIT_REACHED));
    }
    if M::CAN_COST && !global.test_key {
        connect::see_balance(&client).await.map_err(|error| Failure::of_call(&error, global))?;
    }
    let mut signals = Signals::listen()?;
    let mut stopped_by = None;
    let asking = client.clone().with_extension(in_flight.clone());
    let mut call = std::pin::pin!(asking.send(method));
    let waiting = Waiting::new(global.quiet);
    let mut tick = tokio::time::interval(TICK);
    let result = loop {
        tokio::select! {
            result = &mut call => break result,
            _ = tick.tick() => waiting.tick(control.pause()),
            signal = signals.next() => {
                control.stop();
                waiting.finish();
                if !(M::CAN_COST && in_flight.is_sent()) || stopped_by.is_some() {
                    return Err(stopped::<M>(global, signal, in_flight.is_sent(), &limit));
                }
                stopped_by = Some(signal);
                print::note(
                    "the request was sent and may be charged, so its answer is waited for; Ctrl-C again stops immediately",
                );
            }
        }
    };
    waiting.finish();
    let code = finish::<M>(global, &client, output, result).await?;
    Ok(stopped_by.map_or(code, Signal::code))
}

/// The possible cost of an interrupted call, and the remedy.
fn stopped<M: ApiMethod>(global: &Global, signal: Signal, is_sent: bool, limit: &Limit) -> Failure {
    if !M::CAN_COST || !is_sent {
        return Failure::new(signal.code(), "stopped; nothing was charged");
    }
    let cost = match limit.highest() {
        Some(highest) => format!("up to {}, as earlier ones did", counted(highest, "credit")),
        None => "credits; no earlier cost is known".to_owned(),
    };
    let help = if global.store.is_some() {
        format!("`{}` finds out (free)", help::command(global, "store reconcile"))
    } else {
        format!("`{}` shows the credits left", help::command(global, "balance"))
    };
    Failure::new(signal.code(), format!("stopped; the call was sent and may have cost {cost}. {help}"))
}

/// Prints the answer, and on standard error its cost and the remaining credits.
async fn finish<M: ApiMethod>(
    global: &Global,
    client: &Client,
    (output, selection): (Output, Selection),
    result: Result<Reply<M::Answer>, Error>,
) -> Result<Code, Failure>
where
    M::Answer: Show,
{
    let reply = match result {
        Ok(reply) => reply,
        Err(error) => {
            let kept = keep_received(&error, output)?;
            return Err(Failure::of_call(&error, global).and(&kept));
        }
    };
    if reply.is_mismatched() {
        print::note("warning: this answers another question, and may be another account's data");
    }
    let printed = show::answer(&reply, output, selection);
    if printed.as_ref().is_err_and(|failure| !failure.is_quiet()) {
        // It was paid for.
        print::note(&format!("not written: {}", String::from_utf8_lossy(reply.raw()).trim_end()));
    }
    if let Some(Storage::NotStored(error)) = reply.storage() {
        print::note(&format!("warning: the answer could not be stored: {error}"));
    }
    if !global.quiet {
        print::note(&cost(client, &reply).await);
        if matches!(reply.credits, Credits::Charged(_)) && global.store.is_none() {
            hint::keep_answers();
        }
    }
    printed?;
    Ok(if reply.is_mismatched() { Code::Undecodable } else { Code::Done })
}

/// The cost of an answer, and the remaining credits.
async fn cost<A>(client: &Client, reply: &Reply<A>) -> String {
    if let Some(Storage::Cached { age, .. }) = reply.storage() {
        let age = std::time::Duration::from_secs(age.as_secs());
        // The balance is not asked for: nothing is sent for a stored answer.
        return format!("stored {} ago, nothing charged", humantime::format_duration(age));
    }
    // Free; if that fails, the answer is as good.
    match client.balance().await {
        Ok(left) => format!("{}, {} left", reply.credits, left.answer.num_credits),
        Err(_) => reply.credits.to_string(),
    }
}

/// Prints or keeps a response that may have been paid for. Returns its place.
fn keep_received(error: &Error, output: Output) -> Result<String, Failure> {
    if let (true, Some(response)) = (output.raw, error.response()) {
        print::bytes(response.body())?;
        return Ok(String::new());
    }
    if error.is_decode() && error.attempts() == 0 {
        return Ok("; --raw prints the stored answer (free)".to_owned());
    }
    let Some(body) = received(error) else { return Ok(String::new()) };
    let mut aside = SetAside::beside(None::<&Path>);
    match aside.keep(error.method(), "it cannot be read", error.credits().charged(), body) {
        Ok(path) => Ok(format!("; the response is kept in {}", path.display())),
        Err(_) => Ok(format!("; the response: {}", String::from_utf8_lossy(body))),
    }
}
