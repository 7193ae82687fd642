//! Several gateways on one PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tgscan_mock::types::Search;
use tgscan_mock::{Fault, FaultKind, Mock};

#[path = "../../../../tgscan-core/tgscan-store/tests/support/postgres.rs"]
mod postgres;

use crate::support::{Gateway, PATIENCE, PRICE, Response, World};

const NAMES: [&str; 4] = ["alpha", "bravo", "delta", "gamma"];
const GATEWAYS: usize = 3;
const CALLERS: usize = 12;

/// The URL of a server of this process, whose host is a directory.
fn url(server: &postgres::Server) -> String {
    let host = server.url().split(' ').next().unwrap().replace("host=", "").replace('/', "%2F");
    format!("postgres://postgres@{host}/postgres")
}

/// Asks one of the gateways; `None` if it is killed meanwhile.
fn ask(address: SocketAddr, key: &str, query: &str) -> Option<Response> {
    let form = format!("query={query}");
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head =
        format!("POST /tgscan/v1/search HTTP/1.1\r\nHost: a\r\nApi-Key: {key}\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{form}", form.len()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Response::whole(&answer)
}

/// Collects the mock's charges by query, before it forgets its oldest requests.
struct Charges<'a> {
    mock: &'a Mock,
    seen: u64,
    by_form: BTreeMap<String, Vec<u64>>,
}

impl Charges<'_> {
    fn collect(&mut self) {
        let (requests, dropped) = loop {
            let before = self.mock.dropped_requests();
            let requests = self.mock.requests();
            if self.mock.dropped_requests() == before {
                break (requests, before);
            }
        };
        assert!(dropped <= self.seen, "requests were forgotten unseen");
        let new = usize::try_from(self.seen - dropped).unwrap();
        for request in requests.into_iter().skip(new) {
            self.seen += 1;
            if request.charged > 0 {
                self.by_form.entry(request.form).or_default().push(request.charged);
            }
        }
    }
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let text = gateway.get("/metrics").body;
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The state that callers and the killer share.
struct Load<'a> {
    world: &'a World,
    keys: Vec<String>,
    requests: usize,
    gateways: Vec<Mutex<Gateway>>,
    addresses: Vec<Mutex<SocketAddr>>,
    next: AtomicUsize,
    is_done: AtomicBool,
    answers: Mutex<BTreeMap<String, String>>,
    statuses: Mutex<BTreeMap<(u16, String), usize>>,
}

impl Load<'_> {
    /// The name and the query of a request. Each question comes twice on average, at different times.
    fn query(&self, number: usize) -> (usize, String) {
        let name = number % NAMES.len();
        let question = number.wrapping_mul(7919) / NAMES.len() % questions(self.requests);
        (name, format!("{}_{question}", NAMES[name]))
    }

    /// Makes requests until all are made.
    fn call(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.requests {
                break;
            }
            let (name, query) = self.query(number);
            // A caller whose gateway is killed asks the next one the same.
            let response = (number..).find_map(|number| {
                let address = *self.addresses[number % GATEWAYS].lock().unwrap();
                ask(address, &self.keys[name], &query)
            });
            let response = response.unwrap();
            let code = if response.is_ok() { "ok".to_owned() } else { response.code() };
            *self.statuses.lock().unwrap().entry((response.status, code)).or_default() += 1;
            if response.is_ok() {
                let mut answers = self.answers.lock().unwrap();
                let known = answers.entry(query).or_insert(response.body.clone());
                assert_eq!(*known, response.body);
            }
        }
    }

    /// Kills a gateway and starts it again after each tenth of the requests. Returns how often.
    fn kill(&self) -> usize {
        for kills in 0..9 {
            while self.next.load(Ordering::Relaxed) < (kills + 1) * self.requests / 10 {
                if self.is_done.load(Ordering::Relaxed) {
                    return kills;
                }
                std::thread::yield_now();
            }
            let started = {
                let mut gateway = self.gateways[kills % GATEWAYS].lock().unwrap();
                gateway.signal("-KILL");
                *gateway = self.world.start();
                gateway.address
            };
            *self.addresses[kills % GATEWAYS].lock().unwrap() = started;
        }
        9
    }

    /// Runs until all requests are made. Returns how often a gateway was killed.
    fn run(&self, charges: &mut Charges<'_>) -> usize {
        std::thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(|| self.call())).collect();
            let killer = scope.spawn(|| self.kill());
            while !callers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                charges.collect();
                std::thread::yield_now();
            }
            self.is_done.store(true, Ordering::Relaxed);
            killer.join().unwrap()
        })
    }
}

/// How many questions each name has.
fn questions(requests: usize) -> usize {
    requests / 8
}

/// A mock that resets connections after the charge, and answers 429.
fn world(requests: usize, server: &postgres::Server, cap: u64) -> World {
    let mock = Mock::builder().seed(3).credits(10_000_000).cost::<Search>(PRICE).build().unwrap();
    let faults = (0..requests * 2).map(|number| match number {
        number if number % 29 == 28 => Some(Fault::new(FaultKind::Reset).charged()),
        number if number % 31 == 30 => Some(Fault::new(FaultKind::TooManyRequests { retry_after: Some(0) })),
        _ => None,
    });
    mock.script::<Search>(faults);
    let world = World::with(mock);
    world.configure(&format!("store = \"{}\"\ncap = {cap}", url(server)), "");
    world
}

