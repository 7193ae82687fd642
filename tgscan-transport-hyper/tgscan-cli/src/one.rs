//! One call, and its answer.

use clap::Args;
use tgscan_core::store::Lookup;
use tgscan_core::types::{ApiMethod, GroupQuery, Search, SimilarGroups, UserCheck, UserQuery, Username};
use tgscan_core::{Client, Credits, Error, Reply, Storage};

use crate::args::{Global, LookupFlags, Output};
use crate::exit::{Code, Failure, counted};
use crate::explain::{LIMIT_REACHED, received};
use crate::files::{SetAside, Source, UNWRITTEN};
use crate::gate::{Control, Gate, InFlight};
use crate::limit::{Limit, Verdict};
use crate::show::{self, Printout, Selection, Show};
use crate::signals::{Signal, Signals};
use crate::waiting::{TICK, Waiting};
use crate::{connect, help, hint, print, words};

#[derive(Args)]
pub(crate) struct SearchCommand {
    #[command(flatten)]
    pub(crate) user: UserCommand,
    #[command(flatten)]
    pub(crate) selection: Selection,
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
    let UserCommand { query, output, lookup } = command.user;
    let asked = query.as_str().into_owned();
    run(global, (output, command.selection), lookup, (asked, Search { query })).await
}

pub(crate) async fn similar(global: &Global, command: SimilarCommand) -> Result<Code, Failure> {
    let asked = command.usernames.iter().map(Username::as_str).collect::<Vec<_>>().join(" ");
    let query = GroupQuery::new(command.usernames).map_err(|error| Failure::usage(error.to_string()))?;
    run(global, (command.output, Selection::default()), command.lookup, (asked, SimilarGroups { query }))
        .await
}

pub(crate) async fn check(global: &Global, command: UserCommand) -> Result<Code, Failure> {
    let asked = command.query.as_str().into_owned();
    let method = UserCheck { query: command.query };
    run(global, (command.output, Selection::default()), command.lookup, (asked, method)).await
}

pub(crate) async fn balance(global: &Global, output: Output) -> Result<Code, Failure> {
    let client = connect::client_without_store(global)?;
    let reply = client.balance().await.map_err(|error| Failure::of_call(&error, global))?;
    show::answer(&reply, output, Selection::default())?.print().map(|()| Code::Done)
}

/// Sends a call and prints its answer. A signal ends it, unless it is a paid call in flight: that takes a second one.
async fn run<M: ApiMethod + Clone>(
    global: &Global,
    output: (Output, Selection),
    flags: LookupFlags,
    (asked, method): (String, M),
) -> Result<Code, Failure>
where
    M::Answer: Show,
{
    let lookup = connect::lookup(global, flags)?;
    let control = Control::default();
    let end = |client: &Client, signals, stopped_by| End {
        global,
        client: client.clone(),
        output,
        asked: asked.clone(),
        method: M::NAME,
        control: control.clone(),
        signals,
        stopped_by,
    };
    if flags.stored_only {
        let client = connect::stored_only_client(global).await?;
        let result = client.send(method).await;
        return end(&client, Signals::listen()?, None).finish::<M>(result).await;
    }
    let in_flight = InFlight::default();
    let client =
        connect::client_through(global, |transport| Gate { transport, control: control.clone() }).await?;
    let client = client.with_lookup(lookup);
    let can_cost = client.api().can_cost::<M>();
    if can_cost && lookup == Lookup::StoredOrNew && client.account().is_some() {
        // A stored answer needs no connection, no balance, and no room under a limit.
        let stored = client.clone().with_lookup(Lookup::Stored).send(method.clone()).await;
        if stored.is_ok() {
            return end(&client, Signals::listen()?, None).finish::<M>(stored).await;
        }
    }
    let mut limit = connect::limit::<M>(global, &client).await?;
    if can_cost && limit.begin() != Verdict::Go {
        return Err(Failure::new(Code::NoCredits, LIMIT_REACHED));
    }
    if can_cost {
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
            _ = tick.tick() => waiting.tick(client.paused_for()),
            signal = signals.next() => {
                control.stop();
                waiting.finish();
                let may_cost = can_cost && in_flight.is_sent();
                if !may_cost || stopped_by.is_some() {
                    return Err(stopped(global, signal, may_cost, &limit));
                }
                stopped_by = Some(signal);
                print::note(
                    "the request was sent and may be charged, so this waits for its answer; Ctrl-C again stops immediately",
                );
            }
        }
    };
    waiting.finish();
    end(&client, signals, stopped_by).finish::<M>(result).await
}

/// Describes the possible cost of an interrupted call, and the remedy.
fn stopped(global: &Global, signal: Signal, may_cost: bool, limit: &Limit) -> Failure {
    if !may_cost {
        return Failure::new(signal.code(), "stopped; nothing was charged");
    }
    let cost = match limit.highest() {
        Some(highest) => format!("up to {}, as earlier ones did", counted(highest, "credit")),
        None => "credits; no earlier cost is known".to_owned(),
    };
    let help = if global.store.is_some() {
        format!("`{}` determines its cost (free)", help::command(global, "store reconcile"))
    } else {
        format!("`{}` shows the credits left", help::command(global, "balance"))
    };
    Failure::new(signal.code(), format!("stopped; the call was sent and may have cost {cost}. {help}"))
}

