//! The version of the tables.

use tgscan_core::store::StoreError;

use super::connection::Connection;
use super::error::Failure;

/// The version of the tables that this program supports.
pub(super) const VERSION: i32 = 2;

/// Refuses tables of another version.
pub(super) async fn check_tables(connection: &Connection) -> Result<(), Failure> {
    let versions = connection.query("SELECT version FROM {schema}.meta", &[]).await?;
    Ok(check_version(versions.first().map(|row| row.get(0)))?)
}

/// Refuses tables of another version. Also checked in each transaction, because another program may change the tables.
pub(super) fn check_version(version: Option<i32>) -> Result<(), StoreError> {
    if version == Some(VERSION) {
        return Ok(());
    }
    let version = version.map_or("no version".to_owned(), |version| format!("version {version}"));
    Err(StoreError::new(format!(
        "the store's tables have {version}, but this program supports version {VERSION}; use a matching version of the program"
    )))
}
