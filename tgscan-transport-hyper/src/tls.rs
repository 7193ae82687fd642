//! TLS settings: who is trusted, and which HTTP versions are offered.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::BuildError;

/// In order of preference (ALPN).
#[cfg(feature = "http2")]
const OFFERED: [&[u8]; 2] = [b"h2", b"http/1.1"];
#[cfg(not(feature = "http2"))]
const OFFERED: [&[u8]; 1] = [b"http/1.1"];

/// Certificates to trust beside Mozilla's, as they were given.
#[derive(Clone, Default)]
pub(crate) struct Roots(Vec<Root>);

#[derive(Clone)]
enum Root {
    Pem(Vec<u8>),
    Der(CertificateDer<'static>),
}

impl Roots {
    pub(crate) fn add_pem(&mut self, pem: Vec<u8>) {
        self.0.push(Root::Pem(pem));
    }

    pub(crate) fn add_der(&mut self, der: CertificateDer<'static>) {
        self.0.push(Root::Der(der));
    }

    fn certificates(self) -> Result<Vec<CertificateDer<'static>>, BuildError> {
        let mut all = Vec::new();
        for root in self.0 {
            match root {
                Root::Der(der) => all.push(der),
                Root::Pem(pem) => {
                    let before = all.len();
                    for certificate in CertificateDer::pem_slice_iter(&pem) {
                        let reason = |error: rustls::pki_types::pem::Error| error.to_string();
                        all.push(certificate.map_err(|error| BuildError::Pem { reason: reason(error) })?);
                    }
                    if all.len() == before {
                        return Err(BuildError::NoCertificate);
                    }
                }
            }
        }
        Ok(all)
    }
}

pub(crate) fn config(extra: Roots, http1_only: bool) -> Result<ClientConfig, BuildError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for (index, certificate) in extra.certificates()?.into_iter().enumerate() {
        roots
            .add(certificate)
            .map_err(|error| BuildError::Root { number: index + 1, reason: error.to_string() })?;
    }
    // Named and not taken from the process default, which panics if none or two are linked.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::Tls { reason: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let offered = OFFERED.into_iter().filter(|version| !http1_only || *version == b"http/1.1");
    config.alpn_protocols = offered.map(<[u8]>::to_vec).collect();
    Ok(config)
}
