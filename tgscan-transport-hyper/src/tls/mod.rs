//! TLS settings: who is trusted, with whose cryptography, and which HTTP versions are offered.

mod explain;
mod provider;
mod roots;
mod verifier;

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};

pub(crate) use self::explain::explain;
pub(crate) use self::roots::Roots;
use self::verifier::Explaining;
use crate::BuildError;

/// In order of preference (ALPN).
#[cfg(feature = "http2")]
const OFFERED: [&[u8]; 2] = [b"h2", b"http/1.1"];
#[cfg(not(feature = "http2"))]
const OFFERED: [&[u8]; 1] = [b"http/1.1"];

/// What the builder was told about TLS.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    pub(crate) roots: Roots,
    pub(crate) trusted: Trusted,
    pub(crate) provider: Option<CryptoProvider>,
    /// The caller's own settings instead of all others.
    pub(crate) config: Option<ClientConfig>,
}

/// Who is trusted beside the extra roots.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Trusted {
    #[default]
    Mozilla,
    Nobody,
    #[cfg(feature = "platform-verifier")]
    Platform,
}

impl Tls {
    pub(crate) fn config(self, http1_only: bool) -> Result<ClientConfig, BuildError> {
        let mut config = match self.config {
            Some(_) if !self.roots.is_empty() || self.trusted != Trusted::Mozilla => {
                return Err(BuildError::ConflictingSettings {
                    settings: "`tls_config` and roots of the builder",
                    remedy: "trust them in your `ClientConfig`, which decides alone whom to trust",
                });
            }
            Some(_) if self.provider.is_some() => {
                return Err(BuildError::ConflictingSettings {
                    settings: "`tls_config` and `crypto_provider`",
                    remedy: "make your `ClientConfig` with that provider",
                });
            }
            Some(config) if !config.alpn_protocols.is_empty() => {
                return Err(BuildError::ConflictingSettings {
                    settings: "`tls_config` and its `alpn_protocols`",
                    remedy: "leave them empty: the transport offers what it can speak, and `http1_only` limits that",
                });
            }
            Some(config) => config,
            None => own(self.roots, self.trusted, self.provider)?,
        };
        let offered = OFFERED.into_iter().filter(|version| !http1_only || *version == b"http/1.1");
        config.alpn_protocols = offered.map(<[u8]>::to_vec).collect();
        Ok(config)
    }
}

fn own(roots: Roots, trusted: Trusted, provider: Option<CryptoProvider>) -> Result<ClientConfig, BuildError> {
    let provider = Arc::new(provider.or_else(provider::linked).ok_or(BuildError::NoCryptoProvider)?);
    let verifier = match trusted {
        Trusted::Mozilla => built_in(webpki_roots::TLS_SERVER_ROOTS.to_vec(), roots, &provider)?,
        Trusted::Nobody if roots.is_empty() => {
            return Err(BuildError::ConflictingSettings {
                settings: "`only_extra_roots` and no extra root",
                remedy: "add the authority to trust with `extra_roots_pem`, or trust Mozilla's roots",
            });
        }
        Trusted::Nobody => built_in(Vec::new(), roots, &provider)?,
        #[cfg(feature = "platform-verifier")]
        Trusted::Platform => Arc::new(
            rustls_platform_verifier::Verifier::new_with_extra_roots(
                roots.certificates()?,
                Arc::clone(&provider),
            )
            .map_err(|error| BuildError::Tls { reason: error.to_string() })?,
        ),
    };
    // rustls calls every verifier that it did not choose itself dangerous; this one decides nothing.
    let verifier = Explaining { verifier, provider: Arc::clone(&provider) };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::Tls { reason: error.to_string() })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

fn built_in(
    base: Vec<rustls::pki_types::TrustAnchor<'static>>,
    extra: Roots,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, BuildError> {
    let mut roots = RootCertStore { roots: base };
    let failed = |reason: String| BuildError::Tls { reason };
    for certificate in extra.certificates()? {
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    let verifier: Arc<dyn ServerCertVerifier> = verifier.map_err(|error| failed(error.to_string()))?;
    Ok(verifier)
}
