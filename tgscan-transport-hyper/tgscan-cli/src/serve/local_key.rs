//! Local keys, which programs send.

use tgscan_core::Client;

use super::config::Kind;
use super::key_hash::KeyHash;
use super::metrics::Watch;

/// A local key, and the client that makes its calls.
pub(crate) struct LocalKey {
    pub(crate) name: String,
    pub(crate) hash: KeyHash,
    pub(crate) kind: Kind,
    pub(crate) methods: Option<Vec<String>>,
    pub(crate) client: Client,
    pub(crate) watch: Watch,
}
