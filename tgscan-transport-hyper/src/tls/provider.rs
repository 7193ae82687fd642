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
