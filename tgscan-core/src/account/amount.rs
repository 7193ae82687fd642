//! Conversions of amounts.

/// Converts an amount to the public type.
pub(super) fn clamp(credits: u128) -> u64 {
    u64::try_from(credits).unwrap_or(u64::MAX)
}
