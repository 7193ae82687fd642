//! The command line.
#![expect(clippy::doc_markdown, reason = "these are the texts of `--help`")]
#![expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tgscan_core::types::{GroupQuery, UserQuery, Username};

use crate::batch::BatchCommand;
use crate::show::Selection;

const EXAMPLES: &str = "\
Examples:
  tgscan init                                    set up the key, and keep answers
  tgscan search some_username                    the groups of an account
  tgscan search some_username --json             the same for a program
  tgscan batch list.txt --out out.csv            a list, one account per line
  tgscan batch list.txt --out out.csv --dry-run  what that would cost
  tgscan --max-credits 100 batch list.txt -o out.jsonl
  tgscan store reconcile                         what uncertain calls cost

Environment:
  TGSCAN_API_KEY     the API key
  TGSCAN_CONFIG      the configuration file
  TGSCAN_PROFILE     as --profile
  TGSCAN_STORE, TGSCAN_MAX_AGE, TGSCAN_KEEP_FOR, TGSCAN_ACCOUNT, TGSCAN_KEY_FILE, TGSCAN_TEST_KEY, TGSCAN_BASE_URL,
  TGSCAN_CA, TGSCAN_MAX_CREDITS, TGSCAN_MAX_COST_PER_SEARCH
                     as the flags with these names
  TGSCAN_PAGER, PAGER  shows long tables on a terminal
  HTTPS_PROXY, ALL_PROXY, NO_PROXY  proxies
  NO_COLOR           no colours

Exit codes:
  0  done
  1  the output, the store or something else failed
  2  wrong usage, or invalid accounts in the list
  3  the service refused the API key
  4  no credits are left, or the limit is reached
  5  the network or the service failed
  6  it is not certain whether something was charged
  7  an answer is not as documented, or answers another question
  129, 130, 143  ended by a hangup, by Ctrl-C, or by a request to terminate";

/// The version, the commit if the build names it in `TGSCAN_COMMIT`, and the features.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("TGSCAN_COMMIT").unwrap_or("unknown");
    let features = if cfg!(feature = "postgres") { "postgres" } else { "none" };
    format!("{}\ncommit: {commit}\nfeatures: {features}", env!("CARGO_PKG_VERSION"))
});

/// Finds the Telegram groups that an account is known to be in, and groups with similar users.
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

/// What holds for every command. Without a flag, values come from the environment or the configuration file.
#[derive(Args)]
pub(crate) struct Global {
    /// A file with the API key; without it, the key comes from TGSCAN_API_KEY or is asked for
    #[arg(long, global = true, value_name = "FILE", help_heading = "Account")]
    pub(crate) key_file: Option<PathBuf>,
    /// The key is a test key: call the test methods, which answer with random data and cost nothing
    #[arg(long, global = true, hide_short_help = true, help_heading = "Account")]
    pub(crate) test_key: bool,
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "URL",
        help_heading = "Account",
        // No doc comment, in which a bare URL is an error.
        help = "Another base URL than the service's, such as a mock's or a gateway's [default: https://api.tgdev.io]"
    )]
    pub(crate) base_url: Option<String>,
    /// A PEM file with root certificates to trust beside Mozilla's
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE", help_heading = "Account")]
    pub(crate) ca: Option<PathBuf>,
    /// Spend at most N credits in this run; costs are known only afterwards, so a single search can exceed it
    ///
    /// The service states no prices. One search begins at a time until a cost is known, and again when little is left, so that the
    /// limit is exceeded by less than one search. This cannot be promised if a search costs more than 4 times the highest
    /// cost so far while several are in flight; --max-cost-per-search makes it exact.
    #[arg(long, global = true, value_name = "N", help_heading = "Account")]
    pub(crate) max_credits: Option<u64>,
    /// The most that one search costs: --max-credits is then never exceeded
    #[arg(long, global = true, hide_short_help = true, value_name = "N", help_heading = "Account")]
    pub(crate) max_cost_per_search: Option<u64>,
    /// Use the values of this profile in the configuration file [env: TGSCAN_PROFILE]
    #[arg(long, global = true, hide_short_help = true, value_name = "NAME", help_heading = "Account")]
    pub(crate) profile: Option<String>,
    /// Keep answers in this file, or in postgres://…, and pay for no question twice [env: TGSCAN_STORE]
    #[arg(long, global = true, value_name = "FILE|URL", help_heading = "Store")]
    pub(crate) store: Option<String>,
    /// Use no store
    #[arg(long, global = true, hide_short_help = true, conflicts_with = "store", help_heading = "Store")]
    pub(crate) no_store: bool,
    /// Use stored answers up to this age [default: 7days]
    #[arg(long, global = true, hide_short_help = true, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Store")]
    pub(crate) max_age: Option<Duration>,
    /// Remove questions and answers after this time [default: 30days]
    #[arg(long, global = true, hide_short_help = true, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Store")]
    pub(crate) keep_for: Option<Duration>,
    /// The account that pays, where several share the store [default: default]
    #[arg(long, global = true, hide_short_help = true, value_name = "LABEL", help_heading = "Store")]
    pub(crate) account: Option<String>,
    /// Ask again where an earlier call may have been charged: this can pay twice for one answer
    #[arg(long, global = true, hide_short_help = true, help_heading = "Store")]
    pub(crate) pay_again: bool,
    /// How long one request may take, such as 10s [default: 30s]
    #[arg(long, global = true, hide_short_help = true, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// When to use colours; NO_COLOR is respected
    #[arg(long, global = true, hide_short_help = true, value_name = "WHEN")]
    pub(crate) color: Option<Color>,
    /// Print results and errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Print each request with its protocol, status, size and time
    #[arg(long, short, global = true, hide_short_help = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Flags of this command that another one needs to find the same store and account.
    #[arg(skip)]
    pub(crate) given: Vec<(&'static str, String)>,
}

