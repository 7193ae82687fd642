//! A server over HTTP/2 that answers searches only when as many have arrived as it was told: `holding COUNT`.
//!
//! Prints its URL and the certificate to trust.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tgscan_bench::body::{SIZES, status_first};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u32 = std::env::args().nth(1).ok_or("needs COUNT")?.parse()?;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![made.cert.der().clone()],
            PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()),
        )?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    // Nothing after the certificate's last line, at which the reader stops.
    print!("https://localhost:{}\n{}", listener.local_addr()?.port(), made.cert.pem());

    let body = status_first(SIZES[0]);
    let all_there = Arc::new(Barrier::new(count.try_into()?));
    loop {
        let stream = acceptor.accept(listener.accept().await?.0).await?;
        let (body, all_there) = (body.clone(), all_there.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (body, all_there) = (body.clone(), all_there.clone());
            async move {
                let is_search = request.uri().path().ends_with("/search");
                drop(request.into_body().collect().await);
                let free = Bytes::from_static(br#"{"status":"ok","result":{"num_credits":5}}"#);
                if is_search {
                    all_there.wait().await;
                }
                Ok::<_, Infallible>(Response::new(Full::new(if is_search { body } else { free })))
            }
        });
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.max_concurrent_streams(count + 1);
        tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
    }
}
