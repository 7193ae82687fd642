//! The mock on a socket: HTTP/1.1 and HTTP/2, in clear text or over TLS.

mod body;
mod coding;
mod connection;
mod control;
mod inspector;
mod service;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::SystemTime;

use tokio::sync::{Notify, oneshot};

pub(crate) use self::coding::ContentCoding;
use self::service::Service;
#[cfg(feature = "tls")]
use self::tls::Tls;
use crate::Mock;
use crate::engine::recording::since_1970;

/// The address and protocol of a [`MockServer`].
#[derive(Clone, Debug)]
pub struct ServerOptions {
    address: SocketAddr,
    is_exposed: bool,
    log: Option<fn(&str)>,
    coding: ContentCoding,
    #[cfg(feature = "tls")]
    host_names: Option<Vec<String>>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            is_exposed: false,
            log: None,
            coding: ContentCoding::default(),
            #[cfg(feature = "tls")]
            host_names: None,
        }
    }
}

impl ServerOptions {
    /// Creates options for HTTP on 127.0.0.1, on a free port.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the address. Port 0 selects a free port. Default: `127.0.0.1:0`.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Allows an address that other machines can reach. Default: loopback only.
    ///
    /// The mock's keys are not secret and its control paths need no key, so every client that reaches it can use it and
    /// read all requests.
    #[must_use]
    pub fn allow_remote(mut self) -> Self {
        self.is_exposed = true;
        self
    }

    /// Calls a function with one line per request: HTTP method, path, status and credits, but no key and no query.
    /// Requests to control paths are not logged. Default: no log.
    #[must_use]
    pub fn log(mut self, log: fn(&str)) -> Self {
        self.log = Some(log);
        self
    }

    #[cfg(feature = "conformance")]
    pub(crate) fn coding(mut self, coding: ContentCoding) -> Self {
        self.coding = coding;
        self
    }

    /// Compresses answers with gzip if the request's `accept-encoding` allows it. Faults that cut, stall or slow a body
    /// then count compressed bytes. Default: no compression.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.coding = ContentCoding::Gzip;
        self
    }

    /// Serves HTTPS with a certificate for `localhost`, the loopback addresses, and these host names and IP addresses.
    /// It is signed by an authority that is created at the start; see [`MockServer::ca_pem`].
    ///
    /// ```
    /// use tgscan_mock::{Mock, MockServer, ServerOptions};
    ///
    /// let server = MockServer::start(&Mock::new(), &ServerOptions::new().https(["api.tgdev.io"]))?;
    /// assert!(server.url().starts_with("https://"));
    /// assert!(server.ca_pem().is_some_and(|pem| pem.starts_with("-----BEGIN CERTIFICATE-----")));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn https<N: Into<String>>(mut self, host_names: impl IntoIterator<Item = N>) -> Self {
        self.host_names = Some(host_names.into_iter().map(Into::into).collect());
        self
    }
}

