//! Starts children, kills them, and looks at what they left.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tgscan_core::http::StatusCode;
use tgscan_mock::types::Search;
use tgscan_mock::{Fault, FaultKind, Mock, MockServer, ServerOptions};
use tokio::runtime::{Builder, Runtime};

use crate::audit::{Audit, Violation};
use crate::backend::Backend;
use crate::child::Orders;
use fastrand::Rng;

/// What a search costs.
pub(crate) const PRICE: u64 = 2;
/// How many questions a child asks, each twice, and how far apart those of two children begin.
const QUESTIONS: u64 = 60;
const STEP: u64 = 11;
/// How often the balance settles what is uncertain, and every row is read, in kills.
const RECONCILE_EVERY: u64 = 25;

/// The service that children call, in this process.
pub(crate) struct Service {
    pub(crate) mock: Mock,
    server: MockServer,
    _runtime: Runtime,
}

impl Service {
    pub(crate) fn start(seed: u64) -> Self {
        let mock = Mock::builder().seed(seed).credits(1_000_000).cost::<Search>(PRICE).build().unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let guard = runtime.enter();
        let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
        drop(guard);
        Self { mock, server, _runtime: runtime }
    }

    /// Waits until nothing of a dead process is at work any more.
    fn quiesce(&self) {
        // Connections are accepted in order: once this one is answered, none of the dead process waits to be accepted.
        let mut last = TcpStream::connect(self.server.address()).unwrap();
        last.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        last.read_to_end(&mut Vec::new()).unwrap();
        // What the server has read it may still process.
        while self.server.open_connections() > 0 || self.server.requests_in_flight() > 0 {
            std::thread::yield_now();
        }
    }

    pub(crate) fn orders(&self, store: String, questions: (u64, u64), cap: Option<u64>) -> Orders {
        Orders { store, service: self.server.url(), questions, cap, broken: None }
    }
}

pub(crate) struct Plan {
    pub(crate) kills: u64,
    pub(crate) seed: u64,
    pub(crate) cap: Option<u64>,
    pub(crate) broken: Option<&'static str>,
}

pub(crate) struct Report {
    kills: u64,
    questions: usize,
    answers: usize,
    uncertain: u64,
    spent: u64,
    took: Duration,
}

/// Kills children until the plan is done, or something is wrong.
pub(crate) fn kill(backend: &Backend, plan: &Plan) -> Result<Report, Violation> {
    let mut rng = Rng::with_seed(plan.seed);
    let began = Instant::now();
    let service = Service::start(plan.seed);
    let mock = &service.mock;
    let name = format!("kills-{}-{:?}-{:?}", plan.seed, plan.cap, plan.broken).to_lowercase();
    let name = name.replace(|c: char| !c.is_alphanumeric(), "_");
    let location = backend.location(&name);
    let mut audit = Audit::new(mock.clone(), location.clone(), plan.cap);
    audit.reconcile()?;
    let (mut kills, mut first) = (0, 0);
    while kills < plan.kills {
        mock.clear_script();
        mock.script::<Search>((0..200).map(|_| fault(&mut rng)));
        let questions = (first, QUESTIONS * 2);
        let orders = Orders { broken: plan.broken, ..service.orders(location.clone(), questions, plan.cap) };
        let moment = Duration::from_micros(rng.u64(..backend.longest_life()));
        let restarts = rng.u64(..20) == 0;
        let (said, was_killed) = run_child(&orders, moment, || {
            if restarts {
                backend.restart();
            }
        });
        kills += u64::from(was_killed);
        // With a cap that is spent, the same questions are as good as new ones.
        first += STEP;
        service.quiesce();
        backend.quiesce(&location);
        audit.check(&said)?;
        if kills % RECONCILE_EVERY == 0 {
            audit.reconcile()?;
        }
    }
    audit.reconcile()?;
    audit.read_all_back()?;
    let (questions, answers, uncertain) = audit.counts();
    Ok(Report { kills, questions, answers, uncertain, spent: mock.account().spent, took: began.elapsed() })
}

/// Three of four questions are answered.
fn fault(rng: &mut Rng) -> Option<Fault> {
    Some(match rng.u64(..24) {
        0 => Fault::new(FaultKind::Reset).charged(),
        1 => Fault::new(FaultKind::HtmlPage(StatusCode::BAD_GATEWAY)).charged(),
        2 => Fault::new(FaultKind::HtmlPage(StatusCode::SERVICE_UNAVAILABLE)).charged(),
        3 => Fault::new(FaultKind::CutBody(20)).charged(),
        4 => Fault::new(FaultKind::Close),
        5 => Fault::new(FaultKind::TooManyRequests(Some(0))),
        _ => return None,
    })
}

/// Runs a child, and so long after it has begun does `before` and kills it. Returns what it said, and whether it was killed.
pub(crate) fn run_child(orders: &Orders, moment: Duration, before: impl FnOnce()) -> (Vec<String>, bool) {
    let program = std::env::current_exe().unwrap();
    let mut child = Command::new(program).envs(orders.environment()).stdout(Stdio::piped()).spawn().unwrap();
    let (sender, lines): (_, Receiver<String>) = channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let mut said = Vec::new();
    let mut until: Option<Instant> = None;
    let was_killed = loop {
        let line = match until {
            None => lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => lines.recv_timeout(until.saturating_duration_since(Instant::now())),
        };
        match line {
            Ok(line) if line == "ready" => until = Some(Instant::now() + moment),
            Ok(line) => said.push(line),
            Err(RecvTimeoutError::Timeout) => break true,
            Err(RecvTimeoutError::Disconnected) => break false,
        }
    };
    if was_killed {
        before();
    }
    let _ = child.kill();
    let status = child.wait().unwrap();
    reader.join().unwrap();
    said.extend(lines.try_iter());
    assert!(was_killed || status.success(), "the child failed: {status}");
    (said, was_killed && !status.success())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills in {:.1} s, {} questions processed, {} answers read back, {} calls were uncertain, {} credits spent",
            self.kills,
            self.took.as_secs_f64(),
            self.questions,
            self.answers,
            self.uncertain,
            self.spent
        )
    }
}
