//! The command line.
#![expect(clippy::doc_markdown, reason = "these are the texts of `--help`")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tgscan_core::types::{GroupQuery, UserQuery, Username};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the output, the store or something else failed
  2  wrong usage, or accounts in the list that are none
  3  the service refused the API key
  4  no credits are left, or the limit is reached
  5  the network or the service failed
  6  it is not certain whether something was charged
  7  an answer is not as documented
  130  interrupted";

/// Tells in which Telegram groups an account is known to be, and which groups are similar.
#[derive(Parser)]
#[command(name = "tgscan", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Args)]
pub(crate) struct Global {
    /// A file with the API key; without it, the key comes from TGSCAN_API_KEY or is asked for
    #[arg(long, global = true, value_name = "FILE", help_heading = "Account")]
    pub(crate) key_file: Option<PathBuf>,
    /// The key is a test key: call the test methods, which answer with random data and cost nothing
    #[arg(long, global = true, help_heading = "Account")]
    pub(crate) test_key: bool,
    /// Another base URL than the service's, such as a mock's or a gateway's
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "https://api.tgdev.io",
        help_heading = "Account"
    )]
    pub(crate) base_url: String,
    /// A PEM file with root certificates to trust beside Mozilla's
    #[arg(long, global = true, value_name = "FILE", help_heading = "Account")]
    pub(crate) ca: Option<PathBuf>,
    /// Send nothing that could bring the costs of this run above so many credits
    #[arg(long, global = true, value_name = "N", help_heading = "Account")]
    pub(crate) max_credits: Option<u64>,
    /// Keep answers in this file, or in postgres://…, and pay for no question twice
    #[arg(
        long,
        global = true,
        value_name = "FILE|URL",
        env = "TGSCAN_STORE",
        hide_env_values = true,
        help_heading = "Store"
    )]
    pub(crate) store: Option<String>,
    /// Use stored answers up to this age, such as 7days
    #[arg(long, global = true, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Store")]
    pub(crate) max_age: Option<Duration>,
    /// Remove questions and answers after this time, such as 30days
    #[arg(long, global = true, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Store")]
    pub(crate) keep_for: Option<Duration>,
    /// Which account pays, if several share the store
    #[arg(long, global = true, value_name = "LABEL", default_value = "default", help_heading = "Store")]
    pub(crate) account: String,
    /// When to use colours; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN")]
    pub(crate) color: Option<Color>,
    /// Print results and errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
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
    /// In which groups an account is known to be; costs credits
    Search(UserCommand),
    /// Groups with many of the same users; costs credits
    Similar(SimilarCommand),
    /// What is known about an account; free
    Check(UserCommand),
    /// How many credits are left; free
    Balance(Output),
    /// Search a list of accounts, which can be interrupted and gone on with
    Batch(BatchCommand),
    /// What the store has: bill, uncertain calls, answers
    #[command(subcommand)]
    Store(StoreCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man,
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

/// How an answer is printed.
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

#[derive(Args)]
pub(crate) struct BatchCommand {
    /// The list, one account per line or a CSV file; `-` reads standard input
    pub(crate) file: PathBuf,
    /// The CSV column with the accounts, by name or number from 1
    #[arg(long, value_name = "NAME|N")]
    pub(crate) column: Option<String>,
    /// Append the answers to this .jsonl or .csv file; accounts that are in it already are skipped
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// How many calls at once
    #[arg(long, short, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Check each account first (free), and do not search those of which nothing is known
    #[arg(long)]
    pub(crate) check_first: bool,
    /// Send no search; say what there is to do and at most to pay
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// What was spent, by day and method
    Bill,
    /// Calls of which it is not known whether they were charged
    Uncertain,
    /// Settle one of them by hand
    Settle {
        /// The call, as `tgscan store uncertain` lists it
        call: u64,
        /// What it cost, in credits; 0 for nothing
        credits: u64,
    },
    /// Settle them by comparing with the balance, which is asked for (free)
    Reconcile {
        /// How long after a call it may still be charged
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "30s")]
        late_charge: Duration,
    },
    /// Record bought credits, so that comparing with the balance stays exact
    TopUp {
        /// How many were bought
        credits: u64,
    },
    /// Remove questions and answers whose time is over
    Expire,
    /// Remove everything about a person, under every name and id that the answers connect
    Erase {
        /// A username, a t.me link or a numeric id
        #[arg(value_name = "ACCOUNT")]
        person: UserQuery,
    },
    /// Print calls with their answers as JSON lines
    Export,
    /// Totals of the account
    Info,
}