impl Global {
    /// Returns the base URL in effect.
    pub(crate) fn base_url(&self) -> &str {
        self.base_url.as_deref().unwrap_or(crate::settings::BASE_URL)
    }
}

/// When to use colours.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    pub(crate) fn write_global(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Find the groups that an account is known to be in; costs credits
    Search(SearchCommand),
    /// Find groups with many of the same users; costs credits
    Similar(SimilarCommand),
    /// Show what is known about an account; free
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
    /// Set up the API key, and whether answers are kept
    Init(crate::init::InitCommand),
    /// Print the configuration in effect and where it comes from
    Config,
    /// Serve the API to programs in any language, with budgets, and never pay for a question twice
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

/// How to print an answer.
#[derive(Args, Clone, Copy)]
#[group(multiple = false)]
pub(crate) struct Output {
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the response body byte for byte
    #[arg(long)]
    pub(crate) raw: bool,
    /// Print the groups as CSV
    #[arg(long)]
    pub(crate) csv: bool,
    /// Print the groups as CSV for Excel, with a byte order mark
    #[arg(long)]
    pub(crate) excel: bool,
}

/// How to print rows of the store.
#[derive(Args, Clone, Copy)]
#[group(multiple = false)]
pub(crate) struct Format {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print CSV
    #[arg(long)]
    pub(crate) csv: bool,
}

/// Which answers are accepted.
#[derive(Args, Clone, Copy)]
#[group(multiple = false)]
pub(crate) struct LookupFlags {
    /// Ask anew, also if an answer is stored
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Print a stored answer or fail; send nothing
    #[arg(long)]
    pub(crate) stored_only: bool,
}

#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Print what was spent, by account, day and API method
    Bill(Format),
    /// List calls that brought no answer and were charged, or may have been
    Uncertain(Format),
    /// Resolve one of them by hand, or correct what a call cost
    Resolve {
        /// The call, as `tgscan store uncertain` lists it
        call: u64,
        /// What it cost, in credits; 0 for nothing
        credits: u64,
    },
    /// Compare the bill with the balance (free), and resolve uncertain calls
    Reconcile {
        /// How long after a call it may still be charged
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "30s")]
        late_charge: Duration,
    },
    /// Record bought credits, so that comparing with the balance stays exact
    Purchase {
        /// How many were bought
        credits: u64,
    },
    /// Remove questions and answers that are older than --keep-for
    Expire,
    /// Remove everything about a person, under every name and id that the answers connect
    Erase {
        /// A username, a t.me link or a numeric id
        #[arg(value_name = "ACCOUNT")]
        person: UserQuery,
        /// Do not ask whether to remove them
        #[arg(long)]
        yes: bool,
    },
    /// Print calls with their answers as JSON lines
    Export,
    /// Print the totals of the account
    Info(Format),
}
