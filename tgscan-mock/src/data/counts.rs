//! Strategies for balances, counts and lengths.

use super::Profile;
use super::draw_strategy::{DrawStrategy, to, value};
use super::rng::Rng;
use super::values::{approach, draw_extreme_id};

/// Returns a strategy for balances: often 0, and sometimes negative in the unusual profiles.
pub(super) fn balance(profile: Profile) -> DrawStrategy<i64> {
    fn draw(profile: Profile, rng: &mut Rng) -> i64 {
        match profile {
            Profile::Typical if rng.in_ten(5) => 0,
            Profile::Typical => rng.between_signed(1, 99_999),
            Profile::Extreme | Profile::Undocumented => draw_extreme_id(rng),
        }
    }
    value!(profile, draw, approach::<0>)
}

/// Returns a strategy for counts beyond the listed items, often extreme.
pub(super) fn more(profile: Profile) -> DrawStrategy<u64> {
    let draw = |_, rng: &mut Rng| rng.one_of(&[0, 1, u64::from(u32::MAX), u64::MAX]);
    value!(profile, draw, reduce)
}

/// Returns a strategy for member counts of groups, often extreme.
pub(super) fn num_users(profile: Profile) -> DrawStrategy<u64> {
    let draw = |_, rng: &mut Rng| rng.one_of(&[0, u64::MAX, 1, 9]);
    value!(profile, draw, reduce)
}

/// Sets 0, then halves the count.
fn reduce(count: &mut u64, step: usize) -> bool {
    let reduced = if step == 0 { 0 } else { *count / 2 };
    to(count, reduced)
}

/// Returns the lengths of lists: from empty to huge.
pub(super) fn lengths(usual: usize) -> proptest::collection::SizeRange {
    (0..=usual * 10).into()
}
