//! Opens a database, and creates missing tables.

use std::time::Duration;

use tgscan_core::store::{OwnerId, StoreError};
use tokio::time::timeout;
use tokio_postgres::types::Type;

use super::client::Session;
use super::connection::{Connection, begin_anywhere};
use super::error::{Failure, explain};
use super::session::new_owner;
use super::statements::STATEMENTS;
use super::target::Target;
use super::too_slow;
use super::version::check_version;

const SCHEMA: &str = include_str!("schema.sql");

impl Target {
    /// Connects, creates missing tables, and becomes an owner.
    pub(super) async fn open(&self, lease: Duration) -> Result<(Connection, OwnerId), StoreError> {
        let opening = async {
            let client = self.connect_to_any().await.map_err(Failure::Store)?;
            self.create_tables(&client).await?;
            let connection = Connection::new(client, &self.schema, self.limit, &STATEMENTS).await?;
            let owner = new_owner(&connection, lease).await?;
            Ok((connection, owner))
        };
        match timeout(self.limit, opening).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(Failure::Store(error))) => Err(error),
            Ok(Err(Failure::Database(error) | Failure::InDoubt(error))) => Err(explain(&self.name(), &error)),
            Ok(Err(Failure::Lease)) | Err(_) => Err(too_slow(self)),
        }
    }

    async fn create_tables(&self, client: &Session) -> Result<(), Failure> {
        let schema = &self.schema;
        client.set_up(&begin_anywhere(self.limit)).await?;
        // Processes that open an empty database concurrently create its tables one after the other.
        let lock = "SELECT pg_advisory_xact_lock(hashtext('tgscan-store'), hashtext($1))";
        client.execute_typed(lock, &[(schema, Type::TEXT)]).await?;
        let exists = "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'meta')";
        if client.query_typed_one(exists, &[(schema, Type::TEXT)]).await?.get(0) {
            let version = format!("SELECT version FROM {schema}.meta");
            let versions = client.query_typed(&version, &[]).await?;
            check_version(versions.first().map(|row| row.get(0))).map_err(|error| {
                Failure::Store(StoreError::new(format!("{}: schema {schema}: {error}", self.name())))
            })?;
        } else {
            let exists = "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)";
            if !client.query_typed_one(exists, &[(schema, Type::TEXT)]).await?.get::<_, bool>(0) {
                client.batch_execute(&format!("CREATE SCHEMA {schema}")).await?;
            }
            client.batch_execute(&format!("SET LOCAL search_path TO {schema}; {SCHEMA}")).await?;
        }
        client.batch_execute("COMMIT").await.map_err(Failure::Database)
    }
}
