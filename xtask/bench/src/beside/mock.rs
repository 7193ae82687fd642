//! Suite `mock`: answers per second, in process and over loopback with 64 requests at once; what they leave in memory;
//! and how soon the first one is there.

use std::hint::black_box;
use std::process::Command;

use bytes::Bytes;
use http::Request;
use proptest::collection::vec;
use proptest::strategy::{SBoxedStrategy, Strategy};
use tgscan_core::types::{Envelope, Search, SearchAnswer, SearchGroup};
use tgscan_core::{Api, ApiKey};
use tgscan_mock::data::{Profile, dates, first_names, group_ids, sample, titles, user_ids, usernames};
use tgscan_mock::{Expect, Mock, MockServer, Repeat, ServerOptions};

use super::load::{self, Caller};
use super::peers;
use super::race::{Contestant, Pace, race};
use super::report::{Report, Table};
use super::server::{self, Server};
use super::{first, memory};
use crate::body::{SIZES, answer, status_first};
use crate::subject;

const AT_ONCE: usize = 64;

const PLAIN: &str = "plain hyper server";
const PLAIN_100: &str = "plain hyper server, 100 groups";
const PINNED: &str = "this mock, a pinned answer";
const REPEATED: &str = "this mock, random answers to a repeated query";
const FRESH_5: &str = "this mock, fresh answers of 5 groups";
const FRESH_100: &str = "this mock, fresh answers of 100 groups";
const PEERS: [&str; 3] = ["wiremock, fresh", "httpmock", "mockito"];

pub(super) fn run(pace: Pace) -> Result<Report, String> {
    let built = how_built()?;
    let over_loopback = over_loopback(pace);
    let mut report = Report::new(Vec::new());
    let [release, debug] = BUILDS.map(|name| built.first(name));
    report.at_least("typical answers per second in process, on one core", release, 20_000.0);
    report.at_most("how many times slower a debug build is", release / debug, 25.0);
    let rate = |name: &str| over_loopback.first(name);
    for (what, name) in [("pinned answers", PINNED), ("answers to a repeated query", REPEATED)] {
        let what = format!("{what} per second over loopback, to a plain hyper server's");
        report.at_least(what, rate(name) / rate(PLAIN), 0.9);
    }
    for peer in PEERS {
        let what = format!("pinned answers per second over loopback, to {peer}'s");
        report.at_least(what, rate(PINNED) / rate(peer), 1.0);
    }
    report.at_least("fresh answers of 5 groups per second over loopback", rate(FRESH_5), 70_000.0);
    report.at_least("fresh answers of 100 groups per second over loopback", rate(FRESH_100), 12_000.0);
    let first = first::run(pace);
    report.at_most("first answer over HTTP, in µs", first.first(first::HTTP), 500.0);
    report.at_most(
        "first answer over HTTPS with a fresh authority, in µs",
        first.first(first::HTTPS),
        1000.0,
    );
    report.tables.extend([in_process(pace), built, over_loopback, memory::run(pace), first]);
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
pub(super) fn request(url: &str) -> Request<Bytes> {
    let key = ApiKey::live(Mock::LIVE_KEY).expect("a legal key");
    let api = Api::with_base_url(url, key).expect("a legal URL");
    api.request(&Search { query: subject::query() })
}

/// The same query has the same answer, which is kept.
fn repeating() -> Mock {
    Mock::builder().seed(7).credits(i64::MAX).build().expect("legal settings")
}

pub(super) fn pinned() -> Mock {
    let mock = repeating();
    mock.expect(Expect::<Search>::any().at_least(0).always_answer(answer(SIZES[0])));
    mock
}

/// Each answer is drawn anew, with so many groups.
pub(super) fn fresh(groups: usize) -> Mock {
    let builder = Mock::builder().seed(7).credits(i64::MAX).repeat(Repeat::Varied);
    let mock = builder.build().expect("legal settings");
    mock.expect(Expect::<Search>::any().at_least(0).always_drawn(answers(groups)));
    mock
}

/// Typical answers with so many groups.
fn answers(groups: usize) -> SBoxedStrategy<SearchAnswer> {
    (user_ids(), first_names(Profile::Typical), vec(one_group(), groups))
        .prop_map(|(id, first_name, groups)| {
            let mut answer = SearchAnswer::default();
            let user = answer.user.get_or_insert_default();
            user.id = id;
            user.first_name = first_name;
            answer.meta.num_groups = groups.len() as u64;
            answer.meta.known_num_groups = groups.len() as u64;
            answer.groups = groups;
            answer
        })
        .sboxed()
}

fn one_group() -> impl Strategy<Value = SearchGroup> {
    let texts = (usernames(), titles(Profile::Typical), dates(Profile::Typical));
    (group_ids(), texts).prop_map(|(id, (username, title, date))| {
        let mut group = SearchGroup::default();
        group.id = Some(id);
        group.username = Some(username);
        group.title = title;
        group.date_updated = date;
        group
    })
}

fn in_process(pace: Pace) -> Table {
    let request = request("https://api.tgdev.io");
    let respond = |name: &'static str, mock: Mock| {
        let request = request.clone();
        Contestant::new(name, move || drop(black_box(mock.respond(black_box(&request)))))
    };
    let draw = |name: &'static str, groups: usize| {
        let (answers, mut seed) = (answers(groups), 0);
        Contestant::new(name, move || {
            seed += 1;
            let answer = Envelope::Ok(sample(&answers, black_box(seed)));
            drop(black_box(serde_json::to_vec(&answer).expect("answers serialise")));
        })
    };
    let mut contestants = [
        respond("a pinned answer", pinned()),
        respond("a random answer to a repeated query", repeating()),
        respond("a fresh answer of 5 groups", fresh(5)),
        respond("a fresh answer of 100 groups", fresh(100)),
        draw("5 groups drawn and written, without the engine", 5),
        draw("100 groups drawn and written, without the engine", 100),
    ];
    let times = race(&mut contestants, pace);
    let mut table = Table::new("mock in process, one core", &["answers/s", "µs"]);
    for (contestant, time) in contestants.iter().zip(times) {
        table.add(contestant.name, vec![Some(1e6 / time), Some(time)]);
    }
    table
}

