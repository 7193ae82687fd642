//! Suite `client`: making a client and cloning it, and many calls in flight at once.

use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use tgscan_core::{Api, ApiKey, Client};
use tgscan_transport_hyper::HyperTransport;
use tokio::task::JoinSet;

use super::load;
use super::race::{Contestant, Pace, race};
use super::report::{Report, Table};
use crate::subject;

/// Calls in flight at once.
const CALLS: u32 = 10_000;

pub(super) fn run(pace: Pace) -> Result<Report, String> {
    let making = making(pace);
    let flight = in_flight()?;
    let mut report = Report::new(Vec::new());
    report.at_most("µs to make a client with Mozilla's roots", making.first(SDK), 20.0);
    report.at_most("µs to clone it", making.first(CLONE), 0.1);
    let grown = flight.rows.last().and_then(|row| row.figures.get(1).copied().flatten()).unwrap_or(f64::NAN);
    report.at_most("bytes per call that stay in use after the third round of calls in flight", grown, 64.0);
    report.tables.extend([making, flight]);
    Ok(report)
}

const SDK: &str = "this SDK's client, Mozilla's roots";
const CLONE: &str = "a clone of it";

fn making(pace: Pace) -> Table {
    let client = sdk();
    let mut contestants = [
        Contestant::new(SDK, || drop(black_box(sdk()))),
        Contestant::new(CLONE, || drop(black_box(client.clone()))),
        Contestant::new("reqwest's client, Mozilla's roots", || drop(black_box(reqwest_client()))),
        Contestant::new("reqwest's client as it comes", || drop(black_box(reqwest::Client::new()))),
    ];
    let times = race(&mut contestants, pace);
    let mut table = Table::new("make a client", &["µs"]);
    for (contestant, time) in contestants.iter().zip(times) {
        table.add(contestant.name, vec![Some(time)]);
    }
    table
}

fn sdk() -> Client {
    HyperTransport::builder().build().expect("legal settings").client(subject::api())
}

fn reqwest_client() -> reqwest::Client {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).build().expect("legal settings")
}

/// A server that answers searches only when all have arrived, in a process of its own.
struct Holding {
    child: Child,
    url: String,
    ca_pem: String,
}

impl Holding {
    fn start() -> std::io::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("holding");
        let mut child = Command::new(program).arg(CALLS.to_string()).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?).lines();
        let url = lines.next().ok_or(std::io::ErrorKind::UnexpectedEof)??;
        let mut ca_pem = String::new();
        for line in lines {
            let line = line?;
            ca_pem.push_str(&line);
            ca_pem.push('\n');
            if line.starts_with("-----END") {
                break;
            }
        }
        Ok(Self { child, url, ca_pem })
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn in_flight() -> Result<Table, String> {
    let server = Holding::start().map_err(|error| format!("the holding server does not start: {error}"))?;
    let api = Api::with_base_url(&server.url, ApiKey::live("k").expect("a legal key")).expect("a legal URL");
    let transport = HyperTransport::builder()
        .extra_roots_pem(server.ca_pem.clone())
        .attempt_timeout(Duration::from_mins(2))
        .build()
        .expect("legal settings");
    let client = transport.client(api);
    let runtime = load::runtime();
    // So that there is one connection for all.
    runtime.block_on(client.balance()).map_err(|error| error.to_string())?;
    let columns = ["bytes per call in flight, at most", "bytes per call, more than after the round before"];
    let mut table = Table::new(format!("{CALLS} calls in flight at once, HTTP/2 over TLS"), &columns);
    let mut last = None;
    for round in ["first round", "second round", "third round"] {
        eprintln!("  {CALLS} calls in flight, {round} …");
        let before = memory("VmRSS:");
        // Linux forgets the most that was ever in use.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        runtime.block_on(all_at_once(&client)).map_err(|error| error.to_string())?;
        let (most, after) = (memory("VmHWM:"), memory("VmRSS:"));
        let per_call = |bytes: f64| bytes / f64::from(CALLS);
        table.add(round, vec![Some(per_call(most - before)), last.map(|last: f64| per_call(after - last))]);
        last = Some(after);
    }
    Ok(table)
}

async fn all_at_once(client: &Client) -> Result<(), tgscan_core::Error> {
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let client = client.clone();
        calls.spawn(async move { client.search(subject::query()).await.map(drop) });
    }
    calls.join_all().await.into_iter().collect()
}

/// A line of what Linux says about this process's memory, in bytes.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    let kilobytes = found.and_then(|text| text.trim().trim_end_matches(" kB").trim().parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) * 1024.0
}
