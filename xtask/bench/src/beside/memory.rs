//! What 200,000 answers leave in memory, and how fast the last of them come.

use std::time::Instant;

use super::load::{self, Caller};
use super::mock::{caller, fresh, pinned, wiremock_server};
use super::race::Pace;
use super::report::Table;
use crate::body::{SIZES, status_first};
use tgscan_mock::{Mock, MockServer, ServerOptions};
use tokio::runtime::Runtime;

const AT_ONCE: usize = 64;

pub(super) fn run(pace: Pace) -> Table {
    let answers = if pace.rounds == Pace::FULL.rounds { 200_000 } else { 40_000 };
    let runtime = load::runtime();
    let title = format!("{answers} answers over loopback, {AT_ONCE} at once");
    let mut table = Table::new(title, &["the last tenth, answers/s", "memory growth, bytes per answer"]);
    let start =
        |mock: &Mock| MockServer::start(mock, &ServerOptions::new()).expect("loopback has a free port");
    for (name, mock) in
        [("this mock, a pinned answer", pinned()), ("this mock, fresh answers of 5 groups", fresh(5))]
    {
        let server = start(&mock);
        table.add(name, figures(&runtime, &caller(&server.url()), answers));
    }
    let wiremock = runtime.block_on(wiremock_server(&status_first(SIZES[0])));
    table.add("wiremock, sustained", figures(&runtime, &caller(&wiremock.uri()), answers));
    table
}

fn figures(runtime: &Runtime, caller: &Caller, answers: u32) -> Vec<Option<f64>> {
    // What is kept for a limited number of requests is full before it counts.
    load::count(runtime, caller, AT_ONCE, 2000);
    let before = resident();
    load::count(runtime, caller, AT_ONCE, answers / 10 * 9);
    let begun = Instant::now();
    load::count(runtime, caller, AT_ONCE, answers / 10);
    let rate = f64::from(answers / 10) / begun.elapsed().as_secs_f64();
    let growth = before.zip(resident()).map(|(before, after)| (after - before) / f64::from(answers));
    vec![Some(rate), growth]
}

/// Bytes of memory that this process, in which all servers run, has in use; `None` where the system does not say so.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()? * 1024.0)
}
