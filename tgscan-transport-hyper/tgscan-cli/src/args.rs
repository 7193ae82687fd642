//! The flags that commands share.
#![expect(clippy::doc_markdown, reason = "these are the texts of `--help`")]
#![expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ColorChoice, Subcommand};
use tgscan_core::types::UserQuery;

/// The service.
pub(crate) const BASE_URL: &str = "https://api.tgdev.io";

/// The flags of every command. Without a flag, values come from the environment or the configuration file.
#[derive(Args)]
pub(crate) struct Global {
    /// Read the API key from this file; by default from TGSCAN_API_KEY, else from a prompt
    #[arg(long, global = true, value_name = "FILE", help_heading = "Account")]
    pub(crate) key_file: Option<PathBuf>,
    /// Treat the key as a test key: call the test methods, which return random data and cost nothing
    #[arg(long, global = true, hide_short_help = true, help_heading = "Account")]
    pub(crate) test_key: bool,
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "URL",
        help_heading = "Account",
        // No doc comment, in which a bare URL is an error.
        help = "Send requests to this base URL, such as that of a mock or a gateway [default: https://api.tgdev.io]"
    )]
    pub(crate) base_url: Option<String>,
    /// Trust the root certificates in this PEM file, in addition to Mozilla's
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE", help_heading = "Account")]
    pub(crate) ca: Option<PathBuf>,
    /// Spend at most N credits in this run; costs are known only afterwards, so a single search can exceed it
    ///
    /// The service states no prices. Searches run one at a time until a cost is known, and again when little is left,
    /// so the limit is exceeded by less than the cost of one search. Exception: the excess can be larger if a search
    /// costs more than 4 times the highest cost so far while several are in flight. --max-cost-per-search makes the limit exact.
    #[arg(long, global = true, value_name = "N", help_heading = "Account")]
    pub(crate) max_credits: Option<u64>,
    /// Assume that a search costs at most N credits; --max-credits is then never exceeded
    #[arg(long, global = true, hide_short_help = true, value_name = "N", help_heading = "Account")]
    pub(crate) max_cost_per_search: Option<u64>,
    /// Use the values of this profile in the configuration file [env: TGSCAN_PROFILE]
    #[arg(long, global = true, hide_short_help = true, value_name = "NAME", help_heading = "Account")]
    pub(crate) profile: Option<String>,
    /// Keep answers in this file, or in postgres://…, and pay for no question twice [env: TGSCAN_STORE]
    #[arg(long, global = true, value_name = "FILE|URL", help_heading = "Store")]
    pub(crate) store: Option<String>,
    /// Do not use a store
    #[arg(long, global = true, hide_short_help = true, conflicts_with = "store", help_heading = "Store")]
    pub(crate) no_store: bool,
    /// Use stored answers up to this age [default: 7days]
    #[arg(long, global = true, hide_short_help = true, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Store")]
    pub(crate) max_age: Option<Duration>,
    /// Remove questions and answers after this time [default: 30days]
    #[arg(long, global = true, hide_short_help = true, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Store")]
    pub(crate) keep_for: Option<Duration>,
    /// Label of the account that pays, if several share the store [default: default]
    #[arg(long, global = true, hide_short_help = true, value_name = "LABEL", help_heading = "Store")]
    pub(crate) account: Option<String>,
    /// Ask again even if an earlier call may have been charged; this can pay twice for one answer
    #[arg(long, global = true, hide_short_help = true, help_heading = "Store")]
    pub(crate) pay_again: bool,
    /// Time limit for each request, such as 10s [default: 30s]
    #[arg(long, global = true, hide_short_help = true, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// When to use colours; NO_COLOR is respected
    #[arg(long, global = true, hide_short_help = true, value_name = "WHEN")]
    pub(crate) color: Option<ColorChoice>,
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
    pub(crate) fn base_url(&self) -> &str {
        self.base_url.as_deref().unwrap_or(BASE_URL)
    }

    /// Returns whether `--max-age` refuses every stored answer.
    pub(crate) fn has_no_max_age(&self) -> bool {
        self.max_age.is_some_and(|max_age| max_age.is_zero())
    }
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
    /// Print the answer as CSV
    #[arg(long)]
    pub(crate) csv: bool,
    /// Print the answer as CSV for Excel, with a byte order mark
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

impl Format {
    /// Returns whether a program reads the output.
    pub(crate) fn is_for_programs(self) -> bool {
        self.json || self.csv
    }
}

/// Which answers are accepted.
#[derive(Args, Clone, Copy)]
#[group(multiple = false)]
pub(crate) struct LookupFlags {
    /// Ask again even if an answer is stored
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Print a stored answer or fail; send nothing
    #[arg(long)]
    pub(crate) stored_only: bool,
}

#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Print the bill, by account, day and API method
    Bill(Format),
    /// List unresolved calls: they returned no answer, and were or may have been charged
    Uncertain(Format),
    /// Resolve an uncertain call by hand, or correct the cost of a call
    Resolve {
        /// Number of the call, from `tgscan store uncertain`
        call: u64,
        /// Its cost in credits; 0 if it was not charged
        credits: u64,
    },
    /// Compare the book with the balance (free), and resolve uncertain calls
    Reconcile {
        /// How long after its end a call may still be charged
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "30s")]
        late_charge: Duration,
        #[command(flatten)]
        format: Format,
    },
    /// Record bought credits, so that later comparisons with the balance stay exact
    Purchase {
        /// Number of credits bought
        credits: u64,
    },
    /// Remove questions and answers that are older than --keep-for
    Expire,
    /// Remove a person's questions and answers, under every name and id that the answers connect
    Erase {
        /// A username, a t.me link or a numeric id
        #[arg(value_name = "ACCOUNT")]
        person: UserQuery,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Print calls with their answers as JSON lines
    Export {
        /// Print the readable calls of a damaged file that no process has open; the file is not changed
        #[arg(long)]
        damaged: bool,
    },
    /// Verify every page and row of the store's file
    Check(Format),
    /// Print the totals of the account
    Info(Format),
}
