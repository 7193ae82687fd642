//! The version of the tables.

use tgscan_core::store::StoreError;

/// The version of the tables that this program knows.
const VERSION: i32 = 1;

/// Refuses tables of another version, also if another program changed them while a store is open.
pub(super) fn check_version(version: Option<i32>) -> Result<(), StoreError> {
    if version == Some(VERSION) {
        return Ok(());
    }
    let version = version.map_or("no version".to_owned(), |version| format!("version {version}"));
    Err(StoreError::new(format!(
        "the store's tables have {version}, and this program knows version {VERSION}; use the version of the program that fits"
    )))
}
