//! The settings of TLS.

use rustls::pki_types::CertificateDer;

use super::HyperTransportBuilder;
use crate::tls::Trusted;

impl HyperTransportBuilder {
    /// Trusts the certificates in a PEM text beside Mozilla's roots. Can be called several times.
    ///
    /// For a gateway with a certificate authority of its own, or the mock's server.
    pub fn extra_roots_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.roots.add_pem(pem.into());
        self
    }

    /// Trusts a certificate in DER form beside Mozilla's roots. Can be called several times.
    pub fn extra_root_der(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.tls.roots.add_der(CertificateDer::from(der.into()));
        self
    }

    /// Trusts the extra roots and nobody else: no other authority can vouch for a server then. Default: Mozilla's roots
    /// are trusted too.
    ///
    /// Pinning an authority of your own is safe; pinning that of somebody else's service stops working when they change
    /// theirs.
    pub fn only_extra_roots(mut self) -> Self {
        self.tls.trusted = Trusted::Nobody;
        self
    }

    /// Lets the operating system decide whom to trust, with its own authorities and rules, instead of Mozilla's roots.
    /// Extra roots are trusted beside them.
    ///
    /// For machines that an organisation manages. The default is Mozilla's roots, because many container images have
    /// none. The latest of this and [`only_extra_roots`](Self::only_extra_roots) holds.
    ///
    /// ```
    /// use tgscan_transport_hyper::HyperTransport;
    ///
    /// // Fails where the system has no authorities at all, as in a bare container image.
    /// let transport = HyperTransport::builder().platform_verifier().build();
    /// ```
    #[cfg(feature = "platform-verifier")]
    pub fn platform_verifier(mut self) -> Self {
        self.tls.trusted = Trusted::Platform;
        self
    }

    /// Sets the crypto provider of TLS. Default: ring, or aws-lc-rs where the crate was built without ring.
    ///
    /// The process default of rustls is never looked at.
    ///
    /// ```
    /// # #[cfg(feature = "aws-lc-rs")] {
    /// use tgscan_transport_hyper::{HyperTransport, rustls};
    ///
    /// // With the feature `aws-lc-rs`, also where another crate turned `ring` on.
    /// let provider = rustls::crypto::aws_lc_rs::default_provider();
    /// let transport = HyperTransport::builder().crypto_provider(provider).build()?;
    /// # }
    /// # Ok::<(), tgscan_transport_hyper::BuildError>(())
    /// ```
    pub fn crypto_provider(mut self, provider: rustls::crypto::CryptoProvider) -> Self {
        self.tls.provider = Some(provider);
        self
    }

    /// Sets a TLS configuration of your own, e.g. with a client certificate. Replaces all other TLS settings of this builder.
    ///
    /// Leave its `alpn_protocols` empty. What its verifier accepts gets the API key.
    pub fn tls_config(mut self, config: rustls::ClientConfig) -> Self {
        self.tls.config = Some(config);
        self
    }
}
