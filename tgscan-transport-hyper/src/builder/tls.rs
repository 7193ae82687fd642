//! The TLS settings of the builder.

use super::HyperTransportBuilder;
use crate::tls::{Root, Trusted};

impl HyperTransportBuilder {
    /// Trusts the certificates in PEM data, in addition to Mozilla's roots. Can be called repeatedly.
    ///
    /// Use it for a gateway with a private certificate authority, or for the mock's server.
    pub fn extra_roots_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.roots.push(Root::Pem(pem.into()));
        self
    }

    /// Trusts a certificate in DER form, in addition to Mozilla's roots. Can be called repeatedly.
    pub fn extra_root_der(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.tls.roots.push(Root::Der(der.into()));
        self
    }

    /// Trusts only the extra roots. Default: Mozilla's roots are trusted too.
    ///
    /// Pin only an authority that you control: a third-party service stops working as soon as it changes its authority.
    pub fn only_extra_roots(mut self) -> Self {
        self.tls.trusted = Trusted::ExtraRoots;
        self
    }

    /// Verifies certificates with the operating system's authorities and rules instead of Mozilla's roots. Extra roots are
    /// trusted too.
    ///
    /// Use it on machines that an organisation manages. The default is Mozilla's roots, because many container images have no
    /// authorities. The last call of this and [`only_extra_roots`](Self::only_extra_roots) wins.
    ///
    /// ```
    /// use tgscan_transport_hyper::HyperTransport;
    ///
    /// // Fails if the system has no authorities, as in a minimal container image.
    /// let transport = HyperTransport::builder().platform_verifier().build();
    /// ```
    #[cfg(feature = "platform-verifier")]
    pub fn platform_verifier(mut self) -> Self {
        self.tls.trusted = Trusted::Platform;
        self
    }

    /// Sets the crypto provider of TLS. Default: ring, or aws-lc-rs if the crate was built without ring.
    ///
    /// The process default of rustls is ignored.
    ///
    /// ```
    /// # #[cfg(feature = "aws-lc-rs")] {
    /// use tgscan_transport_hyper::{HyperTransport, rustls};
    ///
    /// // Needs the feature `aws-lc-rs`; takes precedence over `ring`.
    /// let provider = rustls::crypto::aws_lc_rs::default_provider();
    /// let transport = HyperTransport::builder().crypto_provider(provider).build()?;
    /// # }
    /// # Ok::<(), tgscan_transport_hyper::BuildError>(())
    /// ```
    pub fn crypto_provider(mut self, provider: rustls::crypto::CryptoProvider) -> Self {
        self.tls.provider = Some(provider);
        self
    }

    /// Sets a custom TLS configuration, e.g. with a client certificate. Cannot be combined with the other TLS settings of
    /// this builder; [`build`](Self::build) reports a conflict.
    ///
    /// Leave its `alpn_protocols` empty. Every server that its verifier accepts receives the API key.
    pub fn tls_config(mut self, config: rustls::ClientConfig) -> Self {
        self.tls.config = Some(config);
        self
    }
}
