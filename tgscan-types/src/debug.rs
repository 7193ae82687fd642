//! `Debug` without personal data, and a complete one for tests.

use std::fmt;

use serde::Serialize;

/// A placeholder for a value in `Debug` output.
pub(crate) struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

/// Implements `Debug` for types in which every field is personal data: prints only the type's name.
macro_rules! opaque_debug {
    ($($name:ident),+ $(,)?) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&$crate::debug::Hidden).finish()
            }
        }
    )+};
}
pub(crate) use opaque_debug;

/// Shows the values that `Debug` hides.
///
/// Requests and answers are personal data, so their `Debug` shows none of it. In a test, wrap both sides of an
/// assertion to see how they differ.
///
/// ```
/// use tgscan_types::{Reveal, SearchGroup, UserQuery};
///
/// let mut group = SearchGroup::default();
/// group.title = "Book club".into();
/// assert_eq!(format!("{group:?}"), "SearchGroup(<hidden>)");
/// assert_eq!(
///     format!("{:?}", group.reveal()),
///     r#"{"username":null,"title":"Book club","date_updated":""}"#,
/// );
/// assert_eq!(group.reveal(), group.clone().reveal());
/// assert_eq!(format!("{:?}", "@alice".parse::<UserQuery>()?.reveal()), r#""alice""#);
/// # Ok::<(), tgscan_types::InvalidQuery>(())
/// ```
pub trait Reveal: Serialize {
    /// Borrows the value with a `Debug` that shows all of it as JSON: on one line, or indented with `{:#?}`.
    fn reveal(&self) -> Revealed<&Self> {
        Revealed(self)
    }
}

impl<T: Serialize + ?Sized> Reveal for T {}

/// A value with a `Debug` that shows everything. Returned by [`Reveal::reveal`].
///
/// Its output is personal data: keep it out of logs. A strategy of the mock yields it with `.prop_map(Revealed)`, so that
/// proptest shows the smallest failing value.
#[derive(Clone, PartialEq, Eq)]
pub struct Revealed<T>(pub T);

impl<T: Serialize> fmt::Debug for Revealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = if f.alternate() {
            serde_json::to_string_pretty(&self.0)
        } else {
            serde_json::to_string(&self.0)
        };
        f.write_str(json.as_deref().unwrap_or("<cannot be written as JSON>"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BalanceAnswer, Envelope, SearchAnswer};

    #[test]
    fn only_reveal_shows_the_values() {
        let mut answer = SearchAnswer::default();
        answer.user.get_or_insert_default().first_name = "Ada".into();
        assert!(!format!("{answer:?} {answer:#?}").contains("Ada"));
        assert!(format!("{:?}", answer.reveal()).contains(r#""first_name":"Ada""#));
        assert!(format!("{:#?}", answer.reveal()).contains("\n    \"first_name\": \"Ada\""));
        assert!(format!("{:?}", answer.groups.reveal()).contains("[]"));
        let balance = Envelope::Ok(BalanceAnswer { num_credits: 5 });
        assert_eq!(format!("{:?}", balance.reveal()), r#"{"status":"ok","result":{"num_credits":5}}"#);
    }

    #[test]
    fn compares_like_the_value() {
        let (one, mut other) = (SearchAnswer::default(), SearchAnswer::default());
        assert_eq!(one.reveal(), other.reveal());
        other.meta.op_cost = 1;
        assert_ne!(one.reveal(), other.reveal());
    }

    #[test]
    fn values_without_a_json_form_print_a_placeholder() {
        let odd = std::collections::BTreeMap::from([((1, 2), 3)]);
        assert_eq!(format!("{:?}", odd.reveal()), "<cannot be written as JSON>");
    }
}
