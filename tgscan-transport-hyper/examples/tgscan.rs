//! The TgScan API on the command line.
//!
//! ```console
//! $ export TGSCAN_API_KEY=…
//! $ cargo run --example tgscan -- balance
//! $ cargo run --example tgscan -- search some_username
//! $ cargo run --example tgscan -- --cap 20 similar-groups some_group another_group
//! $ cargo run --example tgscan -- --test-key --base-url https://127.0.0.1:8443 --ca ca.pem user-check 777000
//! ```
//!
//! The key comes from the environment and never from the command line, which other users of a machine can read.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what a command line is for")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Deserialize;
use serde_json::value::RawValue;
use tgscan_core::types::{
    BalanceAnswer, GroupQuery, SearchAnswer, SimilarGroupsAnswer, UserCheckAnswer, UserQuery, Username,
};
use tgscan_core::{Api, ApiKey, Ledger, Reply, Reserve};
use tgscan_transport_hyper::HyperTransport;

/// Calls one method of the TgScan API. The API key is read from the environment variable `TGSCAN_API_KEY`.
#[derive(Parser)]
#[command(name = "tgscan")]
struct Arguments {
    #[command(subcommand)]
    method: Method,
    /// The key is a test key: call the test methods, which answer with random data and cost nothing
    #[arg(long, global = true)]
    test_key: bool,
    /// Another base URL than the service's, such as a mock's
    #[arg(long, global = true, value_name = "URL", default_value = "https://api.tgdev.io")]
    base_url: String,
    /// Print the result as raw JSON
    #[arg(long, global = true)]
    json: bool,
    /// A PEM file with root certificates to trust beside the usual ones
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Send no call that could bring the costs above this many credits
    #[arg(long, global = true, value_name = "N")]
    cap: Option<u64>,
}

#[derive(Subcommand)]
enum Method {
    /// In which groups an account is known to be; costs credits
    Search {
        /// A username or a numeric id
        query: UserQuery,
    },
    /// Groups with many of the same users; costs credits
    SimilarGroups {
        /// 1 to 10 usernames of groups
        #[arg(required = true, num_args = 1..=GroupQuery::MAX_USERNAMES, value_name = "USERNAME")]
        usernames: Vec<Username>,
    },
    /// What is known about an account; free
    UserCheck {
        /// A username or a numeric id
        query: UserQuery,
    },
    /// How many credits are left; free
    Balance,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // clap exits with status 2 on wrong usage.
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tgscan: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let key = std::env::var("TGSCAN_API_KEY").map_err(|_| "set TGSCAN_API_KEY to your API key")?;
    let key = if arguments.test_key { ApiKey::test(key)? } else { ApiKey::live(key)? };
    let ledger = match arguments.cap {
        Some(cap) => Ledger::with_cap(cap, Reserve::OneAtATime),
        None => Ledger::new(),
    };
    let api = Api::with_base_url(&arguments.base_url, key)?.with_ledger(ledger);
    let mut transport = HyperTransport::builder();
    if let Some(path) = &arguments.ca {
        let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        transport = transport.extra_roots_pem(pem);
    }
    let client = transport.build()?.client(api);

    let json = arguments.json;
    match arguments.method {
        Method::Search { query } => show(&client.search(query).await?, json, search),
        Method::SimilarGroups { usernames } => {
            show(&client.similar_groups(GroupQuery::new(usernames)?).await?, json, similar_groups)
        }
        Method::UserCheck { query } => show(&client.user_check(query).await?, json, user_check),
        Method::Balance => show(&client.balance().await?, json, balance),
    }
}

/// Prints an answer as raw JSON or for people. What it cost goes to the error stream, away from the data.
fn show<A>(reply: &Reply<A>, json: bool, print: fn(&A)) -> Result<(), Box<dyn Error>> {
    #[derive(Deserialize)]
    struct Raw {
        result: Box<RawValue>,
    }
    if json {
        println!("{}", reply.reparse::<Raw>()?.result);
    } else {
        print(&reply.answer);
    }
    eprintln!("{}", reply.credits);
    Ok(())
}

fn search(answer: &SearchAnswer) {
    match &answer.user {
        Some(user) => {
            println!("{} {}", user.first_name, user.last_name.as_deref().unwrap_or_default());
            println!("  id        {}", user.id);
            println!("  username  {}", at(user.username.as_deref()));
        }
        None => println!("no such user is known"),
    }
    for entry in &answer.username_history {
        println!("  was       {} ({})", at(Some(&entry.username)), entry.date);
    }
    for entry in &answer.id_history {
        println!("  was       {} ({})", entry.id, entry.date);
    }
    println!("{} of {} known groups", answer.meta.num_groups, answer.meta.known_num_groups);
    for group in &answer.groups {
        println!("  {:<24} {} ({})", at(group.username.as_deref()), group.title, group.date_updated);
    }
}

fn similar_groups(answer: &SimilarGroupsAnswer) {
    println!("{} similar groups", answer.groups.len());
    for group in &answer.groups {
        println!("  {:<24} {} ({} users)", at(Some(&group.username)), group.title, group.num_users);
    }
}

fn user_check(answer: &UserCheckAnswer) {
    let known = |known| if known { "known" } else { "not known" };
    let user = answer.user.unwrap_or_default();
    println!("username    {}", known(user.username));
    println!("first name  {}", known(user.first_name));
    println!("last name   {}", known(user.last_name));
    println!("groups      {} known", answer.meta.known_num_groups);
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "all answers are printed in the same way")]
fn balance(answer: &BalanceAnswer) {
    println!("{} credits", answer.num_credits);
}

fn at(username: Option<&str>) -> String {
    username.map_or_else(|| "-".to_owned(), |name| format!("@{name}"))
}