/// The end of a call: its answer is printed, and signals stop that.
struct End<'a> {
    global: &'a Global,
    client: Client,
    output: (Output, Selection),
    /// The question.
    asked: String,
    method: &'static str,
    control: Control,
    signals: Signals,
    stopped_by: Option<Signal>,
}

impl End<'_> {
    /// Prints the answer, and on standard error its cost and the remaining credits. If a paid answer cannot be printed,
    /// sets it aside, unless it is in the store.
    async fn finish<M: ApiMethod>(mut self, result: Result<Reply<M::Answer>, Error>) -> Result<Code, Failure>
    where
        M::Answer: Show,
    {
        let reply = match result {
            Ok(reply) => reply,
            Err(error) => {
                let kept = self.keep_received(&error).await;
                let failure = Failure::of_call(&error, self.global).and(&kept);
                return Err(match self.stopped_by {
                    Some(signal) => failure.with_code(signal.code()),
                    None => failure,
                });
            }
        };
        if reply.is_mismatched() {
            print::note("warning: this answers another question, and may be another account's data");
        }
        let (output, selection) = self.output;
        let printed = match show::answer(&reply, output, selection) {
            Ok(printout) => self.print(printout).await,
            Err(failure) => Err(failure),
        };
        if printed.is_err() && reply.credits != Credits::NotCharged {
            let kept = match reply.storage() {
                Some(Storage::Stored) => {
                    let age = if self.global.has_no_max_age() {
                        format!(" --max-age {}", help::usual_max_age())
                    } else {
                        String::new()
                    };
                    format!("the answer is in the store, and --stored-only{age} prints it (free)")
                }
                _ => self.set_aside(UNWRITTEN, reply.credits.charged(), reply.raw()),
            };
            print::note(&format!("not written; {kept}"));
        }
        if let Some(Storage::NotStored(error)) = reply.storage() {
            let why = words::translated(&error.to_string());
            print::note(&format!("warning: the answer could not be stored: {why}"));
        }
        if !self.global.quiet {
            print::note(&self.cost(&reply).await);
            if matches!(reply.credits, Credits::Charged(_)) && self.global.store.is_none() {
                hint::keep_answers();
            }
        }
        // A reader that goes away is not an error.
        if let Err(failure) = printed
            && failure.code() != Code::Done
        {
            return Err(failure);
        }
        let code = if reply.is_mismatched() { Code::Undecodable } else { Code::Done };
        Ok(self.stopped_by.map_or(code, Signal::code))
    }

    /// Prints a text, unless its reader has stopped reading when a signal arrives.
    async fn print(&mut self, printout: Printout) -> Result<(), Failure> {
        let printed = self.signals.finish_write(&mut self.stopped_by, move || printout.print()).await;
        if self.stopped_by.is_some() {
            self.control.stop();
        }
        let code = self.stopped_by.map_or(Code::Other, Signal::code);
        printed.unwrap_or_else(|| Err(Failure::stalled(code)))
    }

    /// Describes the cost of an answer, and the remaining credits. A signal leaves the latter out.
    async fn cost<A>(&mut self, reply: &Reply<A>) -> String {
        if let Some(Storage::Cached { age, .. }) = reply.storage() {
            let age = std::time::Duration::from_secs(age.as_secs());
            // Without the balance: nothing is sent for a stored answer.
            return format!("stored {} ago, nothing charged", humantime::format_duration(age));
        }
        // Free. If this fails, the balance is left out.
        let left = tokio::select! {
            left = self.client.balance() => left.ok(),
            signal = self.signals.next() => {
                self.stopped_by = Some(signal);
                None
            }
        };
        match left {
            Some(left) => format!("{}, {} left", reply.credits, left.answer.num_credits),
            None => reply.credits.to_string(),
        }
    }

    /// Prints or sets aside the response of a failed call that may have been paid for. Returns the end of the error text,
    /// which states where the response is.
    async fn keep_received(&mut self, error: &Error) -> String {
        let mut text = String::new();
        let is_raw = self.output.0.raw;
        if let (true, Some(response)) = (is_raw, error.response()) {
            match self.print(Printout::Bytes(response.body().to_vec())).await {
                Ok(()) => return text,
                Err(failure) if failure.is_quiet() => {}
                Err(failure) => text = format!("; {failure}"),
            }
        } else if error.is_decode() && error.attempts() == 0 {
            return "; --raw prints the stored answer (free)".to_owned();
        }
        let Some(body) = received(error) else { return text };
        text + "; " + &self.set_aside("it cannot be read", error.credits().charged(), body)
    }

    /// Sets aside a response that was paid for. Returns its location, or its text if it cannot be written.
    fn set_aside(&self, why: &str, credits: u64, body: &[u8]) -> String {
        let (method, is_test) = (self.method, self.global.test_key);
        let service = self.client.api().service().to_owned();
        let mut aside = SetAside::beside(None, Source { method, is_test, service });
        match aside.keep(&self.asked, why, credits, body) {
            Ok(path) => {
                let text = format!("the response is kept in {}", show::escape(&path.display().to_string()));
                match aside.sync()() {
                    Ok(()) => text,
                    Err(error) => format!("{text}, which may not be on the disk: {error}"),
                }
            }
            Err(_) => format!("the response: {}", String::from_utf8_lossy(body).trim_end()),
        }
    }
}
