//! Conversions of amounts.

/// Converts an amount to the public type.
pub(super) fn clamp(credits: u128) -> u64 {
    u64::try_from(credits).unwrap_or(u64::MAX)
}

/// Converts an amount to a signed type.
pub(super) fn signed(amount: u128) -> i128 {
    i128::try_from(amount).unwrap_or(i128::MAX)
}
