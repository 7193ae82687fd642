//! nginx in front of the mock, like the gateway of a service.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tgscan_core::types::UserQuery;
use tgscan_core::{
    Credits,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_mock::{Mock, MockServer, ServerOptions};
use tgscan_transport_hyper::{HyperTransport, HyperTransportBuilder};

use crate::client;
use crate::program::{Folder, Program, free_port};

struct Nginx {
    program: Program,
    mock: Mock,
    server: Option<MockServer>,
    authority: String,
    http: String,
    https: String,
    old: String,
}

impl Nginx {
    fn start() -> Self {
        let mock = Mock::builder().seed(7).credits(10_000).build().unwrap();
        let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
        let folder = Folder::new();
        let tls = Certificate::for_loopback();
        folder.write("certificate.pem", &tls.chain);
        folder.write("key.pem", &tls.key);
        let ports = [free_port(), free_port(), free_port()];
        let [http, https, old] = ports;
        let settings = include_str!("nginx.conf")
            .replace("{folder}", folder.path().to_str().unwrap())
            .replace("{mock}", &server.address().to_string())
            .replace("{http}", &http.to_string())
            .replace("{https}", &https.to_string())
            .replace("{old}", &old.to_string());
        let path = folder.write("nginx.conf", &settings);
        let prefix = folder.path().to_owned();
        let arguments = ["-p", prefix.to_str().unwrap(), "-c", path.to_str().unwrap()];
        let program = Program::start(folder, "nginx", &arguments, &ports);
        Self {
            program,
            mock,
            server: Some(server),
            authority: tls.authority,
            http: format!("http://127.0.0.1:{http}"),
            https: format!("https://localhost:{https}"),
            old: format!("https://localhost:{old}"),
        }
    }

    fn trusted(&self) -> HyperTransportBuilder {
        HyperTransport::builder().extra_roots_pem(self.authority.as_str())
    }
}

fn query() -> UserQuery {
    "some_username".parse().unwrap()
}

#[tokio::test]
async fn sequential_calls_share_one_http1_connection() {
    let nginx = Nginx::start();
    for (url, builder) in
        [(&nginx.http, HyperTransport::builder()), (&nginx.https, nginx.trusted().http1_only(true))]
    {
        let client = client(&nginx.mock, url, builder);
        for _ in 0..20 {
            client.search(query()).await.unwrap();
        }
    }
    let log = nginx.program.log_with_all("access.log", "HTTP/1.1 request 20 of its connection: 200", 2);
    assert_eq!(log.matches("request 1 of its connection").count(), 2, "{log}");
    assert_eq!(nginx.mock.requests().len(), 40);
}

#[tokio::test]
async fn sixty_four_concurrent_calls_share_one_http2_connection() {
    let nginx = Nginx::start();
    let client = client(&nginx.mock, &nginx.https, nginx.trusted());
    let calls: Vec<_> = (0..64)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let name = format!("user_{number}");
                let reply = client.search(name.parse::<UserQuery>().unwrap()).await.unwrap();
                assert_eq!(reply.answer.meta.search_query, name);
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let log = nginx.program.log_with("access.log", "HTTP/2.0 request 64 of its connection: 200");
    assert_eq!(log.matches("HTTP/2.0").count(), 64, "{log}");
}

#[tokio::test]
async fn expands_answers_compressed_by_nginx() {
    let nginx = Nginx::start();
    // Mocks with the same seed give the same answer to the same request.
    let plain =
        Mock::builder().seed(7).credits(10_000).build().unwrap().client().search(query()).await.unwrap();
    for (url, builder) in [(&nginx.http, HyperTransport::builder()), (&nginx.https, nginx.trusted())] {
        let before = nginx.mock.requests().len();
        let reply = client(&nginx.mock, url, builder.gzip(true)).search(query()).await.unwrap();
        assert_eq!(nginx.mock.requests().len(), before + 1);
        if before == 0 {
            assert_eq!(reply.response().body(), plain.response().body());
        }
    }
    let log = nginx.program.log_with_all("access.log", "200 coded gzip", 2);
    assert!(log.contains("HTTP/2.0"), "{log}");
}

#[tokio::test]
async fn keeps_the_error_page_of_nginx_if_the_mock_is_down() {
    let mut nginx = Nginx::start();
    drop(nginx.server.take());
    for (url, builder) in
        [(&nginx.http, HyperTransport::builder()), (&nginx.https, nginx.trusted().gzip(true))]
    {
        let error = client(&nginx.mock, url, builder).search(query()).await.unwrap_err();
        assert!(matches!(error.kind(), tgscan_core::ErrorKind::UnexpectedResponse(_)), "{error}");
        assert_eq!((error.credits(), error.attempts()), (Credits::Uncertain, 1));
        let page = error.response().unwrap();
        assert_eq!(
            (page.status().as_u16(), &page.headers()["content-type"]),
            (502, &"text/html".parse().unwrap())
        );
        assert!(String::from_utf8_lossy(page.body()).contains("<center>nginx"), "{page:?}");
    }
}

#[tokio::test]
async fn explains_a_tls_1_0_server() {
    let nginx = Nginx::start();
    let error = client(&nginx.mock, &nginx.old, nginx.trusted()).search(query()).await.unwrap_err();
    assert_eq!(error.delivery(), Some(Delivery::NeverSent));
    let tgscan_core::ErrorKind::Transport(transport) = error.kind() else { panic!("{error}") };
    assert_eq!(transport.kind(), TransportErrorKind::Tls);
    assert!(error.to_string().contains("supports neither TLS 1.2 nor 1.3"), "{error}");
}

#[tokio::test]
async fn explains_a_port_without_tls() {
    let nginx = Nginx::start();
    let url = nginx.http.replace("http:", "https:");
    let error = client(&nginx.mock, &url, nginx.trusted()).search(query()).await.unwrap_err();
    assert_eq!(error.delivery(), Some(Delivery::NeverSent));
    assert!(error.to_string().contains("does not speak TLS on this port"), "{error}");
}

/// A certificate in PEM form, and its authority.
struct Certificate {
    authority: String,
    chain: String,
    key: String,
}

impl Certificate {
    fn for_loopback() -> Self {
        let mut authority = CertificateParams::new([]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        Self { authority: authority.pem(), chain: certificate.pem(), key: key.serialize_pem() }
    }
}
