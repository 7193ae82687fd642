//! Values that a failed property test prints completely.

use std::fmt;
use std::ops::Deref;

use proptest::strategy::Strategy;
use tgscan_core::types::Reveal;

/// A value with a `Debug` that shows everything. Returned by strategies from [`with_debug`].
#[derive(Clone, PartialEq, Eq)]
pub struct WithDebug<T>(pub T);

impl<T> Deref for WithDebug<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Reveal> fmt::Debug for WithDebug<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.reveal().fmt(f)
    }
}

/// Returns a strategy for the same values with a `Debug` that shows everything, so that proptest prints a readable
/// minimal input.
///
/// Random data is not personal. If you mix in real data, keep this output out of logs.
///
/// ```
/// use proptest::prelude::*;
/// use tgscan_mock::data::{Generate, Profile, sample, with_debug};
/// use tgscan_mock::types::UserCheck;
///
/// let answers = with_debug(UserCheck::answers(Profile::Typical));
/// let answer = sample(&answers, 7);
/// assert!(format!("{answer:?}").contains(r#""known_num_groups":"#));
/// proptest!(|(answer in answers)| prop_assert_eq!(answer.meta.op_cost, 0));
/// ```
pub fn with_debug<S>(strategy: S) -> impl Strategy<Value = WithDebug<S::Value>>
where
    S: Strategy<Value: Reveal>,
{
    strategy.prop_map(WithDebug)
}
