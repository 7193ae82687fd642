//! Values that a failed property test prints whole.

use std::fmt;
use std::ops::Deref;

use proptest::strategy::Strategy;
use tgscan_core::types::Reveal;

/// A value whose `Debug` shows everything; see [`revealed`].
#[derive(Clone, PartialEq, Eq)]
pub struct Revealed<T>(pub T);

impl<T> Deref for Revealed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Reveal> fmt::Debug for Revealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.reveal().fmt(f)
    }
}

/// The same strategy, of values that print everything, so that proptest's minimal failing input can be read. Random data
/// are nobody's; keep what it prints out of logs all the same where you mix real data in.
///
/// ```
/// use proptest::prelude::*;
/// use tgscan_mock::data::{Generate, Profile, revealed, sample};
/// use tgscan_mock::types::UserCheck;
///
/// let answers = revealed(UserCheck::answers(Profile::Typical));
/// let answer = sample(&answers, 7);
/// assert!(format!("{answer:?}").contains(r#""known_num_groups":"#));
/// proptest!(|(answer in answers)| prop_assert_eq!(answer.meta.op_cost, 0));
/// ```
pub fn revealed<S>(strategy: S) -> impl Strategy<Value = Revealed<S::Value>>
where
    S: Strategy<Value: Reveal>,
{
    strategy.prop_map(Revealed)
}
