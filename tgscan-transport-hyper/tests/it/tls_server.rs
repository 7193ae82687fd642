//! Certificates, and a TLS server with a real HTTP stack.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tgscan_core::{
    TransportError,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_transport_hyper::{HyperTransport, HyperTransportBuilder};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::OK;

/// A certificate authority for one test.
pub(crate) struct Authority(pub(crate) CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn trusted(&self) -> HyperTransportBuilder {
        HyperTransport::builder().extra_roots_pem(self.0.pem())
    }

    /// Returns a server configuration with a certificate of this authority.
    pub(crate) fn server(&self, params: &CertificateParams, alpn: &[&str]) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        server_config(certificate.der().clone(), &key, alpn)
    }
}

/// Returns a self-signed certificate in PEM form, and a server configuration with it.
pub(crate) fn self_signed(params: &CertificateParams) -> (String, ServerConfig) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), server_config(certificate.der().clone(), &key, BOTH))
}

fn server_config(certificate: CertificateDer<'static>, key: &KeyPair, alpn: &[&str]) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|version| version.as_bytes().to_vec()).collect();
    config
}

pub(crate) fn for_host(host: &str) -> CertificateParams {
    CertificateParams::new([host.to_owned()]).unwrap()
}

/// An HTTPS server with a real HTTP stack.
pub(crate) struct TlsServer {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

/// The way in which a server ends its answers. Requests without a body always get a complete answer.
#[derive(Clone, Copy)]
pub(crate) enum Ending {
    Complete,
    /// Announces one more byte than these.
    Short(&'static str),
    /// Drops the connection instead of answering.
    Never,
}

impl TlsServer {
    pub(crate) async fn start(config: ServerConfig, ending: Ending) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    // A client that does not trust the certificate disconnects here.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    let (read, mut all_read) = tokio::sync::mpsc::unbounded_channel();
                    let service = service_fn(move |request: Request<Incoming>| {
                        let (counted, read) = (Arc::clone(&counted), read.clone());
                        async move {
                            let body = request.into_body().collect().await.unwrap().to_bytes();
                            counted.fetch_add(1, Ordering::SeqCst);
                            let ending = if body.is_empty() { Ending::Complete } else { ending };
                            if matches!(ending, Ending::Never) {
                                read.send(()).unwrap();
                                std::future::pending::<()>().await;
                            }
                            Ok::<_, Infallible>(answer(ending))
                        }
                    });
                    let io = TokioIo::new(stream);
                    if h2 {
                        let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        if matches!(ending, Ending::Never) {
                            http.max_concurrent_streams(1);
                        }
                        let serving = http.serve_connection(io, service);
                        tokio::select! { _ = serving => {}, _ = all_read.recv() => {} }
                    } else {
                        let http = hyper::server::conn::http1::Builder::new();
                        let serving = http.serve_connection(io, service);
                        tokio::select! { _ = serving => {}, _ = all_read.recv() => {} }
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn answer(ending: Ending) -> Response<Ends> {
    let (length, text) = match ending {
        Ending::Complete | Ending::Never => (OK.len(), OK),
        Ending::Short(text) => (text.len() + 1, text),
    };
    Response::builder().header("content-length", length).body(Ends(Full::from(text))).unwrap()
}

/// A body that ends separately from its last bytes, so that only its end contradicts the announced length.
pub(crate) struct Ends(Full<Bytes>);

impl Body for Ends {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }
}

pub(crate) const BOTH: &[&str] = &["h2", "http/1.1"];

/// Asserts that an error is a broken connection, with this delivery and received body.
pub(crate) fn assert_broken(error: &TransportError, delivery: Delivery, body: Option<&str>) {
    assert_eq!((error.delivery(), error.kind()), (delivery, TransportErrorKind::Broken), "{error}");
    assert_eq!(error.partial().map(|partial| &partial.body()[..]), body.map(str::as_bytes), "{error}");
}
