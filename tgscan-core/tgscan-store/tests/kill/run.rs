//! Starts children, kills them, and checks their stores.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tgscan_mock::types::Search;
use tgscan_mock::{Fault as Reply, FaultKind, Mock, MockServer, ServerOptions};
use tokio::runtime::{Builder, Runtime};

use crate::audit::{Audit, Violation};
use crate::backend::Backend;
use crate::broken::Fault;
use crate::child::Orders;

/// The cost of a search.
pub(crate) const PRICE: u64 = 2;
/// How many questions a child asks, and how far apart those of two children begin.
pub(crate) const QUESTIONS: u64 = 40;
const STEP: u64 = 7;
/// How often the balance resolves uncertain calls, in kills.
const RECONCILE_EVERY: u64 = 25;
/// Longer than any child runs, unless something is wrong.
pub(crate) const NEVER: Duration = Duration::from_secs(600);

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

    /// Waits until nothing of a dead process runs any more.
    pub(crate) fn end_connections(&self) {
        self.end_requests();
        while self.server.open_connections() > 0 {
            std::thread::yield_now();
        }
    }

    /// Waits until the server has processed all received statements.
    pub(crate) fn end_requests(&self) {
        // Connections are accepted in order: once this one is answered, none before it waits to be accepted.
        let mut last = TcpStream::connect(self.server.address()).unwrap();
        last.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        last.read_to_end(&mut Vec::new()).unwrap();
        while self.server.requests_in_flight() > 0 {
            std::thread::yield_now();
        }
    }

    pub(crate) fn orders(&self, store: String, questions: (u64, u64)) -> Orders {
        let service = self.server.url();
        Orders { store, service, questions, cap: None, budget: None, fault: Fault::None }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Replies that no child asked for.
        self.mock.clear_script();
    }
}

#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) kills: u64,
    pub(crate) seed: u64,
    pub(crate) cap: Option<u64>,
    pub(crate) fault: Fault,
}

pub(crate) struct Report {
    kills: u64,
    questions: usize,
    answers: usize,
    resolved: u64,
    spent: u64,
    took: Duration,
}

/// Kills children until the plan is done, or something is wrong.
pub(crate) fn kill(backend: &Backend, plan: &Plan) -> Result<Report, Violation> {
    let mut rng = Rng::with_seed(plan.seed);
    let began = Instant::now();
    let service = Service::start(plan.seed);
    let mock = &service.mock;
    let name =
        format!("kills_{}_{}_{:?}", plan.seed, plan.cap.unwrap_or_default(), plan.fault).to_lowercase();
    let location = backend.location(&name);
    let mut audit = Audit::new(mock.clone(), location.clone(), plan.cap, plan.fault);
    audit.reconcile()?;
    let life = lifetime(backend, &format!("{name}_whole"));
    let (mut kills, mut first) = (0, 0);
    while kills < plan.kills {
        mock.clear_script();
        mock.script::<Search>((0..200).map(|_| reply(&mut rng)));
        let orders = Orders {
            fault: plan.fault,
            cap: plan.cap,
            ..service.orders(location.clone(), (first, QUESTIONS))
        };
        let moment = life.mul_f64(rng.f64());
        let restarts = rng.u64(..20) == 0;
        let (said, was_killed) = run_child(&orders, moment, |_| {
            if restarts {
                backend.restart();
            }
        });
        kills += u64::from(was_killed);
        // With a cap that is spent, the same questions are as good as new ones.
        first += STEP;
        service.end_connections();
        backend.end_processes(&location);
        audit.check(&said, true)?;
        if kills % RECONCILE_EVERY == 0 {
            audit.reconcile()?;
        }
    }
    audit.reconcile()?;
    audit.read_all_back()?;
    let (questions, answers, resolved) = audit.counts();
    Ok(Report { kills, questions, answers, resolved, spent: mock.account().spent, took: began.elapsed() })
}

/// Returns how long a child takes for all its questions on this machine, with a store that nothing else uses.
pub(crate) fn lifetime(backend: &Backend, name: &str) -> Duration {
    // Of another service, so that nothing of it counts.
    let other = Service::start(1);
    let mut child = Running::start(&other.orders(backend.location(name), (0, QUESTIONS)));
    let began = Instant::now();
    child.runs_until(NEVER);
    child.end(false);
    began.elapsed()
}

/// Three of four questions are answered.
pub(crate) fn reply(rng: &mut Rng) -> Option<Reply> {
    Some(match rng.u64(..24) {
        0 => Reply::new(FaultKind::Reset).charged(),
        1 => Reply::new(FaultKind::HtmlPage { status: 502 }).charged(),
        2 => Reply::new(FaultKind::HtmlPage { status: 503 }).charged(),
        3 => Reply::new(FaultKind::CutBody { at: 20 }).charged(),
        4 => Reply::new(FaultKind::Close),
        5 => Reply::new(FaultKind::TooManyRequests { retry_after: Some(0) }),
        _ => return None,
    })
}

/// A child that runs.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    reader: JoinHandle<()>,
    said: Vec<String>,
}

impl Running {
    /// Starts a child, and waits until its store is open.
    pub(crate) fn start(orders: &Orders) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        let mut child = command.envs(orders.environment()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines): (_, Receiver<String>) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        assert_eq!(lines.recv().as_deref(), Ok("ready"), "the child failed");
        Self { child, lines, reader, said: Vec::new() }
    }

    /// Reads its output until this moment. Returns whether it still runs then.
    pub(crate) fn runs_until(&mut self, moment: Duration) -> bool {
        let until = Instant::now() + moment;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push(line),
                Err(error) => return error == RecvTimeoutError::Timeout,
            }
        }
    }

    /// Sends a signal, such as `STOP`.
    #[cfg(feature = "postgres")]
    pub(crate) fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        assert!(kill.args([format!("-{signal}"), self.child.id().to_string()]).status().unwrap().success());
    }

    /// Kills it, if it still runs. Returns its output, and whether it was killed.
    pub(crate) fn end(mut self, is_killed: bool) -> (Vec<String>, bool) {
        if is_killed {
            let _ = self.child.kill();
        }
        let status = self.child.wait().unwrap();
        self.reader.join().unwrap();
        self.said.extend(self.lines.try_iter());
        assert!(is_killed || status.success(), "the child failed: {status}");
        (self.said, is_killed && !status.success())
    }
}

/// Runs a child, and this long after its store is open calls `before` and kills it. Returns its output, and whether it was
/// killed.
pub(crate) fn run_child(
    orders: &Orders,
    moment: Duration,
    before: impl FnOnce(&Running),
) -> (Vec<String>, bool) {
    let mut child = Running::start(orders);
    let is_killed = child.runs_until(moment);
    if is_killed {
        before(&child);
    }
    child.end(is_killed)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills in {:.1} s, {} questions paid for, {} answers read back, {} attempts resolved, {} credits spent",
            self.kills,
            self.took.as_secs_f64(),
            self.questions,
            self.answers,
            self.resolved,
            self.spent
        )
    }
}
