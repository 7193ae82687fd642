//! The verifier of rustls or of the platform, with a word for certificates that nobody but themselves vouches for.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use webpki::EndEntityCert;

/// Leaves every decision to another verifier, and only renames some of its refusals: rustls says "unknown issuer" or
/// "CA used as end entity" of a self-signed certificate, which sends people to look for an issuer that does not exist.
#[derive(Debug)]
pub(super) struct Explaining {
    pub(super) verifier: Arc<dyn ServerCertVerifier>,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Explaining {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier
            .verify_server_cert(certificate, intermediates, server_name, ocsp_response, now)
            .map_err(|error| if self.is_self_signed(&error, certificate, now) { refusal() } else { error })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.verifier.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.verifier.root_hint_subjects()
    }
}

impl Explaining {
    fn is_self_signed(&self, error: &Error, certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
        match error {
            // Names alone prove nothing here: tools give every certificate the same default name.
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                self.vouches_for_itself(certificate, now)
            }
            // An authority and a server in one, which is what tools make by default.
            Error::InvalidCertificate(CertificateError::Other(OtherError(error))) => {
                matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
                    && EndEntityCert::try_from(certificate)
                        .is_ok_and(|parsed| parsed.issuer() == parsed.subject())
            }
            _ => false,
        }
    }

    /// Whether the certificate would be trusted if it were a root itself.
    fn vouches_for_itself(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
        let mut itself = RootCertStore::empty();
        let algorithms = self.provider.signature_verification_algorithms.all;
        itself.add(certificate.clone().into_owned()).is_ok()
            && ParsedCertificate::try_from(certificate).is_ok_and(|parsed| {
                verify_server_cert_signed_by_trust_anchor(&parsed, &itself, &[], now, algorithms).is_ok()
            })
    }
}

fn refusal() -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(SelfSigned))))
}

/// The certificate names itself as its issuer.
#[derive(Debug)]
pub(super) struct SelfSigned;

impl std::error::Error for SelfSigned {}

impl fmt::Display for SelfSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("self-signed certificate")
    }
}
