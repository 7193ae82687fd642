//! The crypto provider that is used if the caller names none.
//!
//! Named and not taken from the process default, which panics if none or two are linked. Where both features are on,
//! ring goes first, so that another crate that turns `aws-lc-rs` on changes nothing here.

use rustls::crypto::CryptoProvider;

#[cfg(feature = "ring")]
#[expect(clippy::unnecessary_wraps, reason = "there is none in a build without both features")]
pub(super) fn linked() -> Option<CryptoProvider> {
    Some(rustls::crypto::ring::default_provider())
}

#[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
#[expect(clippy::unnecessary_wraps, reason = "there is none in a build without both features")]
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
    fn a_build_without_a_provider_says_what_to_turn_on() {
        let error = crate::HyperTransport::builder().build().unwrap_err().to_string();
        assert!(error.contains("turn on the feature `ring` or `aws-lc-rs`"), "{error}");
    }
}
