//! The flags in redb's head.

use super::HEAD;

/// The offset of the flags in redb's head.
pub(in crate::file) const FLAGS: usize = 9;
pub(super) const RECOVERY_REQUIRED: u8 = 2;
pub(super) const TWO_PHASE_COMMIT: u8 = 4;

/// Returns whether redb verifies the whole tree when it opens the file. It does so after a crash, unless the last
/// commit had two phases: then its pages were flushed before the head named it.
pub(in crate::file) fn is_verified_when_opened(head: &[u8; HEAD]) -> bool {
    head[FLAGS] & (RECOVERY_REQUIRED | TWO_PHASE_COMMIT) == RECOVERY_REQUIRED
}
