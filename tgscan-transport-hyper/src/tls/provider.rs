//! The default crypto provider.
//!
//! Selected explicitly, because the process default of rustls panics if none or two are linked. If both features are enabled,
//! ring is used, so that another crate that enables `aws-lc-rs` does not change the provider.

use rustls::crypto::CryptoProvider;

#[cfg(feature = "ring")]
#[expect(clippy::unnecessary_wraps, reason = "a build without both features has no provider")]
pub(super) fn linked() -> Option<CryptoProvider> {
    Some(rustls::crypto::ring::default_provider())
}

#[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
#[expect(clippy::unnecessary_wraps, reason = "a build without both features has no provider")]
pub(super) fn linked() -> Option<CryptoProvider> {
    Some(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
pub(super) fn linked() -> Option<CryptoProvider> {
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
