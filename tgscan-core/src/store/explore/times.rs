//! Times and owners of the explored world.

use std::time::Duration;

use crate::store::OwnerId;

pub(super) const FENCE: Duration = Duration::from_secs(5);
pub(super) const LEASE: u64 = 15_000;
/// The time after the start of an attempt during which the service may charge it.
pub(super) const LATE_CHARGE: u64 = 60_000;
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const PAY_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Owners that have crashed, or whose lease has passed.
pub(super) const LOST: OwnerId = 9;
