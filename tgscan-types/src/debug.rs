//! `Debug` without personal data.

use std::fmt;

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
