//! Suite `mock`: answers per second, in process and over loopback with 64 requests at once.

use std::hint::black_box;
use std::process::Command;

use bytes::Bytes;
use http::Request;
use tgscan_core::types::Search;
use tgscan_core::{Api, ApiKey};
use tgscan_mock::{Expect, Mock, MockServer, ServerOptions};

use super::load::{self, Caller};
use super::peers;
use super::race::{Contestant, Pace, race};
use super::report::{Report, Table};
use super::server::{self, Server};
use crate::body::{SIZES, answer, status_first};
use crate::subject;

const AT_ONCE: usize = 64;

const PLAIN: &str = "plain hyper server";
const PINNED: &str = "this mock, a pinned answer";

pub(super) fn run(pace: Pace) -> Result<Report, String> {
    let built = how_built()?;
    let over_loopback = over_loopback(pace);
    let mut report = Report::new(Vec::new());
    let [release, debug] = BUILDS.map(|name| built.first(name));
    report.at_least("typical answers per second in process, on one core", release, 20_000.0);
    report.at_most("how many times slower a debug build is", release / debug, 25.0);
    let pinned = over_loopback.first(PINNED);
    report.at_least(
        "pinned answers per second over loopback, to a plain hyper server's",
        pinned / over_loopback.first(PLAIN),
        0.9,
    );
    for peer in ["wiremock", "httpmock", "mockito"] {
        let what = format!("pinned answers per second over loopback, to {peer}'s");
        report.at_least(what, pinned / over_loopback.first(peer), 1.0);
    }
    report.tables.extend([in_process(pace), built, over_loopback]);
    Ok(report)
}

const BUILDS: [&str; 2] = ["release build", "debug build"];

/// The same program in both builds. The first is there already.
fn how_built() -> Result<Table, String> {
    let mut table = Table::new("mock in process, a typical answer", &["answers/s"]);
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let release = Command::new(here.with_file_name("mock_speed"));
    eprintln!("  building the mock for debugging …");
    let mut debug = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    debug.args([
        "run",
        "--quiet",
        "--locked",
        "--no-default-features",
        "--features=mock",
        "--bin=mock_speed",
    ]);
    debug.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    for (name, mut command) in BUILDS.into_iter().zip([release, debug]) {
        let output = command.output().map_err(|error| format!("{name}: {error}"))?;
        let rate = String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .map_err(|_| format!("{name} printed no number: {}", String::from_utf8_lossy(&output.stderr)))?;
        table.add(name, vec![Some(rate)]);
    }
    Ok(table)
}

/// The request as the SDK builds it, to a mock at this URL.
fn request(url: &str) -> Request<Bytes> {
    let key = ApiKey::live(Mock::LIVE_KEY).expect("a legal key");
    let api = Api::with_base_url(url, key).expect("a legal URL");
    api.request(&Search { query: subject::query() })
}

fn mock() -> Mock {
    Mock::builder().seed(7).credits(i64::MAX).build().expect("legal settings")
}

fn pinned() -> Mock {
    let mock = mock();
    mock.expect(Expect::<Search>::any().at_least(0).always_answer(answer(SIZES[0])));
    mock
}

fn in_process(pace: Pace) -> Table {
    let request = request("https://api.tgdev.io");
    let names = ["a random answer", "a pinned answer"];
    let mut mocks = names.into_iter().zip([mock(), pinned()]).map(|(name, mock)| {
        let request = request.clone();
        Contestant::new(name, move || drop(black_box(mock.respond(black_box(&request)))))
    });
    let mut contestants = [mocks.next().expect("two"), mocks.next().expect("two")];
    let mut table = Table::new("mock in process, one core", &["answers/s"]);
    for (name, time) in names.into_iter().zip(race(&mut contestants, pace)) {
        table.add(name, vec![Some(1e6 / time)]);
    }
    table
}

fn over_loopback(pace: Pace) -> Table {
    let runtime = load::runtime();
    let body = status_first(SIZES[0]);
    let plain = server::plain(body.clone());
    let start =
        |mock: &Mock| MockServer::start(mock, &ServerOptions::new()).expect("loopback has a free port");
    let (pinned, random) = (start(&pinned()), start(&mock()));
    let wiremock = runtime.block_on(wiremock_server(&body));
    let httpmock = httpmock::MockServer::start();
    httpmock.mock(|when, then| {
        when.method("POST").path(PATH);
        then.status(200).header("content-type", JSON).body(&body);
    });
    let mut mockito = mockito::Server::new();
    let _mock = mockito
        .mock("POST", PATH)
        .with_header("content-type", JSON)
        .with_body(&body)
        .expect_at_least(0)
        .create();
    let urls = [
        (PLAIN, plain.url.clone()),
        (PINNED, pinned.url()),
        ("this mock, random answers", random.url()),
        ("wiremock", wiremock.uri()),
        ("httpmock", httpmock.base_url()),
        ("mockito", mockito.url()),
    ];
    let callers = urls.map(|(name, url)| (name, caller(&url)));
    let rates = load::race(&runtime, &callers, AT_ONCE, pace);
    let columns = ["answers/s", "memory growth, bytes per answer"];
    let mut table = Table::new(format!("mock over loopback, {AT_ONCE} at once"), &columns);
    for ((name, caller), rate) in callers.iter().zip(rates) {
        let rate = rate.per_second;
        // After the race, so that what is kept for a limited number of requests is full.
        let before = resident();
        let during = load::turn(&runtime, caller, AT_ONCE, pace.turn * pace.rounds).per_second;
        let answers = during * (pace.turn * pace.rounds).as_secs_f64();
        let growth = before.zip(resident()).map(|(before, after)| (after - before) / answers);
        table.add(*name, vec![Some(rate), growth]);
    }
    table
}

const PATH: &str = "/tgscan/v1/search";
const JSON: &str = "application/json";

fn caller(url: &str) -> Caller {
    let server = Server { url: url.to_owned(), port: 0, ca_pem: None };
    peers::pooled(&server, request(url))
}

async fn wiremock_server(body: &Bytes) -> wiremock::MockServer {
    use wiremock::matchers::{method, path};
    let server = wiremock::MockServer::start().await;
    let response = wiremock::ResponseTemplate::new(200).set_body_raw(body.to_vec(), JSON);
    wiremock::Mock::given(method("POST")).and(path(PATH)).respond_with(response).mount(&server).await;
    server
}

/// Bytes of memory that this process, in which all servers run, has in use; `None` where the system does not say so.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()? * 1024.0)
}
