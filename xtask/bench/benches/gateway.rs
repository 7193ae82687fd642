//! Measures the gateway over loopback, the service without it, and litellm's proxy in front of the same service.
//!
//! `TGSCAN` is the command (default: `target/release/tgscan`); `LITELLM` is the command of litellm, which is skipped if it is not
//! set. Callers, gateway, store and service share the cores of this machine.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tgscan_bench::server::is_whole;

const PATH: &str = "/tgscan/v1/search";
/// The question that is asked again and again.
const SAME: &str = "same_name";
/// The number of groups in an answer.
const GROUPS: usize = 20;

fn main() {
    let service = serve();
    let key = "Api-Key: a".to_owned();
    let direct = Target { address: service, path: PATH.to_owned(), key, process: None };
    println!("| service | callers | p50, ms | p99, ms | calls per second | CPU per call, µs |");
    println!("|---|---:|---:|---:|---:|---:|");
    direct.measure("the service itself", 16, 4_000, true);
    direct.measure("the service itself", 64, 8_000, true);
    let gateway = Gateway::start(service);
    gateway.target.call(&mut TcpStream::connect(gateway.target.address).expect("it listens"), SAME);
    gateway.target.measure("tgscan serve, a stored answer", 16, 16_000, false);
    gateway.target.measure("tgscan serve, paid calls", 16, 4_000, true);
    gateway.target.measure("tgscan serve, paid calls", 64, 20_000, true);
    if let Some(litellm) = std::env::var_os("LITELLM") {
        let proxy = Proxy::start(&PathBuf::from(litellm), service);
        proxy.target.measure("litellm, passed through", 16, 800, true);
        proxy.target.measure("litellm, passed through", 64, 1_600, true);
    }
}

/// The destination of calls.
struct Target {
    address: SocketAddr,
    path: String,
    key: String,
    /// The process whose CPU time is counted.
    process: Option<u32>,
}

impl Target {
    /// Makes calls over one connection per caller, with different questions if `is_new`, else with the same. Prints a row.
    fn measure(&self, name: &str, callers: usize, calls: usize, is_new: bool) {
        static QUESTIONS: AtomicUsize = AtomicUsize::new(0);
        let (began, before) = (Instant::now(), self.cpu_time());
        let mut times: Vec<Duration> = thread::scope(|scope| {
            let callers: Vec<_> = (0..callers)
                .map(|_| {
                    scope.spawn(|| {
                        let mut stream = TcpStream::connect(self.address).expect("it listens");
                        stream.set_nodelay(true).expect("a socket");
                        let each = (0..calls / callers).map(|_| {
                            let number = QUESTIONS.fetch_add(1, Ordering::Relaxed);
                            let query = if is_new { format!("name_{number}") } else { SAME.to_owned() };
                            let began = Instant::now();
                            let answer = self.call(&mut stream, &query);
                            assert!(
                                answer.starts_with("HTTP/1.1 200") && answer.contains(&query),
                                "{answer}"
                            );
                            began.elapsed()
                        });
                        each.collect::<Vec<_>>()
                    })
                })
                .collect();
            callers.into_iter().flat_map(|caller| caller.join().expect("no call fails")).collect()
        });
        let elapsed = began.elapsed();
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        #[expect(clippy::cast_precision_loss, reason = "a count of calls")]
        let rate = times.len() as f64 / elapsed.as_secs_f64();
        let cpu = match (before, self.cpu_time()) {
            (Some(before), Some(after)) => ((after - before).as_micros() / times.len() as u128).to_string(),
            _ => String::new(),
        };
        println!("| {name} | {callers} | {:.3} | {:.3} | {rate:.0} | {cpu} |", at(50), at(99));
    }

    /// Returns the CPU time of the process so far.
    fn cpu_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process?)).ok()?;
        // After the name in parentheses: the 12th and 13th fields are user and system time, in hundredths of a second.
        let fields = stat.rsplit_once(')')?.1.split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Some(Duration::from_millis(ticks * 10))
    }

    fn call(&self, stream: &mut TcpStream, query: &str) -> String {
        let form = format!("query={query}");
        let mut request = format!("POST {} HTTP/1.1\r\nHost: a\r\n{}\r\n", self.path, self.key);
        let _ = write!(
            request,
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}",
            form.len()
        );
        let _ = write!(request, "\r\n\r\n{form}");
        stream.write_all(request.as_bytes()).expect("it reads");
        let (mut received, mut chunk) = (Vec::new(), [0; 16 * 1024]);
        while !is_whole(&received) {
            let count = stream.read(&mut chunk).expect("it answers");
            assert!(count > 0, "it closed the connection");
            received.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8(received).expect("text")
    }
}