fn over_loopback(pace: Pace) -> Table {
    let runtime = load::runtime();
    let bodies = [SIZES[0], SIZES[1]].map(status_first);
    let plain = bodies.clone().map(server::plain);
    let start =
        |mock: &Mock| MockServer::start(mock, &ServerOptions::new()).expect("loopback has a free port");
    let ours = [pinned(), repeating(), fresh(5), fresh(100)].map(|mock| start(&mock));
    let wiremock = runtime.block_on(wiremock_server(&bodies[0]));
    let httpmock = httpmock::MockServer::start();
    httpmock.mock(|when, then| {
        when.method("POST").path(PATH);
        then.status(200).header("content-type", JSON).body(&bodies[0]);
    });
    let mut mockito = mockito::Server::new();
    let _mock = mockito
        .mock("POST", PATH)
        .with_header("content-type", JSON)
        .with_body(&bodies[0])
        .expect_at_least(0)
        .create();
    let [wire, http, mocki] = PEERS;
    let urls = [
        (PLAIN, plain[0].url.clone()),
        (PINNED, ours[0].url()),
        (REPEATED, ours[1].url()),
        (FRESH_5, ours[2].url()),
        (wire, wiremock.uri()),
        (http, httpmock.base_url()),
        (mocki, mockito.url()),
        (PLAIN_100, plain[1].url.clone()),
        (FRESH_100, ours[3].url()),
    ];
    let callers = urls.map(|(name, url)| (name, runtime.block_on(peers::least(&request(&url), AT_ONCE))));
    let rates = load::race(&runtime, &callers, AT_ONCE, pace);
    let mut table = Table::new(format!("mock over loopback, {AT_ONCE} at once"), &["answers/s"]);
    for ((name, _), rate) in callers.iter().zip(rates) {
        table.add(*name, vec![Some(rate.per_second)]);
    }
    table
}

pub(super) const PATH: &str = "/tgscan/v1/search";
pub(super) const JSON: &str = "application/json";

pub(super) fn caller(url: &str) -> Caller {
    let server = Server { url: url.to_owned(), port: 0, ca_pem: None };
    peers::pooled(&server, request(url), drop)
}

pub(super) async fn wiremock_server(body: &Bytes) -> wiremock::MockServer {
    use wiremock::matchers::{method, path};
    let server = wiremock::MockServer::start().await;
    let response = wiremock::ResponseTemplate::new(200).set_body_raw(body.to_vec(), JSON);
    wiremock::Mock::given(method("POST")).and(path(PATH)).respond_with(response).mount(&server).await;
    server
}
