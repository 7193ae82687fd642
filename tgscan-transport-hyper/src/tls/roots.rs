//! The extra root certificates, parsed when the transport is built.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::BuildError;

/// The unparsed extra roots.
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

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Parses all certificates, and checks that each is a valid root.
    pub(super) fn certificates(self) -> Result<Vec<CertificateDer<'static>>, BuildError> {
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
        // Checked here, so that the error has the number of the certificate for every verifier.
        let mut store = RootCertStore::empty();
        for (index, certificate) in all.iter().enumerate() {
            store.add(certificate.clone()).map_err(|error| BuildError::RootCertificate {
                number: index + 1,
                reason: error.to_string(),
            })?;
        }
        Ok(all)
    }
}
