//! TLS settings: trusted authorities, the crypto provider, and the offered HTTP versions.

mod explain;
mod provider;
mod roots;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::TrustAnchor;
use rustls::{ClientConfig, RootCertStore};

pub(crate) use self::explain::explain;
pub(crate) use self::roots::Roots;
use crate::BuildError;

/// In order of preference (ALPN).
#[cfg(feature = "http2")]
const OFFERED: [&[u8]; 2] = [b"h2", b"http/1.1"];
#[cfg(not(feature = "http2"))]
const OFFERED: [&[u8]; 1] = [b"http/1.1"];

/// The TLS settings of the builder.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    pub(crate) roots: Roots,
    pub(crate) trusted: Trusted,
    pub(crate) provider: Option<CryptoProvider>,
    /// A custom configuration that replaces the other settings.
    pub(crate) config: Option<ClientConfig>,
}

/// The trusted authorities.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Trusted {
    #[default]
    Mozilla,
    /// No authorities other than the extra roots.
    ExtraRoots,
    #[cfg(feature = "platform-verifier")]
    Platform,
}

impl Tls {
    pub(crate) fn config(self, http1_only: bool) -> Result<ClientConfig, BuildError> {
        let mut config = match self.config {
            Some(_) if !self.roots.is_empty() || self.trusted != Trusted::Mozilla => {
                return Err(BuildError::ConflictingSettings {
                    settings: "`tls_config` and roots of the builder",
                    remedy: "add the roots to your `ClientConfig`, whose verifier replaces the builder's",
                });
            }
            Some(_) if self.provider.is_some() => {
                return Err(BuildError::ConflictingSettings {
                    settings: "`tls_config` and `crypto_provider`",
                    remedy: "create your `ClientConfig` with that provider",
                });
            }
            Some(config) if !config.alpn_protocols.is_empty() => {
                return Err(BuildError::ConflictingSettings {
                    settings: "`tls_config` and its `alpn_protocols`",
                    remedy: "leave them empty; the transport sets them, and `http1_only` disables HTTP/2",
                });
            }
            Some(config) => config,
            None => default_config(self.roots, self.trusted, self.provider)?,
        };
        let offered = OFFERED.into_iter().filter(|version| !http1_only || *version == b"http/1.1");
        config.alpn_protocols = offered.map(<[u8]>::to_vec).collect();
        Ok(config)
    }
}

fn default_config(
    roots: Roots,
    trusted: Trusted,
    provider: Option<CryptoProvider>,
) -> Result<ClientConfig, BuildError> {
    let provider = Arc::new(provider.or_else(provider::linked).ok_or(BuildError::NoCryptoProvider)?);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::Tls { reason: error.to_string() })?;
    let builder = match trusted {
        Trusted::Mozilla => {
            builder.with_root_certificates(store(webpki_roots::TLS_SERVER_ROOTS.to_vec(), roots)?)
        }
        Trusted::ExtraRoots if roots.is_empty() => {
            return Err(BuildError::ConflictingSettings {
                settings: "`only_extra_roots` and no extra root",
                remedy: "add the authority to trust with `extra_roots_pem`, or trust Mozilla's roots",
            });
        }
        Trusted::ExtraRoots => builder.with_root_certificates(store(Vec::new(), roots)?),
        #[cfg(feature = "platform-verifier")]
        Trusted::Platform => {
            let verifier =
                rustls_platform_verifier::Verifier::new_with_extra_roots(roots.certificates()?, provider)
                    .map_err(|error| BuildError::Tls { reason: error.to_string() })?;
            // rustls calls every verifier other than its own dangerous.
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    Ok(builder.with_no_client_auth())
}

fn store(base: Vec<TrustAnchor<'static>>, extra: Roots) -> Result<RootCertStore, BuildError> {
    let mut store = RootCertStore { roots: base };
    for certificate in extra.certificates()? {
        store.add(certificate).map_err(|error| BuildError::Tls { reason: error.to_string() })?;
    }
    Ok(store)
}
