//! One call, and its answer.

use tgscan_core::types::{ApiMethod, GroupQuery, Search, SimilarGroups, UserCheck};
use tgscan_core::{Client, Error, Reply, Storage};

use crate::args::{Global, Output, SimilarCommand, UserCommand};
use crate::exit::{Code, Failure};
use crate::show::{self, Show};
use crate::{connect, print};

pub(crate) async fn search(global: &Global, command: UserCommand) -> Result<Code, Failure> {
    let client = with_lookup(global, command.lookup).await?;
    let result = client.send(Search { query: command.query }).await;
    finish::<Search>(global, &client, command.output, result).await
}

pub(crate) async fn similar(global: &Global, command: SimilarCommand) -> Result<Code, Failure> {
    let client = with_lookup(global, command.lookup).await?;
    let query = GroupQuery::new(command.usernames).map_err(|error| Failure::usage(error.to_string()))?;
    let result = client.send(SimilarGroups { query }).await;
    finish::<SimilarGroups>(global, &client, command.output, result).await
}

pub(crate) async fn check(global: &Global, command: UserCommand) -> Result<Code, Failure> {
    let client = with_lookup(global, command.lookup).await?;
    let result = client.send(UserCheck { query: command.query }).await;
    finish::<UserCheck>(global, &client, command.output, result).await
}

pub(crate) async fn balance(global: &Global, output: Output) -> Result<Code, Failure> {
    let client = connect::client(global).await?;
    let reply = client.balance().await?;
    show::answer(&reply, output).map(|()| Code::Done)
}

async fn with_lookup(global: &Global, flags: crate::args::LookupFlags) -> Result<Client, Failure> {
    let lookup = connect::lookup(global, flags)?;
    Ok(connect::client(global).await?.with_lookup(lookup))
}

/// Prints the answer, and on standard error what it cost and what is left.
async fn finish<M: ApiMethod>(
    global: &Global,
    client: &Client,
    output: Output,
    result: Result<Reply<M::Answer>, Error>,
) -> Result<Code, Failure>
where
    M::Answer: Show,
{
    let reply = match result {
        Ok(reply) => reply,
        Err(error) => {
            // What was paid for is shown, also where it does not fit.
            if let (true, Some(response)) = (output.raw, error.response()) {
                print::bytes(response.body())?;
            }
            return Err(error.into());
        }
    };
    if reply.is_mismatched() {
        print::note("warning: this answers another question, and may be somebody else's data");
    }
    show::answer(&reply, output)?;
    let cost = match reply.storage() {
        Some(Storage::Cached { age, .. }) => {
            let age = std::time::Duration::from_secs(age.as_secs());
            format!("stored {} ago, nothing charged", humantime::format_duration(age))
        }
        Some(Storage::NotStored(error)) => {
            print::note(&format!("warning: the answer could not be stored: {error}"));
            reply.credits.to_string()
        }
        _ => reply.credits.to_string(),
    };
    if !global.quiet {
        // Free; and that it fails is no reason to doubt the answer.
        let left = client.balance().await.map(|reply| reply.answer.num_credits);
        print::note(&left.map_or_else(|_| cost.clone(), |left| format!("{cost}, {left} left")));
    }
    Ok(Code::Done)
}
