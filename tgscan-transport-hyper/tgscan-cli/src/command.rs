//! The commands.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Parser, Subcommand};

use crate::args::{Global, Output, StoreCommand};
use crate::batch::BatchCommand;
use crate::one::{SearchCommand, SimilarCommand, UserCommand};

const EXAMPLES: &str = "\
Examples:
  tgscan init                                    set up the key, and keep answers
  tgscan search some_username                    the groups of an account
  tgscan search some_username --json             the same, as JSON for a program
  tgscan batch list.txt --out out.csv            a list, one account per line
  tgscan batch list.txt --out out.csv --dry-run  its plan and cost
  tgscan --max-credits 100 batch list.txt -o out.jsonl  for at most 100 credits
  tgscan overlap alice_1 bob_1 carol_1           the groups that they share
  tgscan report --list list.txt -o case.html     a page to read, print and keep
  tgscan store reconcile                         find the cost of uncertain calls

Environment:
  TGSCAN_API_KEY     the API key
  TGSCAN_CONFIG      the configuration file
  TGSCAN_PROFILE     same as --profile
  TGSCAN_STORE, TGSCAN_MAX_AGE, TGSCAN_KEEP_FOR, TGSCAN_ACCOUNT, TGSCAN_KEY_FILE, TGSCAN_TEST_KEY, TGSCAN_BASE_URL,
  TGSCAN_CA, TGSCAN_MAX_CREDITS, TGSCAN_MAX_COST_PER_SEARCH
                     same as the flags with these names
  TGSCAN_PAGER, PAGER  the pager for long tables
  HTTPS_PROXY, ALL_PROXY, NO_PROXY  proxies
  NO_COLOR           no colours

Exit codes:
  0  done
  1  the output, the store or something else failed
  2  wrong usage, or invalid accounts in the list
  3  the service refused the API key
  4  no credits are left, or the limit is reached
  5  the network or the service failed
  6  something may have been charged
  7  an answer is not as documented, or answers another question
  129, 130, 143  ended by a hangup, by Ctrl-C, or by a request to terminate";

/// The version, the commit if the build names it in `TGSCAN_COMMIT`, and the features.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("TGSCAN_COMMIT").unwrap_or("unknown");
    let features = if cfg!(feature = "postgres") { "postgres" } else { "none" };
    format!("{}\ncommit: {commit}\nfeatures: {features}", env!("CARGO_PKG_VERSION"))
});

/// Finds the Telegram groups that an account is known to be in, and groups that share many users.
#[derive(Parser)]
#[command(
    name = "tgscan",
    version,
    long_version = LONG_VERSION.as_str(),
    after_long_help = EXAMPLES,
    after_help = "`tgscan --help` has examples, the environment, exit codes and all flags.",
    max_term_width = 100
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Find the groups that an account is known to be in; costs credits
    Search(SearchCommand),
    /// Find groups with many of the same users; costs credits
    Similar(SimilarCommand),
    /// Show which facts about an account are known; free
    Check(UserCommand),
    /// Show how many credits are left; free
    Balance(Output),
    /// Search a list of accounts; resumable
    Batch(BatchCommand),
    /// Show and change the store: bill, uncertain calls, answers
    #[command(subcommand)]
    Store(StoreCommand),
    /// Compare the two latest stored answers about an account; free
    Diff(crate::diff::DiffCommand),
    /// Show the groups that several accounts share, from stored answers; free
    Overlap(crate::overlap::OverlapCommand),
    /// Write a page about several accounts and their groups, from stored answers; free
    Report(crate::report::ReportCommand),
    /// Record how the service answers, with a test key; free
    Probe(crate::probe::ProbeCommand),
    /// Set up the API key, and optionally a store for answers
    Init(crate::init::InitCommand),
    /// Print the configuration in effect and where it comes from
    Config,
    /// Run the gateway: serve the API to programs in any language, with budgets and a store
    Serve(crate::serve::args::ServeCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page, or write those of all commands
    Man {
        /// Write the pages of all commands into this folder
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}
