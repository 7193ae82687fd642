//! What the store is kept in.

use std::fmt;
use std::sync::Arc;

use tgscan_core::store::Store;

/// Where a store is kept.
pub(crate) enum Backend {
    /// A file in a directory that goes when the test ends.
    File(tempfile::TempDir),
}

impl Backend {
    pub(crate) fn all() -> Vec<Self> {
        vec![Self::File(tempfile::tempdir().unwrap())]
    }

    /// How a process opens a store of its own name.
    pub(crate) fn location(&self, name: &str) -> String {
        match self {
            Self::File(directory) => directory.path().join(name).display().to_string(),
        }
    }
}

/// Opens a store by its location.
pub(crate) fn open(location: &str) -> Arc<dyn Store> {
    Arc::new(tgscan_store::FileStore::open(location).unwrap_or_else(|error| panic!("{error}")))
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(_) => f.write_str("file"),
        }
    }
}
