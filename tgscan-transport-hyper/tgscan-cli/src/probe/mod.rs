//! Records how the service answers, with a test key and for free.

mod file;
mod form;
mod requests;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response};
use tgscan_core::{Transport, TransportError};

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::files::Whole;
use crate::settings::{Settings, Source};
use crate::show::{Table, escape};
use crate::words::translated;
use crate::{connect, print};
use file::{File, Probe};
use form::Secret;

/// The longest time to wait after a 429, and for which the service may ask.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The maximum number of attempts for a request that gets 429.
const ATTEMPTS: u32 = 3;

#[derive(Args)]
pub(crate) struct ProbeCommand {
    /// Write the forms of the responses to this file
    #[arg(long, short, value_name = "FILE", default_value = "probe.toml")]
    out: PathBuf,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    /// Time to wait between requests
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "1s")]
    pause: Duration,
    /// Replace the file even if another program wrote it
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(
    global: &Global,
    settings: &Settings,
    command: ProbeCommand,
) -> Result<Code, Failure> {
    check_key(global, settings)?;
    let file = Whole { flag: "--out", path: &command.out, mark: file::MARK, force: command.force };
    file.check()?;
    let (api, transport) = connect::for_probe(global)?;
    let requests = requests::all(&api);
    let mut table = Table::new(["", "NAME", "REQUEST", "WHY"]);
    for (number, (name, why, request)) in requests.iter().enumerate() {
        let line = format!("{} {}", request.method(), request.uri().path());
        table.row([&(number + 1).to_string(), name, &line, why]);
    }
    print::note(table.to_string().trim_end());
    let base = escape(global.base_url());
    print::note(&format!(
        "These {} requests go to {base}, one every {}. They cost nothing: a test key is never charged, and methods that cost credits \
         are called at their test paths. The queries are made up. The file will contain statuses, names of headers, types of \
         fields, patterns of dates and texts of errors, but no key, query or answer.",
        requests.len(),
        humantime::format_duration(command.pause),
    ));
    if !command.yes && !print::confirmed("Send them?", "--yes sends them; nothing was sent")? {
        return Err(Failure::usage("nothing was sent"));
    }
    let mut found = File::new();
    for (number, (name, _, request)) in requests.into_iter().enumerate() {
        if number > 0 {
            tokio::time::sleep(command.pause).await;
        }
        let secret = Secret::of(&request);
        let probe = match send(&*transport, &request, &mut found).await {
            Ok(response) => form::of(name, &response, &secret),
            Err(error) if number == 0 => {
                let why = translated(&error.to_string());
                return Err(Failure::new(Code::Network, format!("{why}; nothing was written")));
            }
            Err(_) => Probe::without_response(name),
        };
        if !global.quiet {
            print::note(&format!("{name}: {}", probe.summary()));
        }
        if number == 0 && probe.body != "ok" {
            return Err(Failure::new(
                Code::Refused,
                "the service refuses this key for a test method; it may be a live key, or the account has no credits. Nothing was \
                 charged, and nothing was written",
            ));
        }
        found.probes.push(probe);
    }
    file.write(found.text()?.as_bytes())?;
    let path = escape(&command.out.display().to_string());
    print::note(&format!("{path}: attach it to an issue, or try `tgscan-mock serve --like {path}`"));
    Ok(Code::Done)
}

/// Refuses a live key before anything is sent.
fn check_key(global: &Global, settings: &Settings) -> Result<(), Failure> {
    if !global.test_key {
        return Err(Failure::usage(
            "probing needs a test key: use --test-key, and the key with --key-file or TGSCAN_API_KEY. A live key is never used, \
             and nothing was sent",
        ));
    }
    let source = |name| settings.lines.iter().find(|(line, ..)| *line == name).map(|(_, _, source)| source);
    if let (Some(Source::File(key)), Some(test)) = (source("key_file"), source("test_key")) {
        // The flag would call the key of a live profile a test key.
        if *test != Source::File(key.clone()) {
            return Err(Failure::usage(
                "the configuration file has this key as a live one; use a test key with --key-file. Nothing was sent",
            ));
        }
    }
    Ok(())
}

/// Sends a request, and waits after a 429 as the service asks.
async fn send(
    transport: &dyn Transport,
    request: &Request<Bytes>,
    found: &mut File,
) -> Result<Response<Bytes>, TransportError> {
    let mut attempt = 1;
    loop {
        let response = transport.send(request.clone()).await?;
        if response.status().as_u16() != 429 || attempt == ATTEMPTS {
            return Ok(response);
        }
        let wait = found.saw_limit(&response).unwrap_or(Duration::from_secs(10)).min(LONGEST_WAIT);
        print::note(&format!("rate limited: continuing in {}", humantime::format_duration(wait)));
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}