/// The mock as a server. It runs on its own thread, with or without a runtime in your program, until dropped.
///
/// `/_mock/` is a page that shows the requests as they arrive, with their answers, and sets faults, answers and the state.
///
/// Besides the API, it serves control paths for tests in any language. They answer JSON, need no key and are not
/// recorded:
///
/// | path | HTTP method | description |
/// |---|---|---|
/// | `/_mock/state` | `GET` | returns seed, latency, `repeat`, costs, account, and the numbers of keys, requests and faults |
/// | | `PUT` | changes any of `credits`, `seed`, `latency_ms`, `repeat`, `costs`, `live_keys`, `test_keys`, `revoked_keys`, `answers_unexpected`: `{"credits": 5}` |
/// | `/_mock/requests` | `GET` | returns the requests, oldest first, like [`Mock::requests`] |
/// | `/_mock/request?number=N` | `GET` | returns a request with its answer |
/// | `/_mock/changes?after=CURSOR` | `GET` | waits up to a second, and returns the requests after an earlier answer's `cursor`, the state, the script, and the progress of the expectations |
/// | `/_mock/faults` | `POST` | appends to the script: a list of [`ScriptStep`](crate::ScriptStep)s |
/// | | `GET`, `DELETE` | returns the number of remaining steps; removes them |
/// | `/_mock/expectations` | `POST` | adds a list of `{"method": …}` with `query`, `times` or `at_least` and `at_most`, `name`, `in_order`, `latency_ms`, `answer` (the `result` to return) or `fault`, like [`Mock::expect`] |
/// | | `GET`, `DELETE` | returns whether they are met, and a report if not; removes them |
/// | `/_mock/reset` | `POST` | [`Mock::reset`]: restores the state at the start |
/// | `/_mock/openapi.json` | `GET` | the OpenAPI 3.1 document of the API |
/// | `/_mock/control.json` | `GET` | the OpenAPI 3.1 document of these paths |
///
/// The last 1,000 requests are kept, at most 16 MiB with their answers. Of each answer, the first 64 KiB of the body are
/// kept.
///
/// ```
/// use tgscan_mock::{Mock, MockServer, ServerOptions};
///
/// let mock = Mock::new();
/// let server = MockServer::start(&mock, &ServerOptions::new())?;
/// assert!(server.url().starts_with("http://127.0.0.1:"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct MockServer {
    address: SocketAddr,
    scheme: &'static str,
    ca_pem: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    service: Arc<Service>,
    thread: Option<JoinHandle<()>>,
}

impl MockServer {
    /// Starts the server. When this returns, it accepts requests.
    ///
    /// # Errors
    /// If the address is not loopback and was not allowed, if it is taken, or if a host name is invalid in a
    /// certificate.
    pub fn start(mock: &Mock, options: &ServerOptions) -> io::Result<Self> {
        if !options.is_exposed && !options.address.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{} is not a loopback address, so other machines could reach the mock; \
                     use 127.0.0.1, or allow it explicitly",
                    options.address.ip()
                ),
            ));
        }
        #[cfg(feature = "tls")]
        let (acceptor, scheme, ca_pem) = match &options.host_names {
            None => (connection::Acceptor::Plain, "http", None),
            Some(names) => {
                let tls = Tls::new(names)?;
                (connection::Acceptor::Tls(tls.acceptor), "https", Some(tls.ca_pem))
            }
        };
        #[cfg(not(feature = "tls"))]
        let (acceptor, scheme, ca_pem) = (connection::Acceptor::Plain, "http", None);

        // Bound on the caller's thread, so that a taken port is the caller's error and early requests are not refused.
        let listener = TcpListener::bind(options.address).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {}: {error}", options.address))
        })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let service = Arc::new(Service {
            mock: mock.clone(),
            coding: options.coding,
            log: options.log,
            started_ms: since_1970(SystemTime::now()),
            close: Notify::new(),
            connections: Arc::default(),
            requests: Arc::default(),
        });
        let served = service.clone();
        let thread = std::thread::Builder::new().name("tgscan-mock".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = connection::accept_all(listener, acceptor, served) => {}
                    _ = stopped => {}
                }
            });
            // Dropping the runtime closes the open connections.
        })?;
        Ok(Self { address, scheme, ca_pem, stop: Some(stop), service, thread: Some(thread) })
    }

    /// Returns the address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL, e.g. `https://127.0.0.1:40001`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Closes all open connections, as a server does after an idle time or a restart. New connections are accepted.
    pub fn close_connections(&self) {
        // Now, or when the server's thread next waits.
        self.service.close.notify_one();
    }

    /// Returns the number of open connections.
    pub fn open_connections(&self) -> usize {
        Arc::strong_count(&self.service.connections) - 1
    }

    /// Returns the number of requests in flight, without those to control paths.
    #[doc(hidden)]
    pub fn requests_in_flight(&self) -> usize {
        Arc::strong_count(&self.service.requests) - 1
    }

    /// Returns the certificate of the authority that signed the server's certificate as PEM, or `None` without TLS.
    ///
    /// It is new at every start and exists only here, so a test that trusts it trusts no other server.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread printed its panic; another one here would hide the test's.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for MockServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockServer").field("url", &self.url()).finish_non_exhaustive()
    }
}
