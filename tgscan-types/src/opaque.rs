//! `Debug` without personal data.

use std::fmt;

/// Stands in for a value in `Debug` output: says that it is there, not what it is.
pub(crate) struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

/// Implements `Debug` for types whose every field is personal data: prints the type's name and nothing of its value.
macro_rules! opaque_debug {
    ($($name:ident),+ $(,)?) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&$crate::opaque::Hidden).finish()
            }
        }
    )+};
}
pub(crate) use opaque_debug;