/// Starts a service that answers each question, on threads.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                stream.set_nodelay(true).expect("a socket");
                let (mut received, mut chunk) = (Vec::new(), [0; 8192]);
                while let Ok(count @ 1..) = stream.read(&mut chunk) {
                    received.extend_from_slice(&chunk[..count]);
                    if is_whole(&received) {
                        let answer = answer(&String::from_utf8_lossy(&received));
                        received.clear();
                        if stream.write_all(answer.as_bytes()).is_err() {
                            break;
                        }
                    }
                }
            });
        }
    });
    address
}

fn answer(request: &str) -> String {
    // litellm sends a form as JSON.
    let json = || request.rsplit_once("\"query\":\"").and_then(|(_, rest)| rest.split('"').next());
    let query = request.rsplit_once("query=").map(|(_, query)| query).or_else(json).unwrap_or_default();
    let group =
        r#"{"id":1234567890,"username":"some_group","title":"Some group","date_updated":"2024-01-03"}"#;
    let groups = vec![group; GROUPS].join(",");
    let body = format!(
        r#"{{"status":"ok","result":{{"user":{{"id":123456789,"username":"{query}","first_name":"A","last_name":null}},"username_history":[],"id_history":[],"meta":{{"search_query":"{query}","known_num_groups":{GROUPS},"num_groups":{GROUPS},"op_cost":1}},"groups":[{groups}]}}}}"#
    );
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
    format!("{head}{}\r\n\r\n{body}", body.len())
}

/// A temporary folder and its process.
struct Running {
    child: Child,
    folder: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tgscan-bench-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

struct Gateway {
    target: Target,
    _running: Running,
}

impl Gateway {
    fn start(service: SocketAddr) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/tgscan");
        let program = std::env::var_os("TGSCAN").map_or(root, PathBuf::from);
        let folder = folder("gateway");
        let config = format!(
            "listen = \"127.0.0.1:0\"\nstore = \"answers\"\ncap = 1000000000\nreserve = 1\nmax_age = \"7days\"\n\
             keep_for = \"30days\"\n[service]\nbase_url = \"http://{service}\"\n"
        );
        std::fs::write(folder.join("gateway.toml"), config).expect("a file");
        let command = |arguments: &[&str]| {
            let mut command = Command::new(&program);
            command.args(arguments).current_dir(&folder).env("TGSCAN_API_KEY", "a");
            command
        };
        let added = command(&["serve", "keys", "add", "bench", "--total", "1000000000"]).output();
        let key = String::from_utf8(added.expect("it is built").stdout).expect("text");
        let mut child = command(&["serve"]).stdout(Stdio::piped()).spawn().expect("it is built");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let first = lines.next().expect("a line").expect("text");
        let address = first.split('"').find_map(|part| part.parse().ok()).expect("an address");
        // Reads the log, as in a deployment.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let key = format!("Api-Key: {}", key.trim());
        let process = Some(child.id());
        let target = Target { address, path: PATH.to_owned(), key, process };
        Self { target, _running: Running { child, folder } }
    }
}

/// litellm's proxy, which forwards the path.
struct Proxy {
    target: Target,
    _running: Running,
}

impl Proxy {
    fn start(program: &Path, service: SocketAddr) -> Self {
        let folder = folder("litellm");
        let config = format!(
            "general_settings:\n  pass_through_endpoints:\n    - path: \"/tgscan\"\n      target: \
             \"http://{service}{PATH}\"\n      headers:\n        Api-Key: a\n"
        );
        std::fs::write(folder.join("config.yaml"), config).expect("a file");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let address = port.expect("a free port");
        let child = Command::new(program)
            .args(["--config", "config.yaml", "--host", "127.0.0.1", "--num_workers", "2"])
            .args(["--port", &address.port().to_string()])
            .current_dir(&folder)
            // It is for this machine alone, and asks no other for prices of models.
            .env("LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY", "true")
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("litellm is installed");
        let running = Running { child, folder };
        let target =
            Target { address, path: "/tgscan".to_owned(), key: "Accept: */*".to_owned(), process: None };
        let until = Instant::now() + Duration::from_secs(300);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "litellm does not listen");
            thread::sleep(Duration::from_millis(100));
        }
        Self { target, _running: running }
    }
}