/// `TGSCAN_GATEWAY_REQUESTS` sets how many requests are made.
#[test]
#[ignore = "needs PostgreSQL"]
fn gateways_that_are_killed_share_budgets_and_pay_for_nothing_twice() {
    let requests = std::env::var("TGSCAN_GATEWAY_REQUESTS").map_or(600, |count| count.parse().unwrap());
    // The cost of all questions of a name.
    let full = questions(requests) as u64 * PRICE;
    let cap = full * 22 / 10;
    let world = world(requests, postgres::server(), cap);
    let limits = [Some(full * 4 / 10), Some(full * 7 / 10), Some(full / 2), None];
    let key = |(name, limit): (&&str, Option<u64>)| match limit {
        Some(limit) if *name == "delta" => world.key(name, &["--per-month", &limit.to_string()]),
        Some(limit) => world.key(name, &["--total", &limit.to_string()]),
        None => world.key(name, &[]),
    };
    let keys: Vec<String> = NAMES.iter().zip(limits).map(key).collect();
    let gateways: Vec<_> = (0..GATEWAYS).map(|_| world.start()).collect();
    let load = Load {
        world: &world,
        keys,
        requests,
        addresses: gateways.iter().map(|gateway| Mutex::new(gateway.address)).collect(),
        gateways: gateways.into_iter().map(Mutex::new).collect(),
        next: AtomicUsize::new(0),
        is_done: AtomicBool::new(false),
        answers: Mutex::default(),
        statuses: Mutex::default(),
    };
    let mut charges = Charges { mock: &world.mock, seen: 0, by_form: BTreeMap::new() };
    let kills = load.run(&mut charges);
    println!("{kills} kills, {:?}", load.statuses.lock().unwrap());
    assert!(kills >= 5);
    load.gateways.iter().for_each(|gateway| gateway.lock().unwrap().signal("-KILL"));
    // The claims of killed gateways end with their leases.
    let gateway = world.start();
    let (name, query) = load.query(0);
    while metric(&gateway, "tgscan_account_credits{state=\"in_flight\"}") > 0 {
        gateway.search(&load.keys[name], &query);
    }
    charges.collect();

    // Nothing was paid twice.
    for (form, charged) in &charges.by_form {
        assert_eq!(charged.len(), 1, "{form} was charged {charged:?}");
    }
    // The account lost the charged credits, and at most the uncertain ones.
    let (billed, uncertain) = (
        metric(&gateway, "tgscan_account_credits{state=\"charged\"}"),
        metric(&gateway, "tgscan_account_credits{state=\"uncertain\"}"),
    );
    let spent = world.mock.account().spent;
    println!("{spent} spent, {billed} charged, {uncertain} uncertain, cap {cap}");
    assert!(billed <= spent && spent <= billed + uncertain);
    // The cap and each budget hold, and the cap was reached.
    assert!(billed + uncertain <= cap && billed + uncertain + PRICE * 4 >= cap);
    for (name, limit) in NAMES.iter().zip(limits) {
        let of_name = |form: &&String| form.starts_with(&format!("query={name}_"));
        let spent = PRICE * charges.by_form.keys().filter(of_name).count() as u64;
        println!("{name}: {spent} of {limit:?}");
        assert!(limit.is_none_or(|limit| spent <= limit), "{name}");
    }
    let unreadable = check_answers(&load, &gateway, &charges);
    println!("{unreadable} answers are uncertain, of {}", charges.by_form.len());
    assert!(unreadable as u64 * PRICE <= uncertain);
    assert_eq!(world.mock.account().spent, spent, "reading the answers cost nothing");
}

/// Checks that each answer that was paid is readable, or uncertain if no caller got it. Returns how many are uncertain.
fn check_answers(load: &Load<'_>, gateway: &Gateway, charges: &Charges<'_>) -> usize {
    let answers = load.answers.lock().unwrap();
    let mut unreadable = BTreeSet::new();
    for form in charges.by_form.keys() {
        let query = form.strip_prefix("query=").unwrap();
        let name = NAMES.iter().position(|name| query.starts_with(name)).unwrap();
        let response = gateway.search(&load.keys[name], query);
        if let Some(answer) = answers.get(query) {
            assert_eq!((response.status, &response.body), (200, answer), "{query}");
        } else if !response.is_ok() {
            assert_eq!(response.code(), "uncertain", "{query}: {response:?}");
            unreadable.insert(query);
        }
    }
    unreadable.len()
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_store_that_disappears_and_returns_costs_nothing() {
    let server = postgres::Server::start();
    let world = World::new(100);
    world.configure(&format!("store = \"{}\"", url(&server)), "");
    let key = world.key("a", &[]);
    let gateway = world.start();
    assert_eq!(gateway.search(&key, "name_1").status, 200);
    server.stop();
    let refused = gateway.search(&key, "name_2");
    assert_eq!((refused.status, &*refused.code()), (503, "store_unavailable"));
    assert_eq!(refused.header("x-tgscan-credits"), Some("0"));
    assert!(refused.header("retry-after").is_some());
    // Where the server is, is for the operator.
    assert!(!refused.body.contains("postgres"), "{refused:?}");
    assert_eq!(gateway.get("/readyz").status, 503);
    assert_eq!(gateway.get("/healthz").status, 200);
    assert!(gateway.get("/metrics").body.contains("tgscan_store_up 0\n"));
    // Free calls need no store.
    assert_eq!(gateway.post("/tgscan/v1/user/check", &key, "query=name_2").status, 200);
    server.restart();
    while gateway.get("/readyz").status != 200 {}
    assert_eq!(gateway.search(&key, "name_2").status, 200);
    assert!(gateway.search(&key, "name_1").header("x-tgscan-storage").unwrap().starts_with("cached"));
    assert_eq!(world.mock.account().charged_calls, 2);
    gateway.signal("-TERM");
    assert_eq!(gateway.ended(), (Some(0), String::new()));
}
