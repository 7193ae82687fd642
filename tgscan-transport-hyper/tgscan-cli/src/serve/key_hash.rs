//! Hashes of local keys.
//!
//! A hash without salt or stretching suffices, because the keys are random: there is no list of likely ones to try.

use std::fmt;

use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

const PREFIX: &str = "sha256:";

/// The SHA-256 of a local key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyHash([u8; 32]);

impl KeyHash {
    pub(crate) fn of(key: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, key).as_ref());
        Self(hash)
    }

    /// Returns the index of this hash among others. Takes the same time wherever it is, and if it is not there.
    pub(crate) fn find<'a>(&self, all: impl Iterator<Item = &'a Self>) -> Option<usize> {
        let mut found = u64::MAX;
        for (at, other) in (0..).zip(all) {
            found.conditional_assign(&at, self.0.ct_eq(&other.0));
        }
        let is_found: Choice = !found.ct_eq(&u64::MAX);
        bool::from(is_found).then(|| usize::try_from(found).ok()).flatten()
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hash = text.strip_prefix(PREFIX).and_then(read_hex);
        hash.map(Self).ok_or_else(|| D::Error::custom("expected `sha256:` and 64 hex digits"))
    }
}

fn read_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<_> = text.bytes().map(|byte| char::from(byte).to_digit(16)).collect::<Option<_>>()?;
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::try_from(pair[0] * 16 + pair[1]).ok()?;
    }
    Some(bytes)
}
