//! Third-party proxies between the transport and the mock.

use tgscan_core::types::{Balance, UserQuery};
use tgscan_core::{Api, ApiKey, Transport, transport::Delivery};
use tgscan_mock::conformance::{self, Endpoint, Scheme};
use tgscan_mock::{Mock, MockServer, ServerOptions};
use tgscan_transport_hyper::HyperTransport;

use crate::client;
use crate::program::{Folder, Program, free_port};

const USER: &str = "someone";
const PASSWORD: &str = "pr0xysecret";

struct Proxy {
    program: Program,
    scheme: &'static str,
    address: String,
    log: &'static str,
    /// The text before the host and port in its log.
    proof: &'static str,
}

impl Proxy {
    /// Starts an HTTP `CONNECT` proxy.
    fn tinyproxy(with_password: bool) -> Self {
        let (folder, port) = (Folder::new(), free_port());
        let password = if with_password { format!("BasicAuth {USER} {PASSWORD}\n") } else { String::new() };
        let settings = format!(
            "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\nMaxClients 200\nLogLevel Info\n\
             LogFile \"{}\"\n{password}",
            folder.path().join("log").display()
        );
        let path = folder.write("tinyproxy.conf", &settings);
        let program = Program::start(folder, "tinyproxy", &["-d", "-c", path.to_str().unwrap()], &[port]);
        Self { program, scheme: "http", address: format!("127.0.0.1:{port}"), log: "log", proof: "CONNECT " }
    }

    /// Starts a SOCKS5 proxy.
    fn microsocks(with_password: bool) -> Self {
        let (folder, port) = (Folder::new(), free_port());
        let number = port.to_string();
        let mut arguments = vec!["-i", "127.0.0.1", "-p", &number];
        if with_password {
            arguments.extend(["-u", USER, "-P", PASSWORD]);
        }
        let program = Program::start(folder, "microsocks", &arguments, &[port]);
        let address = format!("127.0.0.1:{port}");
        Self { program, scheme: "socks5h", address, log: "output", proof: "connected to " }
    }

    fn url(&self, credentials: &str) -> String {
        format!("{}://{credentials}{}", self.scheme, self.address)
    }
}

fn credentials() -> String {
    format!("{USER}:{PASSWORD}@")
}

#[tokio::test]
async fn proxy_connects_and_resolves_the_name() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new().https::<&str>([])).unwrap();
    let url = format!("https://localhost:{}", server.address().port());
    for (proxy, credentials) in [
        (Proxy::tinyproxy(false), String::new()),
        (Proxy::microsocks(false), String::new()),
        (Proxy::tinyproxy(true), credentials()),
        (Proxy::microsocks(true), credentials()),
    ] {
        let builder = HyperTransport::builder()
            .extra_roots_pem(server.ca_pem().unwrap())
            .proxy(proxy.url(&credentials));
        client(&mock, &url, builder).search("some_username".parse::<UserQuery>().unwrap()).await.unwrap();
        // If this machine had resolved the name, the log would have an address.
        let target = format!("{}localhost:{}", proxy.proof, server.address().port());
        let log = proxy.program.log_with(proxy.log, &target);
        assert!(!log.contains("some_username") && !log.contains(Mock::LIVE_KEY), "{log}");
    }
    assert_eq!(mock.requests().len(), 4);
}

#[tokio::test]
async fn name_that_the_proxy_cannot_resolve_is_never_sent() {
    for proxy in [Proxy::tinyproxy(false), Proxy::microsocks(false)] {
        let transport = HyperTransport::builder().proxy(proxy.url("")).build().unwrap();
        let api = Api::with_base_url("https://unknown.invalid", ApiKey::live("k").unwrap()).unwrap();
        let error = transport.send(api.request(&Balance {})).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::NeverSent, "{error}");
        assert!(error.to_string().contains(&format!("the proxy {}", proxy.address)), "{error}");
    }
}

#[tokio::test]
async fn missing_or_wrong_credentials_are_never_sent_and_never_shown() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    for proxy in [Proxy::tinyproxy(true), Proxy::microsocks(true)] {
        for credentials in ["", "someone:wr0ngsecret@"] {
            let transport = HyperTransport::builder().proxy(proxy.url(credentials)).build().unwrap();
            let api = Api::with_base_url(&server.url(), mock.live_key()).unwrap();
            let error = transport.send(api.request(&Balance {})).await.unwrap_err();
            assert_eq!(error.delivery(), Delivery::NeverSent, "{error}");
            let shown = format!("{error} {error:?} {:?} {transport:?}", error.cause());
            assert!(shown.contains(&proxy.address) && !shown.contains("wr0ngsecret"), "{shown}");
        }
    }
    assert!(mock.requests().is_empty(), "no request bypasses the proxy");
}

async fn conforms_through(proxy: &Proxy, credentials: &str, scheme: Scheme, http1_only: bool, gzip: bool) {
    let make = |endpoint: &Endpoint| {
        let mut builder = HyperTransport::builder()
            .attempt_timeout(endpoint.time_limit)
            .max_body_size(endpoint.max_body_size)
            .http1_only(http1_only)
            .gzip(gzip)
            .proxy(proxy.url(credentials));
        if let Some(pem) = &endpoint.ca_pem {
            builder = builder.extra_roots_pem(pem.as_str());
        }
        builder.build().unwrap()
    };
    let report =
        if gzip { conformance::run_gzip(scheme, make).await } else { conformance::run(scheme, make).await };
    report.assert_passed();
    let log = proxy.program.log(proxy.log);
    assert!(log.matches(proxy.proof).count() >= report.cases().len(), "every case went through the proxy");
}

#[tokio::test]
async fn conforms_through_an_http_proxy() {
    conforms_through(&Proxy::tinyproxy(false), "", Scheme::Http, false, false).await;
}

#[tokio::test]
async fn conforms_over_https_and_gzip_through_an_http_proxy_with_a_password() {
    conforms_through(&Proxy::tinyproxy(true), &credentials(), Scheme::Https, false, true).await;
}

#[tokio::test]
async fn conforms_over_https_with_http1_only_through_an_http_proxy() {
    conforms_through(&Proxy::tinyproxy(false), "", Scheme::Https, true, false).await;
}

#[tokio::test]
async fn conforms_through_a_socks5_proxy() {
    conforms_through(&Proxy::microsocks(false), "", Scheme::Http, false, false).await;
}

#[tokio::test]
async fn conforms_over_https_and_gzip_through_a_socks5_proxy_with_a_password() {
    conforms_through(&Proxy::microsocks(true), &credentials(), Scheme::Https, false, true).await;
}

#[tokio::test]
async fn conforms_over_https_with_http1_only_through_a_socks5_proxy() {
    conforms_through(&Proxy::microsocks(false), "", Scheme::Https, true, false).await;
}
