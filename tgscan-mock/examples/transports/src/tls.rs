//! Trusted certificate authorities, and an explicit crypto provider.

use std::error::Error;
use std::io;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// The provider is explicit, because the process-wide default may be missing or set by another crate.
pub(crate) fn client_config(ca_pem: Option<&str>, alpn: &[&str]) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match ca_pem {
        Some(pem) => {
            for authority in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let authority = authority.map_err(io::Error::other)?;
                roots.add(authority).map_err(io::Error::other)?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}

/// Returns whether an error, or one of its causes, is from TLS.
pub(crate) fn is_from_tls(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // The inner error of an I/O error is not its source; its source is that of the inner error.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}
