//! TLS settings: trusted authorities, the crypto provider, and the offered HTTP versions.

mod explain;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

pub(crate) use self::explain::explain;
use crate::BuildError;

/// In order of preference (ALPN).
const OFFERED: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The TLS settings of the builder.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    /// The extra roots.
    pub(crate) roots: Vec<Root>,
    pub(crate) trusted: Trusted,
    pub(crate) provider: Option<CryptoProvider>,
    /// A custom configuration that replaces the other settings.
    pub(crate) config: Option<ClientConfig>,
}

/// Extra roots: the certificates in PEM data, or one in DER form.
#[derive(Clone)]
pub(crate) enum Root {
    Pem(Vec<u8>),
    Der(Vec<u8>),
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
                return Err(BuildError::conflict(
                    "`tls_config` and roots of the builder",
                    "add the roots to your `ClientConfig`, whose verifier replaces the builder's",
                ));
            }
            Some(_) if self.provider.is_some() => {
                return Err(BuildError::conflict(
                    "`tls_config` and `crypto_provider`",
                    "create your `ClientConfig` with that provider",
                ));
            }
            Some(config) if !config.alpn_protocols.is_empty() => {
                return Err(BuildError::conflict(
                    "`tls_config` and its `alpn_protocols`",
                    "leave them empty; the transport sets them, and `http1_only` disables HTTP/2",
                ));
            }
            Some(config) => config,
            None => default_config(&self.roots, self.trusted, self.provider)?,
        };
        let offered = OFFERED.into_iter().filter(|version| !http1_only || *version == b"http/1.1");
        config.alpn_protocols = offered.map(<[u8]>::to_vec).collect();
        Ok(config)
    }
}

fn default_config(
    roots: &[Root],
    trusted: Trusted,
    provider: Option<CryptoProvider>,
) -> Result<ClientConfig, BuildError> {
    let provider = Arc::new(provider.or_else(linked_provider).ok_or_else(no_provider)?);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::tls(&error))?;
    let (mut store, extra) = certificates(roots)?;
    let builder = match trusted {
        Trusted::Mozilla => {
            store.roots.extend_from_slice(webpki_roots::TLS_SERVER_ROOTS);
            builder.with_root_certificates(store)
        }
        Trusted::ExtraRoots if extra.is_empty() => {
            return Err(BuildError::conflict(
                "`only_extra_roots` and no extra root",
                "add the authority to trust with `extra_roots_pem` or `extra_root_der`, or trust Mozilla's roots",
            ));
        }
        Trusted::ExtraRoots => builder.with_root_certificates(store),
        #[cfg(feature = "platform-verifier")]
        Trusted::Platform => {
            let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider)
                .map_err(|error| BuildError::tls(&error))?;
            // rustls calls every verifier other than its own dangerous.
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    Ok(builder.with_no_client_auth())
}

/// Parses the extra roots, and checks that each is valid. Returns them as a store and as certificates.
fn certificates(roots: &[Root]) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), BuildError> {
    let mut all = Vec::new();
    let mut store = RootCertStore::empty();
    for root in roots {
        let before = all.len();
        let certificates = match root {
            Root::Pem(pem) => CertificateDer::pem_slice_iter(pem).collect(),
            Root::Der(der) => Ok(vec![CertificateDer::from(der.clone())]),
        };
        let certificates: Vec<_> = certificates.map_err(|error| {
            BuildError::new(format!(
                "the data for `extra_roots_pem` is not valid PEM: {error}; use the unchanged file"
            ))
        })?;
        for certificate in certificates {
            all.push(certificate.clone());
            store.add(certificate).map_err(|error| {
                let number = all.len();
                let remedy = match root {
                    Root::Pem(_) => "use a root certificate",
                    Root::Der(_) => "use a root certificate in DER form; for PEM data, use `extra_roots_pem`",
                };
                BuildError::new(format!("extra root certificate {number} is invalid: {error}; {remedy}"))
            })?;
        }
        if all.len() == before {
            return Err(BuildError::new(
                "the data for `extra_roots_pem` contains no certificate; use one with `-----BEGIN CERTIFICATE-----` \
                 (a key is not a certificate; for DER data, use `extra_root_der`)",
            ));
        }
    }
    Ok((store, all))
}

fn no_provider() -> BuildError {
    BuildError::new(
        "no crypto provider for TLS is available; enable the feature `ring` or `aws-lc-rs`, or set one with \
         `crypto_provider` or `tls_config`",
    )
}

/// Returns the default crypto provider.
///
/// Selected explicitly, because the process default of rustls panics if none or two are linked. If both features are enabled,
/// ring is used, so that another crate that enables `aws-lc-rs` does not change the provider.
#[cfg(feature = "ring")]
#[expect(clippy::unnecessary_wraps, reason = "a build without both features has no provider")]
fn linked_provider() -> Option<CryptoProvider> {
    Some(rustls::crypto::ring::default_provider())
}

#[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
#[expect(clippy::unnecessary_wraps, reason = "a build without both features has no provider")]
fn linked_provider() -> Option<CryptoProvider> {
    Some(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
fn linked_provider() -> Option<CryptoProvider> {
    None
}

#[cfg(test)]
#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
mod tests {
    #[test]
    fn a_build_without_a_provider_names_the_features_to_enable() {
        let error = crate::HyperTransport::builder().build().unwrap_err().to_string();
        assert!(error.contains("enable the feature `ring` or `aws-lc-rs`"), "{error}");
    }
}
